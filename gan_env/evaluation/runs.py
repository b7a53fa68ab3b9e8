"""Complete GAN trainings as a data set: what was done to each, and how it went, decision by decision.

`Runs.save` writes a Parquet file that any data frame library reads, `load_runs` reads it back; `docs/data/runs.md`
explains the columns. `Runs.keep` and `read_kept` are the same in full precision, for programs that go on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_env.errors import DataError, needs
from gan_env.evaluation.best_of import best_of, by_cost, running_best
from gan_env.files import load_arrays, save_arrays, write_atomically
from gan_env.records import Float32, Float64

ROUNDED = {"knobs": 0.01, "log_metric": 0.02, "score": 0.02, "loss_d": 0.05, "loss_g": 0.05, "collapse": 0.05}
"""Steps to which a Parquet file rounds: far below what two GAN seeds of a run differ by."""
ORDERED = ("tpe",)
"""Methods whose results depend on those before; those of the others are exchangeable."""


@dataclass(frozen=True)
class Runs:
    """R runs of at most T decisions, of some instances, by some methods.

    Attributes:
        about: what holds for all of them: `knobs` (names), `instances` (their fields), `sha256` of these, `env`.
        method: who chose the knobs, such as "random" or "tpe", [R].
        instance: index into `about["instances"]`, [R].
        unit: which result of its method a run belongs to, by instance from 0 on: a run by itself, a bracket of
            successive halving, a population; [R].
        seed: of the row that it was reset with, [R].
        decisions: decisions that it was given; below T where it was stopped early, [R].
        crashed: [R] bool. A crashed run repeats the crash's values, and was given its decisions nevertheless.
        knobs: during each interval, [R, T, K] in [0, 1]. From here on NaN after a run was stopped.
        log_metric, score: from the untrained generator to the end, [R, T + 1], on the two halves of the held-out data.
        loss_d, loss_g, collapse: during each interval, [R, T]; NaN after a crash as well.
    """

    about: dict[str, Any]
    method: NDArray[np.str_]
    instance: NDArray[np.int64]
    unit: NDArray[np.int64]
    seed: NDArray[np.int64]
    decisions: NDArray[np.int64]
    crashed: NDArray[np.bool_]
    knobs: Float32
    log_metric: Float32
    score: Float32
    loss_d: Float32
    loss_g: Float32
    collapse: Float32

    def __len__(self) -> int:
        return len(self.method)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Name -> [R, ...], all but `about`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "about"}

    def take(self, which: NDArray[Any]) -> "Runs":
        """Some of the runs: a mask [R], or places."""
        return Runs(self.about, **{name: column[which] for name, column in self.columns().items()})

    def curves(self, method: str, most: int) -> Float64:
        """`curve` on each instance: [I, K]."""
        return np.stack([self.curve(method, instance, most) for instance in range(len(self.about["instances"]))])

    def curve(self, method: str, instance: int, most: int) -> Float64:
        """Expected score of the best that k runs of a method give on an instance, k = 1, ..., `most`: [K].

        A unit gives the run with the lowest final log metric of those that were finished, and costs the decisions of
        all of them. NaN where k runs give no result; see `gan_env.evaluation.best_of`.
        """
        own = self.take((self.method == method) & (self.instance == instance))
        total = own.knobs.shape[1]
        validation = np.where(own.decisions == total, own.log_metric[:, -1].astype(np.float64), np.inf)
        order = np.lexsort((validation, own.unit))  # by unit, the best first
        units, firsts = np.unique(own.unit[order], return_index=True)
        best = order[firsts]
        curve = running_best if method in ORDERED else best_of
        found = curve(validation[best], own.score[best, -1].astype(np.float64))
        return by_cost(found, float(own.decisions.sum()) / (total * len(units)), most)

    @staticmethod
    def join(parts: "Sequence[Runs]") -> "Runs":
        """All runs of the parts, which are about the same."""
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in parts[0].columns()}
        return Runs(parts[0].about, **columns)

    def keep(self, path: Path) -> Path:
        """Writes all of it, in full precision, as NumPy's compressed format (`.npz`)."""
        return save_arrays(path, {"about": np.array(json.dumps(self.about)), **self.columns()})

    def save(self, path: Path) -> Path:
        """Writes a Parquet file, rounded as `ROUNDED` says; a column of several numbers a run is a list.

        Raises:
            PackageError: pyarrow is not installed.
        """
        with needs("study"):
            import pyarrow as pa
            from pyarrow import parquet
        columns = {}
        small = dict.fromkeys(("instance", "unit", "decisions"), np.int16)
        for name, column in self.columns().items():
            if name in ROUNDED:
                steps = np.round(column / ROUNDED[name]).reshape(len(self), -1)
                flat = pa.array((steps * ROUNDED[name]).astype(np.float32).round(2).ravel())
                columns[name] = pa.FixedSizeListArray.from_arrays(flat, steps.shape[1])
            else:
                columns[name] = pa.array(column.astype(small.get(name, column.dtype)))
        table = pa.table(columns).replace_schema_metadata({"gan_env": json.dumps(self.about)})
        return write_atomically(
            path, lambda part: parquet.write_table(table, part, compression="zstd", compression_level=19)
        )


def read_kept(path: Path) -> Runs:
    """Reads what `Runs.keep` wrote.

    Raises:
        DataError: it can't be read.
    """
    return load_arrays(path, lambda arrays: Runs(json.loads(str(arrays.pop("about"))), **arrays))


def load_runs(path: str | Path) -> Runs:
    """Reads a data set of runs that `Runs.save` wrote.

    Raises:
        DataError: the file is missing, damaged, or holds no runs.
        PackageError: pyarrow is not installed.
    """
    with needs("study"):
        import pyarrow as pa
        from pyarrow import parquet
    try:
        table = parquet.read_table(Path(path))
        about = json.loads(table.schema.metadata[b"gan_env"])
        columns: dict[str, Any] = {}
        for name in table.column_names:
            column = table[name].combine_chunks()
            if name in ROUNDED:
                columns[name] = column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
            else:
                columns[name] = column.to_numpy(zero_copy_only=False)
        columns["method"] = columns["method"].astype(str)
        columns |= {name: columns[name].astype(np.int64) for name in ("instance", "unit", "seed", "decisions")}
        columns["knobs"] = columns["knobs"].reshape(len(table), -1, len(about["knobs"]))
        return Runs(about, **columns)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        made = "expected a file that gan_env.evaluation.runs.Runs.save wrote; `python baselines/worth.py` makes one"
        raise DataError(f"{path} can't be read as runs ({error}): {made}") from error
