"""A study's numbers as typed records, and as JSON: `summary.json` is a `Summary`."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan_env.errors import DataError
from gan_env.files import write_json

VERSION = 2
"""Of the records below; a summary of another version is not read."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % intervals.

    Attributes:
        value: the number.
        ci95: over GAN seeds and trainings or tunings, on the instances that were drawn.
        over_instances: with instances drawn anew as well, as if others were met; None: not known.
    """

    value: float
    ci95: Interval
    over_instances: Interval | None = None

    def text(self, style: str = ".2f") -> str:
        """The number with its intervals, as in "0.81 [0.76, 0.87] ([0.72, 0.90])"."""

        def shown(interval: Interval) -> str:
            return f"[{interval[0]:{style}}, {interval[1]:{style}}]"

        others = f" ({shown(self.over_instances)})" if self.over_instances else ""
        return f"{self.value:{style}} {shown(self.ci95)}{others}"


@dataclass(frozen=True)
class Gain(Estimate):
    """How much lower (better) a policy's scores are than another's in the mean.

    Attributes:
        t95: the interval by a t-test of trainings and tunings, where there are several: of few a bootstrap is too sure.
        by_training: the gain of each training by itself.
    """

    t95: Interval | None = None
    by_training: tuple[float, ...] = ()

    def text(self, style: str = "+.3f") -> str:
        """As of any estimate, with a sign."""
        return super().text(style)

    @property
    def verdict(self) -> int:
        """1 where every interval is above 0 (better), -1 where every one is below, else 0 (not told apart)."""
        known = [interval for interval in (self.ci95, self.t95, self.over_instances) if interval is not None]
        return int(all(low > 0 for low, _ in known)) - int(all(high < 0 for _, high in known))


@dataclass(frozen=True)
class Comparison:
    """A policy against another.

    Attributes:
        gain: in the final score.
        probability: of improvement: that a run is better than one of the other on the same instance.
    """

    gain: Gain
    probability: Estimate


@dataclass(frozen=True)
class Cost:
    """What a piece of work took; None: there was none, or it was not measured."""

    gan_updates: float | None = None
    wall_s: float | None = None
    peak_mb: float | None = None


@dataclass(frozen=True)
class Row:
    """How a policy did in a setting. Crashed runs always count.

    Attributes:
        trained: it is a learned controller.
        ablation: it is a controller that varies another.
        seeds: trainings or tunings, 1 where there was neither.
        runs: of all of them.
        validation: mean final log metric, by which choices are made.
        iqm: interquartile mean of the final scores, which are reported.
        best: the same of each run's best score.
        by_seed: interquartile mean of each training or tuning.
        spread_over_seeds: standard deviation of these; None where there is one.
        spread_over_gan_seeds: standard deviation of the runs of one training on one instance.
        crashes: runs that crashed.
        collapsed: share of runs whose samples end with less than half of the data's spread.
        reached_target: share of runs that reach what the tuned schedule ends at on the instance.
        updates_to_target: mean GAN updates until then; a run that never does counts with all of its updates.
        roughness_loss_d: mean roughness of the discriminator's loss; see `gan_env.evaluation.run_summary`.
        roughness_loss_g: of the generator's.
        against: comparison with each tuned schedule and the oracle, by name.
        against_read_out: comparison with its own read-outs, training by training, by suffix.
        found: what a training or tuning took.
        played: what playing all runs took.
    """

    trained: bool
    ablation: bool
    seeds: int
    runs: int
    validation: float
    iqm: Estimate
    best: Estimate
    by_seed: tuple[float, ...]
    spread_over_seeds: float | None
    spread_over_gan_seeds: float | None
    crashes: int
    collapsed: float
    reached_target: float
    updates_to_target: float
    roughness_loss_d: float | None
    roughness_loss_g: float | None
    against: dict[str, Comparison]
    against_read_out: dict[str, Comparison]
    found: Cost
    played: Cost


@dataclass(frozen=True)
class Profile:
    """The share of a policy's runs that end at or below each threshold, with a 95 % band."""

    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class SettingSummary:
    """A setting: its metric, a row a policy, and performance profiles of those that are drawn."""

    metric: str
    rows: dict[str, Row]
    thresholds: tuple[float, ...]
    profiles: dict[str, Profile]


