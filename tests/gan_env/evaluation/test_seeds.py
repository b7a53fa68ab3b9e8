"""The table of seed ranges."""

from itertools import pairwise

from baselines.search.spaces import SPACES
from gan_env.evaluation.seeds import (
    APART,
    EXAMPLES,
    FAR,
    HEADROOM,
    ORACLE,
    REPLAY,
    TEST,
    TUNE,
    TUNINGS,
    TUNINGS_APART,
    row_seeds,
    tuning_seed,
)

RUNS = 900_000
"""More than any purpose but tuning plays."""


def test_no_two_purposes_share_a_run() -> None:
    """Trainings of up to 3,000 rows, every purpose of the table, and every tuning of every kind."""
    trainings = [(row, row + 1) for seed in (0, 1, APART - 1) for row in row_seeds(seed, 3 * APART)]
    purposes = [(first, first + RUNS) for first in (REPLAY, TEST, EXAMPLES, HEADROOM, TUNE, ORACLE)]
    firsts = [tuning_seed(kind, number) for kind in SPACES for number in (0, 1, TUNINGS - 1)]
    ranges = sorted([*trainings, *purposes, *((first, first + TUNINGS_APART) for first in firsts)])
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))


def test_rows_beyond_a_training_s_range_are_beyond_all_tunings() -> None:
    """Whatever the kind is called: the places of kinds end below `FAR`."""
    assert max(tuning_seed(f"kind {number}", TUNINGS - 1) for number in range(1000)) + TUNINGS_APART < FAR


def test_a_new_kind_of_opponent_moves_no_other() -> None:
    """Its place follows from its name alone."""
    assert tuning_seed("schedule", 2) - tuning_seed("schedule", 0) == 2 * TUNINGS_APART
    assert len({tuning_seed(kind, 0) for kind in SPACES}) == len(SPACES)
