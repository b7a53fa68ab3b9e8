"""Where jobs run: on this machine, or on a Ray cluster. The options are those of configs/executor/."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from baselines.jobs.job import Run
from baselines.jobs.local import local_jobs
from gan_env.errors import require, require_at_least


@dataclass(frozen=True)
class ExecutorOptions:
    """Where jobs run.

    Attributes:
        kind: "local": in processes on this machine; "ray": as tasks on a Ray cluster.
        num_cpus: cores of a job, and torch's threads in it; null: those of this machine, divided by the jobs at a time.
        num_gpus: GPUs of a job on Ray, which may be a fraction.
        retries: how often a job on Ray is started again whose process or machine was lost.
        wait_s: seconds after which it is an error that Ray has started no job while none ran.
    """

    kind: Literal["local", "ray"] = "local"
    num_cpus: int | None = None
    num_gpus: float = 0.0
    retries: int = 3
    wait_s: float = 600.0

    def __post_init__(self) -> None:
        require(self.num_cpus is None or self.num_cpus >= 1, "executor.num_cpus", self.num_cpus, "null, or at least 1")
        require_at_least(self, "executor.", num_gpus=0, retries=0)
        require(self.wait_s > 0, "executor.wait_s", self.wait_s, "more than 0")
        fits = self.kind == "ray" or self.num_gpus == 0
        require(fits, "executor.num_gpus", self.num_gpus, "0 where executor=local: there jobs share all GPUs")

    def use_here(self) -> None:
        """Gives torch in this process, which does a job itself, the threads of a job."""
        if self.num_cpus is not None:
            torch.set_num_threads(self.num_cpus)

    def start(self, workers: int, folder: Path) -> AbstractContextManager[Run]:
        """What runs jobs, `workers` at a time; `folder` is where they write.

        Raises:
            ConfigError: a machine of the cluster doesn't see the folder, or none has the resources for a job.
            PackageError: Ray is not installed.
        """
        cpus = self.num_cpus or max(1, torch.get_num_threads() // workers)
        if self.kind == "local":
            return local_jobs(workers, cpus)
        from baselines.jobs.on_ray import ray_jobs  # here: Ray is an extra

        resources = {"num_cpus": cpus, "num_gpus": self.num_gpus}
        return ray_jobs(workers, resources, self.retries, self.wait_s, folder)
