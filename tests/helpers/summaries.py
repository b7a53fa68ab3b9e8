"""Summaries of studies, as small as the sentences about them allow."""

from typing import Any

SPREAD = {"by_seed": [-1.0, -2.0], "spread_over_seeds": 0.5}


def interval(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "ci95": [low, high], "by_training": [low, high]}


def row(gain: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"gain": gain, "probability": interval(0.8, 0.7, 0.9), "crashes": 0, "n": 8, "seeds": 1, "against": {}}
    base |= {"ablation": False, "trained_elsewhere": False}
    return {**base, "collapse_rate": 0.0, "feedback": {"gain": gain, "probability": None}, **more}


def summary(gain: dict[str, Any], **changes: Any) -> dict[str, Any]:
    failures = {
        "against": "tuned_rates",
        "datasets": {"ring": {"instances": 4, "gain": interval(-0.1, -0.2, 0)}},
        "worst": [{"instance": 3, "dataset": "ring", "gain": -0.4}],
        "explained": {"lr_g": {"correlation": 0.6, "p": 0.001}, "width": {"correlation": 0.1, "p": 0.5}},
    }
    tuned = row(interval(0, 0, 0), crashes=2, seeds=2, **SPREAD)
    policies = {"ppo": row(gain), "best_schedule": tuned, "tuned_rates": tuned, "fixed": row(interval(-1, -2, 0))}
    base = {
        "learned": "ppo",
        "base": None,
        "strongest": "best_schedule",
        "by_tuning": [gain],
        "target": 0.75,
        "settings": {"held_out": {"policies": policies}, "far": {"policies": policies}},
        "oracle": {"candidates": 41, "runs": 1},
        "ablations": [],
        "break_even": {"fixed": {"runs": None, "saved_per_run": interval(5, -1, 9), "gain": interval(1, 0, 2)}},
        "failures": failures,
    }
    return base | changes
