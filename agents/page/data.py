"""The runs of a study for others to use: `runs.parquet`."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from agents.study.play import entries, gather
from agents.study.study import Study
from gan_env.errors import needs

with needs("study"):
    import pyarrow as pa
    import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("setting", pa.dictionary(pa.int8(), pa.string())),
        ("policy", pa.dictionary(pa.int16(), pa.string())),
        ("training_seed", pa.int16()),
        ("instance", pa.int16()),
        ("gan_seed", pa.int16()),
        ("final", pa.float32()),
        ("best", pa.float32()),
        ("start", pa.float32()),
        ("crashed", pa.bool_()),
    ]
)
DIGITS = 4
"""Digits of a score behind the point."""


def runs_parquet(study: Study, settings: Iterable[str]) -> bytes:
    """One row per run: which it is; score at the end, at its best and at the start; crashed or not.

    The seed is that of the training or tuning, none where there was neither. Equal runs make equal bytes.
    """
    parts = [pa.table(part, schema=SCHEMA) for setting in settings for part in _parts(study, setting)]
    buffer = io.BytesIO()
    whole = pa.concat_tables(parts).unify_dictionaries()
    pq.write_table(whole, buffer, compression="zstd", compression_level=19)
    return buffer.getvalue()


def _parts(study: Study, setting: str) -> Iterator[dict[str, Any]]:
    """The columns of each training or tuning."""
    met, (instances, _) = np.array(study.runs(setting)[1]), study.size(setting)
    trained = {name for name, seed in entries(study, setting) if seed is not None}
    for name, parts in gather(study, setting).items():
        for seed, e in enumerate(parts):
            runs = len(e.final)
            scores = {"final": e.final, "best": e.best, "start": e.score[:, 0]}
            yield {
                "setting": [setting] * runs,
                "policy": [name] * runs,
                "training_seed": [seed if name in trained else None] * runs,
                "instance": met,
                "gan_seed": np.arange(runs) // instances,
                **{column: values.round(DIGITS).astype(np.float32) for column, values in scores.items()},
                "crashed": e.crashed,
            }
