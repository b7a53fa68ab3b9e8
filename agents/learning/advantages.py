"""Advantages of a family: what an action gained beside the other runs of its own member."""

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from agents.learning.training import inner_env
from gan_env import Fleet


class WithinMembers(BaseCallback):
    """Compares a run with the others of its member before each update of the policy; without members it does nothing.

    The kinds of GANs in a family end at very different distances, and the critic can't see which kind a run is of. So
    most of what sets one run's return apart from another's has nothing to do with the actions. Within a member at each
    decision, the mean advantage of the other runs is subtracted, which leaves the expected gradient of a member as it
    is (the baseline of Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!"). Then a member's
    advantages are divided by their standard deviation, so that all members count alike (as in Hessel et al. 2019,
    arXiv:1809.04474, for tasks of different reward scales).
    """

    def _on_rollout_end(self) -> None:
        env = inner_env(self.training_env)
        if isinstance(env, Fleet):
            assert isinstance(self.model, OnPolicyAlgorithm)
            buffer: RolloutBuffer = self.model.rollout_buffer
            for rows in env.rows:
                buffer.advantages[:, rows] = beside_others(buffer.advantages[:, rows])

    def _on_step(self) -> bool:
        return True


def beside_others(advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Advantages [T, N] of one member's N runs less the mean of the others', with a standard deviation of 1."""
    rows = advantages.shape[1]
    if rows > 1:
        others = (advantages.sum(axis=1, keepdims=True) - advantages) / (rows - 1)
        advantages = advantages - others
    scaled: NDArray[np.float32] = advantages / (advantages.std() + 1e-8)
    return scaled
