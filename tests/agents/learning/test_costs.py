"""Wall time and peak memory of a block."""

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.learning import costs
from agents.learning.costs import metered

MEGABYTES = 300


def test_a_block_is_timed_and_its_memory_is_seen() -> None:
    with metered() as small:
        time.sleep(0.05)
    with metered() as large:
        np.ones(MEGABYTES * 2**17)  # eight bytes each
    assert 0.04 < small["wall_s"] < 5
    assert large["peak_mb"] > small["peak_mb"] + 0.8 * MEGABYTES


def test_what_a_killed_process_noted_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "NOTE_S", 0.01)
    note = tmp_path / "spent"
    with suppress(KeyboardInterrupt), metered(note):
        while not note.exists() or float(note.read_text()) < 0.3:
            time.sleep(0.01)
        raise KeyboardInterrupt
    with metered(note) as found:
        pass
    assert 0.3 <= found["wall_s"] < 5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_memory_is_what_tensors_took_there() -> None:
    _ = torch.ones(50 * 2**18, device="cuda")  # four bytes each; held before, so part of both
    with metered() as small:
        pass
    with metered() as large:
        torch.ones(MEGABYTES * 2**18, device="cuda")
    assert large["peak_mb"] == pytest.approx(small["peak_mb"] + MEGABYTES, abs=2)


def test_memory_of_all_gpus_in_use_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {0: 900, 1: 900}  # MiB, of work before
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(peaks))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: peaks.update({device: 10}))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peaks[device] * 2**20)
    with metered() as found:
        peaks[1] = 200
    assert found["peak_mb"] == 210
