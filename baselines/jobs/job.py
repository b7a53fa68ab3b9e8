"""A job: a training, a tuning or a share of the evaluations, which runs in another process and writes to a log."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gan_env.errors import REFUSALS

_TAIL = 2000  # characters of a failed job's output that are shown


@dataclass(frozen=True)
class Job:
    """A function to call in another process. What it computes it writes into files, so it returns nothing.

    Attributes:
        work: a function at the top level of its module. After a kill it is called again, and continues from its files.
        arguments: its arguments, which are pickled.
        folder: gets `log.txt`, to which all that it prints is added.
    """

    work: Callable[..., object]
    arguments: tuple[Any, ...]
    folder: Path

    @property
    def log(self) -> Path:
        """The file with what it prints."""
        return self.folder / "log.txt"

    def call(self, threads: int) -> str | None:
        """Does the work in this process, with so many of torch's threads; says what went wrong, if something did."""
        torch.set_num_threads(threads)
        with _output_to(self.log):
            try:
                self.work(*self.arguments)
                return None
            except REFUSALS as error:
                traceback.print_exc()
                return f"{error} ({self.log})"
            except BaseException:  # also the end of a program
                traceback.print_exc()
        return f"the job {self.work.__name__} failed; the end of {self.log}:\n{self.log.read_text()[-_TAIL:]}"


Run = Callable[[Sequence[Job]], None]
"""Runs jobs, several at a time, and returns when all are done.

Where one fails, no other is started, those that run are waited for, and a `ConfigError` says why."""


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Adds to a file all that this process prints, its libraries in C included."""
    log.parent.mkdir(parents=True, exist_ok=True)
    places = (1, 2)  # the process's own output, and its errors
    kept = [os.dup(place) for place in places]
    with log.open("ab") as file:
        _redirect([file.fileno()] * len(places), places)
    try:
        yield
    finally:
        _redirect(kept, places)
        for place in kept:
            os.close(place)


def _redirect(to: Sequence[int], places: Sequence[int]) -> None:
    """Makes file descriptors stand for others; what was printed before still goes where it went."""
    sys.stdout.flush()
    sys.stderr.flush()
    for other, place in zip(to, places, strict=True):
        os.dup2(other, place)
