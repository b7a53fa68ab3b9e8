"""Jobs as tasks on a Ray cluster.

All machines must see the folder that the program was started in, and the one that it writes to, under the same paths:
jobs continue from their files wherever they run. This is checked before the first job, and again by each job.

A job whose process or machine is lost is started again by this program, not by Ray, which would wait without a word
where no other machine has what the job needs.
"""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from baselines.jobs.job import Job, Run
from gan_env.errors import ConfigError, needs
from gan_env.fleet.ray_members import connect

with needs("ray"):
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@contextmanager
def ray_jobs(workers: int, resources: dict[str, float], retries: int, wait_s: float, folder: Path) -> Iterator[Run]:
    """Runs jobs as tasks of the cluster that RAY_ADDRESS names or that runs here, or else of one started here.

    When this process ends, even if it is killed, Ray ends its tasks.

    Args:
        workers: jobs at a time.
        resources: what a job needs: `num_cpus`, which are torch's threads too, and `num_gpus`.
        retries: how often a job is started again whose process or machine was lost.
        wait_s: seconds after which it is an error that no job runs and none was started.
        folder: where jobs write.

    Raises:
        ConfigError: a machine doesn't see the folders.
    """
    begun = not ray.is_initialized()
    connect()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with NamedTemporaryFile(dir=folder.absolute(), prefix=".seen-by-all-") as mark:
            shared = (str(Path.cwd()), mark.name)
            _require_shared(shared, resources, wait_s)
            yield _Tasks(shared, workers, resources, retries, wait_s).run
    finally:
        if begun:
            ray.shutdown()


class _Tasks:
    """Runs jobs as tasks; `shared` is the working folder and a file, which every machine must see."""

    def __init__(
        self, shared: tuple[str, str], workers: int, resources: dict[str, float], retries: int, wait_s: float
    ) -> None:
        self.shared, self.workers, self.resources = shared, workers, resources
        self.retries, self.wait_s = retries, wait_s

    def run(self, jobs: Sequence[Job]) -> None:
        """See `baselines.jobs.job.Run`."""
        due, lost, failures = deque(jobs), Counter[Path](), list[str]()
        tasks, running = dict[Any, Job](), set[Any]()  # a task that doesn't run has not started yet
        while due or tasks:
            while due and len(tasks) < self.workers:
                job = due.popleft()
                tasks[self._start(job)] = job
            ready, _ = ray.wait([*tasks], timeout=self.wait_s)
            if not ready and not running:
                failures.append(_no_room(self.resources, self.wait_s))
            for task in ready:
                news, job = _news(task), tasks[task]
                if news == _STARTED:
                    running.add(task)
                    continue
                del tasks[task]
                running.discard(task)
                lost[job.folder] += news == _LOST
                if news == _LOST and lost[job.folder] <= self.retries:
                    print(f"the process of {job.log} was lost: it starts again, {lost[job.folder]} of {self.retries}")
                    due.append(job)
                elif news:
                    failures.append(
                        news if news != _LOST else f"{job.log}: its process was lost {lost[job.folder]} times"
                    )
            if failures:
                due.clear()
                for task in tasks.keys() - running:
                    ray.cancel(task)
                    del tasks[task]
        if failures:
            raise ConfigError(failures[0])

    def _start(self, job: Job) -> Any:
        print(f"at work: {job.log}", flush=True)
        task = _work.options(**self.resources, max_retries=0)
        return task.remote(job, int(self.resources["num_cpus"]), self.shared)


_STARTED, _LOST = "started", "lost"


def _news(task: Any) -> str | None:
    """What is new of a task: that it has started, that it was lost, or how it ended: what went wrong, or None."""
    try:
        news: str | None = ray.get(next(task))
        return news
    except RayTaskError as error:
        return f"a machine of the cluster can't run a job; gan_env has to be installed there as it is here: {error}"
    except RayError:
        return _LOST


@ray.remote  # type: ignore[untyped-decorator, unused-ignore]
def _work(job: Job, threads: int, shared: tuple[str, str]) -> Iterator[str | None]:
    """A job as a task: says that it has started, then what went wrong, if something did."""
    yield _STARTED
    yield _blind(shared) or job.call(threads)


def _blind(shared: tuple[str, str]) -> str | None:
    """Goes to the working folder that all share; says what this machine doesn't see, if there is something."""
    folder, mark = shared
    try:
        os.chdir(folder)
        os.stat(mark)
        return None
    except OSError as error:
        needed = "all machines have to share the folder of the command and that of its results, under the same paths"
        return f"{ray.util.get_node_ip_address()} can't see {error.filename}: {needed}"


def _require_shared(shared: tuple[str, str], resources: dict[str, float], wait_s: float) -> None:
    """Asks each machine that has the resources for a job whether it sees the folders.

    Raises:
        ConfigError: it doesn't, or doesn't answer in time.
    """
    wanted = {"CPU": resources["num_cpus"], "GPU": resources["num_gpus"]}
    able = [n["NodeID"] for n in _machines() if all(n["Resources"].get(key, 0) >= x for key, x in wanted.items())]
    ask = ray.remote(_blind)
    on = [NodeAffinitySchedulingStrategy(machine, soft=False) for machine in able]
    asked = [ask.options(num_cpus=0, scheduling_strategy=place).remote(shared) for place in on]
    try:
        blind = [answer for answer in ray.get(asked, timeout=wait_s) if answer]
    except RayError as error:
        raise ConfigError(f"a machine of the Ray cluster doesn't answer ({type(error).__name__}): {error}") from error
    if blind:
        raise ConfigError(blind[0])


def _machines() -> list[dict[str, Any]]:
    return [machine for machine in ray.nodes() if machine["Alive"]]


def _no_room(resources: dict[str, float], wait_s: float) -> str:
    """The message where no job could be started in time."""
    have = [{key: m["Resources"].get(key, 0) for key in ("CPU", "GPU")} for m in _machines()]
    wanted = {"CPU": resources["num_cpus"], "GPU": resources["num_gpus"]}
    return (
        f"no machine of the Ray cluster could start a job in executor.wait_s={wait_s:g} seconds: a job needs {wanted}, "
        f"the machines have {have}, which others may use: give other executor.num_cpus and executor.num_gpus, or add "
        "machines; the same command continues"
    )
