"""How a report puts numbers into words, by rules."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.study.options import BASE, BEST

SCHEDULES = {
    BEST: "the tuned schedule",
    "tuned_rates": "the tuned schedule of learning rates",
    "tuned_r3gan": "R3GAN's tuned burn-in",
}
BETTER = {1: "better than", 0: "not told apart from", -1: "worse than"}


def schedule(name: str) -> str:
    """A tuned schedule in words."""
    return SCHEDULES.get(name, f"the schedule that {name.removesuffix(BASE)} corrects")


def over(row: dict[str, Any], opponent: str) -> dict[str, Any]:
    """A policy's gain and probability against a tuned schedule: against the usual one they are the row's own."""
    found: dict[str, Any] = row if opponent == BEST else row["against"][opponent]
    return found


def verdict(gain: dict[str, Any]) -> int:
    """1 where all that is known of the gain is above 0 (better), -1 below, 0 where an interval holds 0.

    Intervals are the bootstrap's, and the t-test's where there are several trainings or tunings.
    """
    return min((_side(gain["ci95"]), _side(gain.get("t95") or gain["ci95"])), key=abs)


def _side(interval: Sequence[float]) -> int:
    """1 where an interval is above 0, -1 below, 0 where it holds 0."""
    return int(interval[0] > 0) - int(interval[1] < 0)


def shown(gain: dict[str, Any]) -> str:
    """A gain and its interval."""
    low, high = gain["ci95"]
    return f"{gain['value']:+.3f} [{low:+.3f}, {high:+.3f}]"


def compared(who: str, whom: str, gain: dict[str, Any]) -> str:
    """A sentence on who is better."""
    numbers = f"{shown(gain)} in the final log metric{other_intervals(gain)}"
    if verdict(gain) == 0:
        return f"{who} is not told apart from {whom}: {numbers}."
    percent = abs(np.expm1(-gain["value"]))
    how = ("better", "lower") if verdict(gain) > 0 else ("worse", "higher")
    return f"{who} is {how[0]} than {whom}: {numbers}, so the metric itself is about {percent:.1%} {how[1]}."


def other_intervals(gain: dict[str, Any], form: str = " ({})") -> str:
    """The gain's other intervals in such a form: the t-test's where it takes the verdict away, with other instances."""
    parts = []
    if verdict(gain) != _side(gain["ci95"]):
        low, high = gain["t95"]
        parts.append(f"[{low:+.3f}, {high:+.3f}] by a t-test, as trainings and tunings are few")
    if "over_instances" in gain:
        low, high = gain["over_instances"]
        doubt = ", which holds 0: on other instances it may be none" if low <= 0 <= high and verdict(gain) else ""
        parts.append(f"[{low:+.3f}, {high:+.3f}] with instances drawn anew as well{doubt}")
    return form.format("; ".join(parts)) if parts else ""
