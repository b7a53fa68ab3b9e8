"""A study's numbers for others to go on with: `policies.csv`, a row a policy, and `runs.csv.gz`, a row a run."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.study.options import HELD_OUT
from agents.study.play import entries
from agents.study.scores import Floats, gather
from agents.study.study import Study
from gan_env.errors import require

POLICY_COLUMNS = (
    "setting", "policy", "seeds", "runs", "iqm", "iqm_low", "iqm_high", "gain", "gain_low", "gain_high",
    "gain_low_over_instances", "gain_high_over_instances", "probability", "probability_low", "probability_high",
    "crashes", "gain_over_strongest", "gain_over_strongest_low", "gain_over_strongest_high",
    "probability_over_strongest", "probability_over_strongest_low", "probability_over_strongest_high",
)  # fmt: skip
RUN_COLUMNS = (
    "setting", "policy", "training_seed", "instance", "gan_seed", "final", "best", "start", "crashed",
)  # fmt: skip


def policies_csv(summary: dict[str, Any]) -> bytes:
    """A row a setting and policy: the plain numbers, estimates with the ends of their intervals.

    Gain and probability are against the tuned schedule, and again against the strongest of all tuned schedules on
    training instances, where that is another one and not the policy itself.
    """
    rows = []
    for setting, found in summary["settings"].items():
        for name, row in found["policies"].items():
            gain, chance = row["gain"], row["probability"]
            numbers = [row["iqm"], *row["ci95"], gain["value"], *gain["ci95"], *gain["over_instances"]]
            numbers += [chance["value"], *chance["ci95"]]
            again = row["against"].get(summary["strongest"], {})
            others = [v for key in ("gain", "probability") if key in again
                      for v in (again[key]["value"], *again[key]["ci95"])] or [None] * 6  # fmt: skip
            numbers, others = ([None if v is None else f"{v:.6g}" for v in part] for part in (numbers, others))
            rows.append([setting, name, row["seeds"], row["n"], *numbers, row["crashes"], *others])
    return _csv(POLICY_COLUMNS, rows)


def runs_csv_gz(study: Study, settings: Iterable[str]) -> bytes:
    """A row a run: which it is; log metric at the end, at its best and at the start; crashed (1) or not (0).

    The seed is that of the training or tuning, empty where there was none. Equal runs make equal bytes.
    """
    rows = (row for setting in settings for row in _runs(study, setting))
    return gzip.compress(_csv(RUN_COLUMNS, rows), mtime=0)


def read_scores(folder: str | Path, policy: str, setting: str = HELD_OUT) -> Floats:
    """Final log metric of a policy's runs in a setting of a study that was published.

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
            metrics = (episodes.final, episodes.log_metric.min(axis=1), episodes.log_metric[:, 0])
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
