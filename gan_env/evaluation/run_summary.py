"""Summary of a training run: how good it became, how fast it converged, how smooth its losses were."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gan_env.evaluation.rollout import Episodes
from gan_env.records import Float64

LEFT = 0.1
"""Share of the log distance to the best that is left where a run counts as converged."""


def decisions_to_target(curve: ArrayLike, target: ArrayLike) -> Float64:
    """Decisions until a curve is at the target or below, [N]; infinite where it never is.

    Args:
        curve: log metric or score, from the untrained generator to the end, [N, T + 1]; lower is better.
        target: likewise, [N] or a number.
    """
    curve = np.asarray(curve, np.float64)
    there = curve <= np.broadcast_to(np.asarray(target, np.float64), len(curve))[:, None]
    first: Float64 = np.where(there.any(axis=1), there.argmax(axis=1), np.inf)
    return first


def updates_to_converge(log_metric: ArrayLike, updates_per_decision: int) -> Float64:
    """GAN updates until the metric came within `LEFT` of its best, in log distance, [N].

    With m_0 of the untrained generator and the lowest m_best, it is the first moment t at which
    log m_t - log m_best <= LEFT * (log m_0 - log m_best): 0 where the metric never fell below its start.
    """
    curve = np.asarray(log_metric, np.float64)
    best = curve.min(axis=1)
    return decisions_to_target(curve, best + LEFT * (curve[:, 0] - best)) * updates_per_decision


def roughness(curve: ArrayLike) -> Float64:
    """Mean absolute second difference over the standard deviation: 0 is smooth.

    A straight line has 0, half a sine wave over 20 points about 0.055, white noise sqrt(12 / pi), about 1.95. Neither
    shifting nor scaling the curve changes it. Entries that are not finite (after a crash) are left out. [N, T] -> [N];
    0 for a constant curve, NaN for fewer than three finite entries.
    """

    def rough(row: Float64) -> float:
        row = row[np.isfinite(row)]
        if len(row) < 3:
            return float("nan")
        spread = float(row.std())
        return float(np.abs(np.diff(row, n=2)).mean()) / spread if spread > 0 else 0.0

    return np.array([rough(row) for row in np.asarray(curve, np.float64)])


def summarize_run(episodes: Episodes, updates_per_decision: int) -> dict[str, Any]:
    """How each row went by its score, ready for JSON: name -> one number per row; None where it isn't known."""
    extras, curve = episodes.extras, episodes.score
    columns: dict[str, NDArray[Any]] = {
        "start": np.exp(curve[:, 0]),
        "final": np.exp(curve[:, -1]),
        "best": np.exp(episodes.best),
        "updates_to_converge": updates_to_converge(curve, updates_per_decision),
        **{f"roughness_{name}": roughness(extras[name]) for name in ("loss_d", "loss_g")},
        **{name: extras[name][:, -1] for name in ("coverage", "modes", "high_quality") if name in extras},
        "spread_ratio": np.exp(extras["collapse"][:, -1]),
    }
    plain = {n: [float(v) if np.isfinite(v) else None for v in column] for n, column in columns.items()}
    return {**plain, "crashed": episodes.crashed.tolist()}


_WORDS = {
    "start": "untrained generator",
    "final": "final",
    "best": "best",
    "updates_to_converge": "updates until 10 % of the log distance to the best were left",
    "roughness_loss_d": "roughness of D's loss (0 smooth, 1.95 white noise)",
    "roughness_loss_g": "roughness of G's loss",
    "coverage": "coverage of the real samples",
    "modes": "share of the modes covered",
    "high_quality": "share of high-quality samples",
    "spread_ratio": "distance between samples over that between reals",
    "crashed": "crashed",
}


def describe_run(summary: dict[str, Any]) -> str:
    """The closing lines: one line per number, one value per row."""

    def shown(value: float | bool | None) -> str:
        return str(value) if value is None or isinstance(value, bool) else f"{value:.4g}"

    lines = [summary["metric"], f"{'real against real':<66}{shown(summary['real'])}"]
    lines += [f"{words:<66}{', '.join(map(shown, summary[n]))}" for n, words in _WORDS.items() if n in summary]
    return "\n".join(lines)
