"""The jobs of a study: trainings and tunings in processes of their own, whose output goes to a log.

Where there is no GPU, Linux forks them from a server that has imported what they need, once for all of them: see
`agents.study.preload`. With a GPU, and on other systems, each imports it by itself: the compiler uses the GPU as it
loads, and no process may be forked after that.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from agents.learning.controllers import NAME, train
from agents.learning.costs import metered
from agents.learning.options import RunOptions
from agents.learning.run_folder import RunFolder
from baselines.search.tuner import TuneOptions, search
from gan_env.errors import ConfigError
from gan_env.files import write_json

_TAIL = 2000  # characters of a failed job's output that are shown


def train_controller(script: str, options: RunOptions, folder: Path) -> None:
    """Trains, or continues a training; `trained.json` in its folder says what it cost."""
    train(script, options, RunFolder(folder, NAME))


def tune_opponent(options: TuneOptions, costs: Path) -> None:
    """Tunes on training instances, or continues a search, whose folder has what was found."""
    note = Path(f"{costs}.spent")
    with metered(note) as measured:
        search(options)
    write_json(costs, measured)
    note.unlink(missing_ok=True)


def run_job(work: Callable[..., None], arguments: Sequence[Any], log: Path, threads: int) -> None:
    """Calls `work(*arguments)` in a process of its own, with so many threads; what it prints is added to `log`.

    The process ends once this one is gone, however that ended: else a study that was killed and started again would
    train what is being trained still. A script that calls this needs an `if __name__ == "__main__"`, since the process
    may import it: see the documentation of `multiprocessing`.

    Args:
        work: a function that its module has by name.
        arguments: its arguments, which are pickled.
        log: the file.
        threads: of torch.

    Raises:
        ConfigError: it failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    context = _context()
    context.set_forkserver_preload(["agents.study.preload"])
    process = context.Process(target=_job, args=(work, arguments, log, threads))
    process.start()
    process.join()
    if process.exitcode:
        raise ConfigError(f"the job {work.__name__} failed; the end of {log}:\n{log.read_text()[-_TAIL:]}")


def _context() -> ForkServerContext | SpawnContext:
    """How processes are started on this machine."""
    forks = sys.platform == "linux" and not torch.cuda.is_available()
    return multiprocessing.get_context("forkserver") if forks else multiprocessing.get_context("spawn")


def _job(work: Callable[..., None], arguments: Sequence[Any], log: Path, threads: int) -> None:
    """What the process does."""
    Thread(target=_end_with_parent, daemon=True).start()
    with log.open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    torch.set_num_threads(threads)
    work(*arguments)


def _end_with_parent() -> None:
    """Ends this process once the one that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
