"""Which policies the pictures of a study show, and in which colour: the same in all of them."""

from agents.study.options import BEST, HELD_OUT
from agents.study.records import Row, Summary

MOST = 7
"""Lines in a picture that have to be told apart."""
CONSTANTS, USUAL = "fixed", "cosine"
COLOURS = ("#d55e00", "#0072b2", "#000000", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by the colour-blind as well (Okabe and Ito 2008)."""
GREY = "#bdbdbd"


def main_policies(summary: Summary) -> list[str]:
    """The learned one, the best opponent, constants and a usual schedule, as far as they played."""
    return _there(summary, [summary.learned, summary.strongest, CONSTANTS, USUAL])


def shown(summary: Summary) -> list[str]:
    """The main policies; then the learned one's mean trajectory, the best that is told more, the tuned schedule."""
    told = [name for name, row in opponents(summary).items() if row.told]
    return _there(summary, [*main_policies(summary), summary.mean_trajectory, *told[:1], BEST])[:MOST]


def colours(summary: Summary) -> dict[str, str]:
    """A colour for each policy that is shown."""
    return dict(zip(shown(summary), COLOURS, strict=False))


def rivals(summary: Summary) -> list[str]:
    """Whom the learned policy's gains are drawn over: all that are shown, then others, tuned ones first.

    They are ordered by that gain, the least first.
    """
    known, against = opponents(summary), summary.settings[HELD_OUT].rows[summary.learned].against
    first = [name for name in shown(summary) if name in known]
    others = [name for name in known if name not in first and "random" not in name]
    others = sorted(others, key=lambda name: known[name].found.gan_updates is None)  # of those alike the best first
    return sorted([*first, *others][:MOST], key=lambda name: against[name].gain.value)


def opponents(summary: Summary) -> dict[str, Row]:
    """All that the learned policy is compared with, without the oracle: the best on held-out instances first."""
    rows = summary.settings[HELD_OUT].rows
    known = [name for name in rows[summary.learned].against if name != "oracle"]
    return {name: rows[name] for name in sorted(known, key=lambda name: rows[name].iqm.value)}


def _there(summary: Summary, names: list[str | None]) -> list[str]:
    """The names without what didn't play and without repetitions."""
    rows = summary.settings[HELD_OUT].rows
    return [name for name in dict.fromkeys(names) if name is not None and name in rows]
