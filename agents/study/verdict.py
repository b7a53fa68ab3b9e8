"""A study's result in a few lines. A policy is called better or worse only where every interval agrees."""

import numpy as np

from agents.study.options import BEST, HELD_OUT
from agents.study.readout import SUFFIXES
from agents.study.records import Gain, Row, Summary

_WORDS = {1: "better than", 0: "not told apart from", -1: "worse than"}
_LIMIT = 0.6
"""A target is met where the probability reaches it and every interval is above this."""


def verdict(summary: Summary) -> list[str]:
    """The learned policy against the tuned schedule, the strongest one and its read-out, which know no more than it.

    Then against those that are told more, and the oracle against the strongest; and how many runs crashed.
    """
    rows, learned = summary.settings[HELD_OUT].rows, summary.learned
    mine = rows[learned]
    trainings = "a single training; another could differ" if mine.seeds == 1 else f"{mine.seeds} trainings"
    lines = [sentence(f"{learned} ({trainings})", "the tuned schedule", mine.against[BEST].gain)]
    lines.append(_against_strongest(summary, mine))
    read_outs = [learned + suffix for suffix in SUFFIXES if learned + suffix in mine.against]
    told = [name for name in mine.against if rows[name].told]
    if fair := [name for name in read_outs if name not in told]:
        last = fair[-1]  # where there are two, that of rates is the stronger one
        lines.append("Feedback: " + sentence(learned, f"{last}, its mean trajectory", mine.against[last].gain))
    for name in told:
        who, whom = f"{learned}, which is not told {rows[name].told},", f"{name}, which is"
        lines.append(sentence(who, whom, mine.against[name].gain))
    if "oracle" in rows:
        who, whom = "The oracle, which picks a schedule for each instance,", summary.strongest
        lines.append(sentence(who, whom, rows["oracle"].against[whom].gain))
    crashes = ", ".join(f"{rows[name].crashes} of {rows[name].runs} with {name}" for name in (learned, BEST))
    return [*lines, f"Crashed runs, which count with their penalty: {crashes}."]


def sentence(who: str, whom: str, gain: Gain) -> str:
    """Who is better, by how much, and the change in percent."""
    percent = ""
    if gain.verdict:
        how = "lower" if gain.verdict > 0 else "higher"
        percent = f", so the metric itself is about {abs(np.expm1(-gain.value)):.1%} {how}"
    return f"{who} is {_WORDS[gain.verdict]} {whom}: {gain.text()}{percent}."


def _against_strongest(summary: Summary, mine: Row) -> str:
    """The gain over the strongest opponent and over how many of its tunings, and whether the target is met."""
    found = mine.against[summary.strongest]
    who = f"{summary.strongest}, the strongest opponent on training instances of those that know no more"
    text = f"Against {who}: {found.gain.text()}, "
    text += f"P(better) {found.probability.text()}"
    if summary.target is not None:
        intervals = (found.probability.ci95, found.probability.over_instances)
        sure = all(interval[0] > _LIMIT for interval in intervals if interval)
        met = found.probability.value >= summary.target and sure
        text += f"; the target of {summary.target} is {'met' if met else 'not met'}"
    above = sum(gain.verdict > 0 for gain in summary.by_tuning)
    return f"{text}; better than {above} of its {len(summary.by_tuning)} tunings."
