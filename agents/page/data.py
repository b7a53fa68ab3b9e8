"""A study's numbers for others to use: `policies.csv`, a row a policy, and `runs.csv.gz`, a row a run."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.study.options import BEST, HELD_OUT
from agents.study.play import entries, gather
from agents.study.records import Comparison, Summary
from agents.study.scores import Floats
from agents.study.study import Study
from gan_env.errors import require

_ENDS = ("", "_low", "_high", "_low_over_instances", "_high_over_instances")
POLICY_COLUMNS = (
    "setting", "policy", "seeds", "runs", "iqm", "iqm_low", "iqm_high",
    *(f"{what}{end}" for what in ("gain", "probability") for end in _ENDS), "crashes",
    *(f"{what}_over_strongest{end}" for what in ("gain", "probability") for end in _ENDS),
)  # fmt: skip
RUN_COLUMNS = (
    "setting", "policy", "training_seed", "instance", "gan_seed", "final", "best", "start", "crashed",
)  # fmt: skip


def policies_csv(summary: Summary) -> bytes:
    """A row a setting and policy: the plain numbers, estimates with the ends of their intervals.

    Gain and probability are against the tuned schedule, and again against the strongest of all tuned schedules on
    training instances, where that is another one and not the policy itself.
    """
    again = summary.strongest if summary.strongest != BEST else ""
    rows = []
    for setting, found in summary.settings.items():
        for name, row in found.rows.items():
            numbers = [row.iqm.value, *row.iqm.ci95, *_numbers(row.against.get(BEST))]
            others = _numbers(row.against.get(again))
            shown, beside = ([None if v is None else f"{v:.6g}" for v in part] for part in (numbers, others))
            rows.append([setting, name, row.seeds, row.runs, *shown, row.crashes, *beside])
    return _csv(POLICY_COLUMNS, rows)


def _numbers(found: Comparison | None) -> list[float | None]:
    """Gain and probability, each with the ends of both intervals."""
    if found is None:
        return [None] * 10
    estimates = (found.gain, found.probability)
    return [v for e in estimates for v in (e.value, *e.ci95, *(e.over_instances or (None, None)))]


def runs_csv_gz(study: Study, settings: Iterable[str]) -> bytes:
    """A row a run: which it is; score (log metric) at the end, at its best and at the start; crashed (1) or not (0).

    The seed is that of the training or tuning, empty where there was none. Equal runs make equal bytes.
    """
    rows = (row for setting in settings for row in _runs(study, setting))
    return gzip.compress(_csv(RUN_COLUMNS, rows), mtime=0)


def read_scores(folder: str | Path, policy: str, setting: str = HELD_OUT) -> Floats:
    """Final score (log metric) of a policy's runs in a setting of a study that was published.

    Returns:
        [S, I, G]: trainings or tunings (1: there was neither), test instances, GAN seeds.

    Raises:
        ConfigError: the setting or the policy is not there.
        FileNotFoundError: `folder` holds no `runs.csv.gz`.
    """
    runs = _read(Path(folder) / "runs.csv.gz")
    require(setting in runs["setting"], "setting", setting, f"one of {np.unique(runs['setting']).tolist()}")
    runs = runs[runs["setting"] == setting]
    require(policy in runs["policy"], "policy", policy, f"one of {np.unique(runs['policy']).tolist()}")
    order = ["training_seed", "instance", "gan_seed"]
    mine = np.sort(runs[runs["policy"] == policy], order=order)
    return np.asarray(mine["final"].reshape([len(np.unique(mine[column])) for column in order]), np.float64)


@cache
def _read(path: Path) -> NDArray[Any]:
    return np.asarray(np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf8"))


def _runs(study: Study, setting: str) -> Iterator[list[Any]]:
    trained = {entry.name for entry in entries(study, setting) if entry.seed is not None}
    for name, parts in gather(study, setting).items():
        for seed, episodes in enumerate(parts):
            first = [setting, name, seed if name in trained else ""]
            metrics = (episodes.final, episodes.score.min(axis=1), episodes.score[:, 0])
            columns = [[f"{value:.5g}" for value in metric] for metric in metrics]
            for place, *values, crashed in zip(_places(study, setting), *columns, episodes.crashed, strict=True):
                yield [*first, *place, *values, int(crashed)]


def _places(study: Study, setting: str) -> list[tuple[int, int]]:
    """Instance of each test episode, and number of its GAN seed within the instance."""
    instances, _ = study.size(setting)
    return [(instance, episode // instances) for episode, instance in enumerate(study.runs(setting)[1])]


def _csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()
