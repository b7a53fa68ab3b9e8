"""The jobs of a study: trainings and tunings in separate processes, whose output goes to a log.

On Linux without a GPU they are forked from a server that has imported what they need once, `agents.study.preload`.
Elsewhere each job imports it again: the compiler uses the GPU when it loads, and no process may be forked after that.
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

from agents.learning.costs import save_costs
from baselines.search.tuner import TuneOptions, search
from gan_env.errors import ConfigError

_TAIL = 2000  # characters of a failed job's output that are shown


def tune_opponent(options: TuneOptions, costs: Path) -> None:
    """Tunes on training instances, or continues a search; its folder gets what was found, and `costs` what it cost."""

    def tune() -> dict[str, Any]:
        search(options)
        return {}

    save_costs(costs, tune)


def run_job(work: Callable[..., Any], arguments: Sequence[Any], log: Path, threads: int) -> None:
    """Calls `work(*arguments)` in a separate process; what it prints is added to `log`.

    The process ends when this one does, even if this one is killed: otherwise a restarted study would run the job
    twice. As with all of `multiprocessing`, a script that calls this needs an
    `if __name__ == "__main__"`.

    Args:
        work: a function at the top level of its module.
        arguments: its arguments, which are pickled.
        log: the file.
        threads: number of torch's threads.

    Raises:
        ConfigError: the job failed.
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


def _job(work: Callable[..., Any], arguments: Sequence[Any], log: Path, threads: int) -> None:
    """Runs in the process."""
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
