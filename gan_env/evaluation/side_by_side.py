"""Many policies in one environment at once: each row has its own policy.

Searches play their candidates with this: all rows are used, and candidates that meet the same instances and GAN seeds
are paired.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_env import Fleet, GANVectorEnv
from gan_env.evaluation.rollout import Episodes, run_batches
from gan_env.policies.steering import EpisodeStart, Policy, State, start_of
from gan_env.records import Float32

Job = tuple[int, int, int]
"""A run: index of the policy, GAN seed, index of the instance."""


class SideBySide:
    """A policy that lets another policy steer each row, by its index in `owners` [N]; each sees its own rows alone.

    Attributes:
        start: where the knobs start, [N] for each; where a row's policy doesn't say, it is the initial value.
    """

    def __init__(self, env: GANVectorEnv | Fleet, policies: Sequence[Policy], owners: NDArray[np.int64]) -> None:
        self.knobs = len(env.config.knobs)
        self.parts = [(policies[owner], np.flatnonzero(owners == owner)) for owner in np.unique(owners)]
        self.start: dict[str, Float32] = {}
        for policy, rows in self.parts:
            for name, value in start_of(policy).items():
                initial = np.full(len(owners), env.knobs.table[name].value, np.float32)
                self.start.setdefault(name, initial)[rows] = value

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, Any]:
        """Every row's action [N, K] by its policy; the state is a tuple of the policies' states."""
        action = np.empty((len(observation), self.knobs), np.float32)
        states: list[Any] = [None] * len(self.parts) if state is None else list(state)
        for index, (policy, rows) in enumerate(self.parts):
            started = None if episode_start is None else episode_start[rows]
            action[rows], states[index] = policy.predict(observation[rows], states[index], started, deterministic)
        return action, tuple(states)


def run_jobs(
    env: GANVectorEnv | Fleet,
    policies: Sequence[Policy],
    jobs: Sequence[Job],
    report: Callable[[int, int], None] = lambda *_: None,
) -> Episodes:
    """Runs every job, as many at a time as `env` has rows, whichever policies they belong to.

    The environment has `AutoresetMode.DISABLED`. `report` is called with (done, total) after each batch.
    """
    owners, seeds, instances = zip(*jobs, strict=True)

    def watch(batch: int, decision: int) -> None:
        if decision == env.config.num_decisions - 1:
            report(min(len(jobs), (batch + 1) * env.num_envs), len(jobs))

    def policy_of(rows: list[int]) -> SideBySide:
        return SideBySide(env, policies, np.array(owners)[rows])

    return run_batches(policy_of, env, seeds, instances, watch)
