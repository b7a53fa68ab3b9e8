"""A study's result in five lines. A policy is called better or worse only where every interval agrees."""

from agents.study.names import plain
from agents.study.options import BEST, HELD_OUT
from agents.study.readout import REPLAY_SUFFIX, YOKED_SUFFIX
from agents.study.records import Row, Summary
from gan_env.evaluation.comparison import WORDS, Comparison

LIMIT = 0.65
"""A target is met where the probability reaches it and every interval is above this."""


def verdict(summary: Summary) -> list[str]:
    """The learned policy against opponents that know no more, its mean trajectory, and those that are told more.

    Then how early it is as good, and how it does elsewhere or, without other settings, how many runs crashed. Each line
    begins with what it is about, up to a colon.
    """
    rows = summary.settings[HELD_OUT].rows
    mine = rows[summary.learned]
    lines = [f"Best opponent that knows no more: {_strongest(summary, mine)}."]
    if mean := summary.mean_trajectory:
        lines.append(f"Feedback: {than(mean, mine.against[mean])}{_two_parts(summary, mine)}.")
    told = [name for name in mine.against if rows[name].told and not name.endswith(YOKED_SUFFIX)]
    if told:
        best = min(told, key=lambda name: rows[name].iqm.value)
        lines.append(f"Told more ({rows[best].told}): {than(best, mine.against[best])}{_share(summary, mine, best)}.")
    saved = summary.updates_saved
    low, high = (100 * end for end in saved.ci95)
    lines.append(
        f"Speed: as good as the {plain(summary.strongest)} ends with {100 * saved.value:.0f} % of the updates left "
        f"[{low:.0f}, {high:.0f}]."
    )
    return [*lines, _elsewhere(summary) or _crashes(summary)]


def than(opponent: str, found: Comparison) -> str:
    """Better or worse than whom, and by how much, as in "better than tuned ADA, 21 % lower [17, 25]"."""
    word = WORDS[found.gain.verdict]
    link = "from" if not found.gain.verdict else "than"
    return f"{word} {link} {plain(opponent)}, {found.gain.in_percent()}"


def _two_parts(summary: Summary, mine: Row) -> str:
    """What of its feedback is finding out which instance it has, and what is reacting to the run."""
    yoked, replay = summary.learned + YOKED_SUFFIX, summary.learned + REPLAY_SUFFIX
    if yoked not in mine.against:
        return ""
    found = summary.settings[HELD_OUT].rows[yoked].against[replay].gain
    reacts = mine.against[yoked].gain
    parts = (
        f"{word} {gain.in_percent()}" for word, gain in (("finding out the instance", found), ("reacting", reacts))
    )
    return f"; of that, {'; '.join(parts)}"


def _strongest(summary: Summary, mine: Row) -> str:
    """Against the strongest schedule, and whether the target is met."""
    found = mine.against[summary.strongest]
    chance = found.probability
    low, high = chance.over_instances or chance.ci95
    text = f"{than(summary.strongest, found)}; P(better) {chance.value:.2f} [{low:.2f}, {high:.2f}]"
    if summary.target is None:
        return text
    sure = all(interval[0] > LIMIT for interval in (chance.ci95, chance.over_instances) if interval)
    met = "met" if chance.value >= summary.target and sure else "not met"
    return f"{text}, the target of {summary.target} is {met}"


def _share(summary: Summary, mine: Row, told: str) -> str:
    """The learned policy's share of what is gained by being told more, over the tuned schedule."""
    theirs = summary.settings[HELD_OUT].rows[told].against.get(BEST)
    if theirs is None or theirs.gain.verdict != 1:
        return ""
    share = mine.against[BEST].gain.value / theirs.gain.value
    return f"; has {100 * share:.0f} % of its gain over the {plain(BEST)}"


def _elsewhere(summary: Summary) -> str:
    """Where the learned policy is better and worse than the tuned schedule without training anew; empty: nowhere."""
    places: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for name, setting in summary.settings.items():
        if name != HELD_OUT and summary.learned in setting.rows:
            places[setting.rows[summary.learned].against[BEST].gain.verdict].append(plain(name))
    found = [f"{WORDS[sign]} in {', '.join(names)}" for sign, names in places.items() if names]
    return f"Elsewhere, over the {plain(BEST)}: {'; '.join(found)}." if found else ""


def _crashes(summary: Summary) -> str:
    rows = summary.settings[HELD_OUT].rows
    counted = (f"{rows[name].crashes} of {rows[name].runs} with {plain(name)}" for name in (summary.learned, BEST))
    return f"Crashed runs, which count with their penalty: {', '.join(counted)}."
