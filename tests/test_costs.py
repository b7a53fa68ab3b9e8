"""Wall time and peak memory of blocks and commands."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agents.costs import metered, run_metered
from gan_env import ConfigError

MEGABYTES = 300


def test_a_block_is_timed_and_its_memory_is_seen() -> None:
    with metered() as small:
        time.sleep(0.05)
    with metered() as large:
        np.ones(MEGABYTES * 2**17)  # eight bytes each
    assert 0.04 < small["wall_s"] < 5
    assert large["peak_mb"] > small["peak_mb"] + 0.8 * MEGABYTES


def test_a_commands_memory_is_its_own(tmp_path: Path) -> None:
    log = tmp_path / "made" / "log.txt"
    costs = [
        run_metered([sys.executable, "-c", f"x = b'x' * {size} * 2**20; print('said')"], log)
        for size in (MEGABYTES, 1)
    ]  # the larger first: a maximum over all children would hide the second
    assert costs[0]["peak_mb"] > costs[1]["peak_mb"] + 0.8 * MEGABYTES
    assert log.read_text() == "said\nsaid\n"


def test_a_failed_command_is_an_error_that_shows_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such thing"):
        run_metered([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path / "log.txt")
