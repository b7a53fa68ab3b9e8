"""A study's numbers as typed records. `summary.json` is a `Summary` as JSON."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.study.names import plain
from agents.study.options import HELD_OUT
from agents.study.readout import SUFFIXES
from gan_env.evaluation.comparison import Comparison, Estimate, Gain
from gan_env.files import write_text

VERSION = 6
"""Version of the records below, which `summary.json` has as `version`."""


@dataclass(frozen=True)
class Cost:
    """What a piece of work took; None: there was none, or it was not measured."""

    gan_updates: float | None = None
    wall_s: float | None = None
    peak_mb: float | None = None


@dataclass(frozen=True)
class Row:
    """How a policy did in a setting, crashed runs included.

    Attributes:
        seeds: trainings or tunings, 1 where there was neither.
        runs: number of runs, over all seeds.
        iqm: interquartile mean of the final scores.
        spread_over_seeds: standard deviation, over trainings or tunings, of their interquartile means; None where there
            is one.
        spread_over_gan_seeds: standard deviation of the runs of one training on one instance; None likewise.
        crashes: number of runs.
        collapsed: share of runs whose samples end with less than half of the data's spread.
        reached_target: share of runs that reach the score that the tuned schedule ends at on the instance.
        updates_to_target: mean GAN updates until then; a run that never gets there counts with all of its updates.
        against: comparison with each tuned schedule, the oracle, the policy's own read-outs (training by training) and,
            for a controller, the one that it varies or the learned one.
        told: what the policy is told that the learned one has to find out, such as "the rates"; empty: nothing.
        found: what one training or tuning took.
        played: what playing all runs took.
    """

    seeds: int
    runs: int
    iqm: Estimate
    spread_over_seeds: float | None
    spread_over_gan_seeds: float | None
    crashes: int
    collapsed: float
    reached_target: float
    updates_to_target: float
    against: dict[str, Comparison]
    told: str
    found: Cost
    played: Cost

    def title(self, name: str) -> str:
        """The policy's plain name, which says what it is told."""
        return f"{plain(name)} (told {self.told})" if self.told else plain(name)


@dataclass(frozen=True)
class SettingSummary:
    """The name of a setting's metric, and one row per policy."""

    metric: str
    rows: dict[str, Row]


@dataclass(frozen=True)
class Failure:
    """A test instance (its number and fields) on which the learned policy does badly; scores are means over runs."""

    index: int
    instance: dict[str, Any]
    gain: float
    standard_error: float | None
    learned: float
    opponent: float
    crashes: int


@dataclass(frozen=True)
class Summary:
    """A study in numbers.

    Attributes:
        name: of the study's folder.
        learned: the controller that the report is about, the best on training instances of those with the most seeds.
        strongest: the tuned opponent that is best on training instances, of those that are told no more than `learned`.
        by_tuning: gain of `learned` over each tuning of `strongest`; the mean over them may hide a strong one.
        updates_saved: the share of a run that is left when `learned` is as good as `strongest` ends, in the mean.
        target: see `StudyOptions`.
        settings: by name, the held-out one first.
        failures: the instances with the least gain of `learned` over `strongest`, the worst first.
    """

    name: str
    learned: str
    strongest: str
    by_tuning: tuple[Gain, ...]
    updates_saved: Estimate
    target: float | None
    settings: dict[str, SettingSummary]
    failures: tuple[Failure, ...]

    @property
    def mean_trajectory(self) -> str | None:
        """The read-out of `learned` that knows no more than it; of two, that of rates, which is the stronger one."""
        rows = self.settings[HELD_OUT].rows
        names = [self.learned + suffix for suffix in SUFFIXES]
        fair = [name for name in names if name in rows[self.learned].against and not rows[name].told]
        return fair[-1] if fair else None


def write_summary(path: Path, summary: Summary) -> None:
    """Writes a summary as JSON in one line, numbers with five significant digits."""
    text = json.dumps({"version": VERSION, **_rounded(dataclasses.asdict(summary))}, separators=(",", ":"))
    write_text(path, text + "\n")


def _rounded(value: Any) -> Any:
    """The same with shorter numbers, nested ones too."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
