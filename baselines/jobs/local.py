"""Jobs on this machine, in the processes of a standard pool, which are kept from one job to the next."""

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread

from baselines.jobs.job import Job, Run
from gan_env.errors import ConfigError


@contextmanager
def local_jobs(workers: int, threads: int) -> Iterator[Run]:
    """Runs jobs in processes of their own.

    The processes are spawned when the first jobs come: none may be forked after torch has used its threads or a GPU. So
    a script that calls this needs an `if __name__ == "__main__"`. They end when this process does, even if it is
    killed: otherwise a restarted study would run a job twice.

    Args:
        workers: jobs at a time.
        threads: torch's threads in each.
    """
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with_parent) as pool:

        def run(jobs: Sequence[Job]) -> None:
            due, running, failures = deque(jobs), set[Future[str | None]](), list[str]()
            while due or running:
                while due and len(running) < workers:  # the pool would start jobs that wait in it after a failure too
                    running.add(_submit(pool, due.popleft(), threads))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                failures += filter(None, map(_outcome, done))
                if failures:
                    due.clear()
            if failures:
                raise ConfigError(failures[0])

        yield run


def _submit(pool: ProcessPoolExecutor, job: Job, threads: int) -> Future[str | None]:
    """Starts a job, and a process for it if need be, which Ctrl-C reaches only when it runs `_end_with_parent`."""
    print(f"at work: {job.log}", flush=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(job.call, threads)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(done: Future[str | None]) -> str | None:
    """What went wrong with a job, if something did."""
    try:
        return done.result()
    except BrokenProcessPool:
        return "a process was killed, for want of memory perhaps: with fewer workers, the same command continues"


def _end_with_parent() -> None:
    """Runs in each process: ends it once the one that started it is gone, and at Ctrl-C, which all get, silently."""
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    if signal.SIGINT in signal.sigpending():  # it came while this process started
        os._exit(130)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    Thread(target=watch, daemon=True).start()
