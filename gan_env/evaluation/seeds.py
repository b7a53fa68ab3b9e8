"""The one table of seed ranges: training, searching and testing never share a run.

A run is an instance and a GAN seed, and both follow from the seed of a row. Every purpose has a range of its own. The
tunings of an opponent have theirs by its name, so a new kind of opponent moves no other.
"""

from zlib import crc32

APART, FAR = 1_000, 2**44
"""Distance between the runs of two trainings, and between rows `APART` apart in one training; see `row_seeds`."""
REPLAY, TEST = 2_000_000, 3_000_000
"""First run of the episodes that read-outs and choices come from, and of tests."""
EXAMPLES, HEADROOM, TUNE, ORACLE = 4_000_000, 5_000_000, 6_000_000, 7_000_000
"""First run of `baselines/run.py` and of other examples, of `headroom.py`, of `tune.py`, and of a study's oracle."""
WORTH, WORTH_APART, CONTROLLED = 10_000_000, 10_000, 9_000
"""First run of `worth.py`, how far two instances are apart, and the first run of the controller within an instance."""
BENCHMARK = 20_000_000
"""First run of the benchmark's protocols."""
STUDY_TUNINGS, TUNINGS_APART, TUNINGS = 100_000_000, 100_000, 1_000
"""First run of a study's tunings, how far two of them are apart, and how many a kind may have."""


def row_seeds(seed: int, rows: int) -> list[int]:
    """What each row of training `seed` (0 to `APART` - 1) draws its runs from: no two trainings share a run."""
    return [APART * seed + row % APART + row // APART * FAR for row in range(rows)]


def tuning_seed(kind: str, number: int) -> int:
    """First run of a study's tuning: of an opponent's kind, the `number`-th (0 to `TUNINGS` - 1)."""
    return STUDY_TUNINGS + TUNINGS_APART * (TUNINGS * (crc32(kind.encode()) % 100_000) + number)
