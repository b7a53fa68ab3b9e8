"""The runs of a study for others to use: `runs.csv.gz`."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from typing import Any

from agents.study.play import entries, gather
from agents.study.study import Study

COLUMNS = ("setting", "policy", "training_seed", "instance", "gan_seed", "final", "best", "start", "crashed")


def runs_csv_gz(study: Study, settings: Iterable[str]) -> bytes:
    """One row per run: which it is; score at the end, at its best and at the start; crashed (1) or not (0).

    The seed is that of the training or tuning, empty where there was none. Equal runs make equal bytes.
    """
    text = io.StringIO()
    rows = (row for setting in settings for row in _rows(study, setting))
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return gzip.compress(text.getvalue().encode(), mtime=0)


def _rows(study: Study, setting: str) -> Iterator[list[Any]]:
    met, (instances, _) = study.runs(setting)[1], study.size(setting)
    trained = {name for name, seed in entries(study, setting) if seed is not None}
    for name, parts in gather(study, setting).items():
        for seed, e in enumerate(parts):
            scores = zip(e.final, e.best, e.score[:, 0], strict=True)
            for run, (values, instance) in enumerate(zip(scores, met, strict=True)):
                which = [setting, name, seed if name in trained else "", instance, run // instances]
                yield [*which, *(f"{value:.5g}" for value in values), int(e.crashed[run])]
