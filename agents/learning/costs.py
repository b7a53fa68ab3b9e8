"""What a piece of work costs: wall time and peak memory."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch

from gan_env.files import write_atomically

NOTE_S = 10.0
"""Seconds between notes of the time that was spent."""
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def metered(note: Path | None = None) -> Iterator[dict[str, Any]]:
    """Fills the given dict with `wall_s` and `peak_mb` (MiB) when the block is done.

    Memory is what tensors took on GPUs where this process uses them, otherwise what the process held.

    Args:
        note: see `timed`; it is the caller's to remove when the costs are saved. None: only this block's time counts.
    """
    found: dict[str, Any] = {}
    _forget_peak()
    started = time.perf_counter()
    with timed(note) if note else nullcontext(lambda: time.perf_counter() - started) as clock:
        yield found
        found |= {"wall_s": round(clock(), 2), "peak_mb": round(_peak(), 1)}


@contextmanager
def timed(note: Path) -> Iterator[Callable[[], float]]:
    """Gives a clock: seconds that were spent on a piece of work, by processes before this one as well.

    Args:
        note: a file in which the time is kept meanwhile and at the end, for work that is killed and goes on.
    """
    before = float(note.read_text()) if note.exists() else 0.0
    started, done = time.perf_counter() - before, Event()

    def keep() -> None:
        while not done.wait(NOTE_S):
            save()

    def save() -> None:
        write_atomically(note, lambda part: part.write_text(f"{time.perf_counter() - started:.1f}"))

    keeper = Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield lambda: time.perf_counter() - started
    finally:
        done.set()
        keeper.join()  # else it may write the note after the caller has removed it
        save()


def _forget_peak() -> None:
    """Sets the peak to what is held now; that of the process where the kernel lets us."""
    if torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)
    try:
        _CLEAR.write_text("5")
    except OSError:
        return  # then the peak is that since the start


def _peak() -> float:
    """Peak memory in MiB, on the GPUs or of this process."""
    if torch.cuda.is_initialized():
        return sum(torch.cuda.max_memory_allocated(device) for device in range(torch.cuda.device_count())) / 2**20
    if _STATUS.exists():
        return float(_STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
