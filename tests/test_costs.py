"""Wall time and peak memory of a block."""

import time

import numpy as np

from agents.costs import metered

MEGABYTES = 300


def test_a_block_is_timed_and_its_memory_is_seen() -> None:
    with metered() as small:
        time.sleep(0.05)
    with metered() as large:
        np.ones(MEGABYTES * 2**17)  # eight bytes each
    assert 0.04 < small["wall_s"] < 5
    assert large["peak_mb"] > small["peak_mb"] + 0.8 * MEGABYTES
