"""Stand-in until the tuner is moved here."""

from baselines.tune import Tuned, TuneOptions, check_budget, save_policy, tune

__all__ = ["TuneOptions", "Tuned", "check_budget", "save_policy", "tune"]
