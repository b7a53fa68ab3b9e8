"""Trains a policy by augmented random search, an evolution strategy, then compares it with tuned and usual schedules.

    python agents/train_ars.py                          # linear policy
    python agents/train_ars.py agent.hidden=[16]        # with a hidden layer
    python agents/train_ars.py resume=logs/ars/gan_env-Points-v1_1

It is a simple rival of the methods that learn by gradients. Any field of configs/ can be set on the command line.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sb3_contrib import ARS
from sb3_contrib.common.vec_env.async_eval import AsyncEval
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor
from torch.func import functional_call

from agents.learning.training import SB3Options, inner_env, train_sb3
from agents.study.training_script import training_script
from gan_env.adapters.stable_baselines3 import SB3VecEnv
from gan_env.errors import require


@dataclass(frozen=True)
class ARSOptions(SB3Options):
    """Hyperparameters of ARS (Mania et al. 2018, arXiv:1803.07055): V2, which normalises; V2-t where `top` is fewer.

    Attributes:
        hidden: units of the policy's hidden layers; none: it is linear.
        directions: directions per update; each is tried with both signs, `rows / (2 * directions)` episodes per sign.
        top: best directions that an update uses.
        step: size of an update, in units of the spread of the returns.
        noise: standard deviation of the weights' noise.
    """

    hidden: tuple[int, ...] = ()
    directions: int = 16
    top: int = 16
    step: float = 0.02
    noise: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.directions >= 1, "agent.directions", self.directions, "at least 1")
        require(1 <= self.top <= self.directions, "agent.top", self.top, f"1 to directions, {self.directions}")
        sides = f"a multiple of 2 * directions, {2 * self.directions}"
        require(self.rows % (2 * self.directions) == 0, "agent.rows", self.rows, sides)
        for name in ("step", "noise"):
            require(getattr(self, name) > 0, f"agent.{name}", getattr(self, name), "more than 0")

    def arguments(self, decisions: int) -> dict[str, Any]:
        """Arguments of ARS."""
        return {
            "n_delta": self.directions,
            "n_top": self.top,
            "learning_rate": self.step,
            "delta_std": self.noise,
            "zero_policy": not self.hidden,  # a network of zeros would have no direction to go
        }


class BatchedARS(ARS):
    """ARS whose candidates all play the same runs, in parallel.

    sb3-contrib plays candidate after candidate, each on other instances. Here row i belongs to candidate
    i // E, E episodes each, and the e-th episode of every candidate has the same instance and GAN seed: differences
    between returns are then due to the candidates, and an update takes one episode of the rows.
    """

    def evaluate_candidates(
        self, candidate_weights: Tensor, callback: BaseCallback, async_eval: AsyncEval | None
    ) -> Tensor:
        """The mean return of each candidate over E whole episodes: weights [P, W] -> [P]."""
        assert self.env is not None and isinstance(self.env.unwrapped, SB3VecEnv)
        episodes = self.env.num_envs // self.pop_size
        self.env.unwrapped.seed(np.random.randint(2**31, size=episodes).tolist() * self.pop_size)
        observation = self.env.reset()
        returns, playing = np.zeros(self.env.num_envs), np.ones(self.env.num_envs, bool)
        for _ in range(inner_env(self.env).config.num_decisions):
            grouped = torch.as_tensor(observation).reshape(self.pop_size, episodes, -1)  # [P, E, F]
            actions = torch.vmap(self._act)(candidate_weights, grouped).flatten(0, 1).numpy()  # [N, K]
            observation, rewards, dones, infos = self.env.step(np.clip(actions, -1, 1))
            counted = np.where(playing, rewards, 0)  # a row that crashes starts a new episode, which doesn't count
            returns += counted
            ends = [info if counts else {} for info, counts in zip(infos, playing, strict=True)]
            playing &= ~dones
            self.num_timesteps += self.env.num_envs
            callback.update_locals({"rewards": counted, "infos": ends})
            callback.on_step()
        callback.on_rollout_end()
        return torch.from_numpy(returns.reshape(self.pop_size, episodes).mean(axis=1)).float()

    def _act(self, weights: Tensor, observation: Tensor) -> Tensor:
        """Actions of one candidate: weights [W], observations [E, F] -> [E, K]."""
        names, parameters = zip(*self.policy.named_parameters(), strict=True)
        pieces = weights.split([p.numel() for p in parameters])
        shaped = {n: w.view_as(p) for n, w, p in zip(names, pieces, parameters, strict=True)}
        actions: Tensor = functional_call(self.policy, shaped, (observation,))
        return actions

    def _do_one_update(self, callback: BaseCallback, async_eval: AsyncEval | None) -> None:
        """Announces a rollout before directions are drawn: a checkpoint is saved then."""
        callback.on_rollout_start()
        super()._do_one_update(callback, async_eval)


train = partial(train_sb3, BatchedARS)
main = training_script("ars", ARSOptions(), train, __doc__)

if __name__ == "__main__":
    main()
