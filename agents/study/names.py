"""Plain names of policies, knobs, settings and an instance's fields, which verdicts, tables and pictures use.

A name that the table lacks is shown as words, so that an entry of a user's own needs none here.
"""

from agents.study.options import BEST
from agents.study.readout import RATES_REPLAY_SUFFIX, SUFFIXES, YOKED_SUFFIX, controller_of

NAMES = {
    # learners
    "ppo": "PPO",
    "recurrent_ppo": "recurrent PPO",
    "meta": "meta-network",
    "meta_lstm": "meta-network (LSTM)",
    # what PPO is varied by
    "time_only": "sees time only",
    "metric_only": "sees the metric only",
    "without_quality": "without the metric",
    "context_only": "is told the hyperparameters only",
    "with_context": "is told the hyperparameters too",
    "without_steps": "without step statistics",
    "steps_only": "sees step statistics only",
    "rates_only": "turns learning rates only",
    "regularisers_only": "turns regularisers only",
    "three_shapes": "trained on three shapes",
    # opponents
    BEST: "tuned schedule",
    "tuned_by_random_search": "schedule by random search",
    "tuned_by_halving": "schedule by halving",
    "tuned_by_cma_es": "schedule by CMA-ES",
    "tuned_by_population": "population-based training",
    "tuned_step_size": "tuned step-size rule",
    "step_size": "step-size rule",
    "tuned_linear_rates": "tuned rates, linear in the run's",
    "fixed": "constants",
    "power": "power law",
    "rising": "rising R1",
    "late_r1": "late R1",
    "step": "steps",
    "diffusion": "Diffusion-GAN",
    "r3gan": "R3GAN's burn-in",
    "tuned_r3gan": "tuned burn-in of R3GAN",
    "roth": "Roth's falling R1 and R2",
    "random": "random moves",
    "random_held": "random moves, held",
    "oracle": "best of many for each instance",
    # settings
    "held_out": "held-out instances",
    # knobs and fields of an instance
    "augment": "augmentation",
    "r1": "R1 penalty",
    "r2": "R2 penalty",
    "gp": "gradient penalty",
    "lr_g": "G's learning rate",
    "lr_d": "D's learning rate",
    "beta_1": "momentum",
    "dataset": "data set",
    "num_samples": "samples",
    "width_g": "G's width",
    "width_d": "D's width",
    "gain_g": "G's weight gain",
    "gain_d": "D's weight gain",
}
UNITS = {
    "instance_noise": "std",
    "latent_noise": "std",
    "augment_strength": "factor",
    "r1": "gamma",
    "r2": "gamma",
    "gp": "lambda",
    "spectral": "power",
    "lr_g": "factor",
    "lr_d": "factor",
}
"""What a knob's values are in; the others are probabilities."""
ACRONYMS = (
    "ADA",
    "APA",
    "ARS",
    "CMA",
    "ES",
    "GAN",
    "LSTM",
    "MAML",
    "MNIST",
    "PPO",
    "R1",
    "R2",
    "R3GAN",
    "SAC",
    "TPE",
    "TQC",
)


def plain(name: str) -> str:
    """The name that readers see.

    Example:
        >>> [plain(name) for name in ("ppo_replay", "tuned_ada", "my_sac_run")]
        ["PPO's mean trajectory, open loop", 'tuned ADA', 'my SAC run']
    """
    if name.endswith(SUFFIXES):
        of = plain(controller_of(name))
        what = "mean rates" if name.endswith(RATES_REPLAY_SUFFIX) else "mean trajectory"
        return f"{of}'s trajectory, yoked" if name.endswith(YOKED_SUFFIX) else f"{of}'s {what}, open loop"
    words = (word.upper() if word.upper() in ACRONYMS else word for word in name.split("_"))
    return NAMES.get(name) or " ".join(words)


def knob_label(name: str) -> str:
    """A knob with the unit of its values, as in "R1 penalty (gamma)"."""
    return f"{plain(name)} ({UNITS.get(name, 'probability')})"
