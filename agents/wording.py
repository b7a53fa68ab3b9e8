"""How a report puts numbers into words, by rules."""

from typing import Any

import numpy as np

from agents.study_options import BASE, BEST

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
    """1 where the interval is above 0 (better), -1 below, 0 where it holds 0."""
    low, high = gain["ci95"]
    return int(low > 0) - int(high < 0)


def shown(gain: dict[str, Any]) -> str:
    """A gain and its interval."""
    low, high = gain["ci95"]
    return f"{gain['value']:+.3f} [{low:+.3f}, {high:+.3f}]"


def compared(who: str, whom: str, gain: dict[str, Any]) -> str:
    """A sentence on who is better."""
    numbers = f"{shown(gain)} in the final log metric{others_met(gain)}"
    if verdict(gain) == 0:
        return f"{who} is not told apart from {whom}: {numbers}."
    percent = abs(np.expm1(-gain["value"]))
    how = ("better", "lower") if verdict(gain) > 0 else ("worse", "higher")
    return f"{who} is {how[0]} than {whom}: {numbers}, so the metric itself is about {percent:.1%} {how[1]}."


def others_met(gain: dict[str, Any], form: str = " ({})") -> str:
    """The gain's second interval in such a form, where it is known."""
    if "over_instances" not in gain:
        return ""
    low, high = gain["over_instances"]
    doubt = ", which holds 0: on other instances it may be none" if low <= 0 <= high and verdict(gain) else ""
    return form.format(f"[{low:+.3f}, {high:+.3f}] with instances drawn anew as well{doubt}")
