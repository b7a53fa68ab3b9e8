"""What a piece of work costs: wall time and peak memory."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch

from gan_env.files import write_json, write_text

NOTE_S = 10.0
"""Seconds between notes of the time that was spent."""
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def metered(note: Path | None = None) -> Iterator[dict[str, Any]]:
    """Fills the given dictionary with `wall_s` and `peak_mb` (MiB) when the block is done.

    Memory is that of tensors on GPUs where this process uses them, otherwise that of the process.

    Args:
        note: a file that keeps the seconds so far, so that those of killed processes count; the caller removes it when
            the costs are saved. None: only this block's time counts.
    """
    found: dict[str, Any] = {}
    _forget_peak()
    before = float(note.read_text()) if note and note.exists() else 0.0
    started, done = time.perf_counter() - before, Event()

    def keep() -> None:
        while note and not done.wait(NOTE_S):
            write_text(note, f"{time.perf_counter() - started:.1f}")

    keeper = Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield found
        found |= {"wall_s": round(time.perf_counter() - started, 2), "peak_mb": round(_peak(), 1)}
    finally:
        done.set()
        keeper.join()  # or it might write the note after the caller has removed it


def save_costs(path: Path, work: Callable[[], dict[str, Any]]) -> None:
    """Writes what work cost as JSON: `wall_s`, with the time of killed starts, `peak_mb`, and what it returns."""
    note = path.with_suffix(".spent")
    with metered(note) as costs:
        costs |= work()
    write_json(path, costs)
    note.unlink(missing_ok=True)


def _forget_peak() -> None:
    """Sets the peak to what is held now; that of the process where the kernel allows it."""
    if torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return  # the peak then counts from the start of the process


def _peak() -> float:
    """Peak memory in MiB, on the GPUs or of this process."""
    if torch.cuda.is_initialized():
        return sum(torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())) / 2**20
    if _STATUS.exists():
        return float(_STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