@dataclass(frozen=True)
class Ablation:
    """An ablation against what it varies, or a controller beside another, over all trainings of both."""

    name: str
    of: str
    seeds: tuple[int, int]
    iqm: Estimate
    comparison: Comparison


@dataclass(frozen=True)
class BreakEven:
    """When training a controller has paid for itself against an opponent, in GAN updates.

    Attributes:
        gain: over the opponent.
        saved_per_run: updates that a run needs less to reach what the opponent ends at.
        extra_training: updates that training took more than finding the opponent.
        runs: after which it has paid for itself; None: it is shown to end worse, or not shown to save anything.
    """

    gain: Gain
    saved_per_run: Gain
    extra_training: float
    runs: int | None


@dataclass(frozen=True)
class Failure:
    """An instance (its fields are in `instance`) on which the learned policy does badly; scores are means."""

    index: int
    instance: dict[str, Any]
    gain: float
    standard_error: float | None
    learned: float
    opponent: float
    crashes: int


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation, and its p-value."""

    value: float
    p: float


@dataclass(frozen=True)
class Failures:
    """Where the learned policy loses against an opponent.

    Attributes:
        against: the opponent.
        worst: instances with the least gain.
        datasets: gain on each data set, the best first.
        explained: how features of an instance go with the gain.
    """

    against: str
    worst: tuple[Failure, ...]
    datasets: dict[str, Gain]
    explained: dict[str, Correlation]


@dataclass(frozen=True)
class Summary:
    """A study in numbers.

    Attributes:
        name: of the study.
        metric: of the held-out setting.
        instances: held-out test instances.
        gan_seeds: GAN seeds on each of them.
        updates_per_run: GAN updates.
        learned: the controller that the report is about, the best on training instances of those with the most seeds.
        strongest: the tuned schedule that is best on training instances.
        tuning: fields of `PolicyOptions` of the best tuning of the tuned schedule.
        by_tuning: gain of `learned` over each tuning of `strongest`: the mean over them may hide a strong one.
        target: see `StudyOptions`.
        notes: likewise.
        settings: by name, the held-out one first.
        ablations: in the order of the controllers.
        break_even: by opponent.
        failures: of `learned` against `strongest`.
        version: of these records.
    """

    name: str
    metric: str
    instances: int
    gan_seeds: int
    updates_per_run: int
    learned: str
    strongest: str
    tuning: dict[str, Any]
    by_tuning: tuple[Gain, ...]
    target: float | None
    notes: tuple[str, ...]
    settings: dict[str, SettingSummary]
    ablations: tuple[Ablation, ...]
    break_even: dict[str, BreakEven]
    failures: Failures
    version: int = field(default=VERSION)


def write_summary(path: Path, summary: Summary) -> None:
    """Writes a summary as JSON."""
    write_json(path, dataclasses.asdict(summary))


def read_summary(path: Path) -> Summary:
    """Reads what `write_summary` wrote.

    Raises:
        DataError: it is of another version.
    """
    found = json.loads(path.read_text())
    if found.get("version") != VERSION:
        raise DataError(f"{path} has version {found.get('version')}: expected {VERSION}; write the report again")
    summary: Summary = _from_json(Summary, found)
    return summary


def _from_json(kind: Any, value: Any) -> Any:
    """A value of a type hint from what JSON made of it."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{name: _from_json(hints[name], part) for name, part in value.items()})  # type: ignore[operator]
    if origin is types.UnionType:
        return None if value is None else _from_json(inner[0], value)
    if origin is tuple:
        return tuple(_from_json(inner[0], part) for part in value)
    if origin is dict and isinstance(value, Mapping):
        return {key: _from_json(inner[1], part) for key, part in value.items()}
    return value
