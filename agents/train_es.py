"""Trains a linear policy by an evolution strategy, then compares it with tuned and usual schedules.

    python agents/train_es.py
    python agents/train_es.py +experiment=family 'agent.hidden=[]'
    python agents/train_es.py resume=logs/es/gan_env-Points-v1_1

Two rows at a time play the same run, with weights that are disturbed up and down. What differs between their returns is
then due to the weights: GAN seeds, which make most of a return's noise, are common to both. Disturbed weights make a
whole run different in one way, where PPO tries something else at each decision. Any field of configs/ can be set on the
command line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor

from agents.learning.members import Member
from agents.learning.options import AgentOptions, TrainOptions
from agents.learning.rollouts import learn_rollouts
from agents.learning.run_folder import RunFolder
from agents.study.training_script import training_script
from gan_env.errors import require
from gan_env.evaluation.seeds import row_seeds
from gan_env.saved_controller import Network

CLIP = 5.0
"""Normalised statistics are cut to this."""


@dataclass(frozen=True)
class ESOptions(AgentOptions):
    """Hyperparameters of an evolution strategy (Salimans et al. 2017, arXiv:1703.03864) with mirrored pairs of rows.

    Attributes:
        noise: standard deviation of what disturbs the weights, which act on normalised statistics.
        learning_rate: of Adam, which climbs.
        largest: differences of two returns count as no more, so that a crash does not decide alone.
    """

    takes_members: ClassVar[bool] = True
    hidden: tuple[int, ...] = ()
    noise: float = 0.1
    learning_rate: float = 0.03
    largest: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not self.hidden, "agent.hidden", self.hidden, "none: the policy is linear")
        require(self.rows % 2 == 0, "agent.rows", self.rows, "an even number: two rows play each run")
        for name in ("noise", "learning_rate", "largest"):
            require(getattr(self, name) > 0, f"agent.{name}", getattr(self, name), "more than 0")
        learns = "at least 2: the first only looks at the statistics"
        require(self.rollouts >= 2, "agent.rollouts", self.rollouts, learns)

    def require_members(self, members: Mapping[str, Member]) -> None:
        """Raises a `ConfigError` where a member has an odd number of rows."""
        for name, member in members.items():
            require(member.rows % 2 == 0, f"members.{name}.rows", member.rows, "an even number: two rows play each run")


class Learner:
    """A linear policy, and the environment of all members in which pairs of rows disturb its weights.

    Args:
        options: of the training.

    Attributes:
        network: what is saved, a linear layer; it normalises statistics by those of the first rollout.
        weights: of the layer, biases last, [K, F + 1], zero in the first rollout; actions are cut to [-1, 1].
        rollouts: how many there were.
    """

    def __init__(self, options: TrainOptions) -> None:
        assert isinstance(options.agent, ESOptions)
        self.options, kinds = options.agent, options.kinds
        self.env = options.make_env(autoreset_mode=AutoresetMode.DISABLED)
        ends = accumulate((kind.rows // 2 for kind in kinds.values()), initial=0)
        self.pairs = {name: slice(*ends_of) for name, ends_of in zip(kinds, pairwise(ends), strict=True)}
        knobs, inputs = len(self.env.config.knobs), len(self.env.observer.names)
        self.weights = torch.zeros(knobs, inputs + 1, requires_grad=True)
        self.network = Network([("linear", inputs, knobs)], inputs, CLIP)
        self.optimizer = torch.optim.Adam([self.weights], options.agent.learning_rate, maximize=True)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.rollouts = 0
        seeds = row_seeds(options.seed, options.agent.rows // 2)
        self.env.reset(seed=np.repeat(seeds, 2).tolist())  # from here on both rows of a pair draw the same runs

    def learn(self) -> dict[str, float]:
        """One rollout, and a step of the weights; the first one only looks at the statistics.

        Returns:
            What TensorBoard shows, by name.
        """
        pairs, noise = self.options.rows // 2, self.options.noise * (self.rollouts > 0)
        disturbed = noise * torch.randn(pairs, *self.weights.shape, generator=self.generator)  # [N / 2, K, F + 1]
        up_and_down = torch.stack([disturbed, -disturbed], dim=1).flatten(0, 1)  # [N, K, F + 1]
        returns, seen, logged = self.play(self.weights.detach() + up_and_down)
        if self.rollouts == 0:
            self.network.normalise_by(seen)
        else:
            gains = (returns[0::2] - returns[1::2]).clamp(-self.options.largest, self.options.largest)  # [N / 2]
            slopes = gains[:, None, None] * disturbed / (2 * self.options.noise**2)
            self.weights.grad = torch.stack([slopes[own].mean(0) for own in self.pairs.values()]).mean(0)
            self.optimizer.step()
        self.rollouts += 1
        means = {name: returns[2 * own.start : 2 * own.stop].mean() for name, own in self.pairs.items()}
        logged |= {f"gan/return_{name}": float(mean) for name, mean in means.items()} if len(means) > 1 else {}
        return logged | {
            "gan/return": float(torch.stack([*means.values()]).mean()),
            "gan/updates": self.env.gan_updates,
        }

    def play(self, weights: Tensor) -> tuple[Tensor, Tensor, dict[str, float]]:
        """An episode of every row with weights [N, K, F + 1] of its own.

        Returns:
            Returns [N], all observations [M, F] of runs that had not ended, and how many rows crashed.
        """
        observation, _ = self.env.reset()
        returns, playing, crashes, seen = np.zeros(len(weights)), np.ones(len(weights), bool), 0, []
        while playing.any():
            statistics = torch.from_numpy(observation)
            seen.append(statistics[torch.from_numpy(playing)])
            x = self.network.normalised(statistics)
            actions = torch.einsum("nkf,nf->nk", weights[..., :-1], x) + weights[..., -1]
            observation, rewards, ended, _, infos = self.env.step(actions.clamp(-1, 1).numpy())
            returns += np.where(playing, rewards, 0)
            crashes += int((playing & infos["crashed"]).sum())
            playing &= ~ended
        return torch.from_numpy(returns).float(), torch.cat(seen), {"gan/crashes": crashes}

    def trained(self) -> Network:
        """The network, with the weights that were learned."""
        weight, bias = self.weights.detach().split([self.weights.shape[1] - 1, 1], dim=1)
        self.network.load_state_dict({"layers.0.weight": weight, "layers.0.bias": bias[:, 0]}, strict=False)
        return self.network

    def get_state(self) -> dict[str, Any]:
        """Everything that learning continues from, between two rollouts."""
        return {
            "weights": self.weights.detach().clone(),
            "normalisation": (self.network.mean, self.network.std),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "env": self.env.get_state(),
            "rollouts": self.rollouts,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores what `get_state` gave."""
        with torch.no_grad():
            self.weights.copy_(state["weights"])
        self.network.mean, self.network.std = state["normalisation"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.env.set_state(state["env"])
        self.rollouts = state["rollouts"]


def train(options: TrainOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains a policy, or continues from the folder's checkpoint.

    Returns:
        `gan_updates`: how many the training took.
    """
    learner, shown = Learner(options), {"return": "gan/return", "crashes": "gan/crashes"}
    learn_rollouts(learner, folder, options.agent.rollouts, "ES", shown)
    folder.save_controller(learner.trained(), learner.env, "action")
    return {"gan_updates": learner.env.gan_updates}


main = training_script("es", ESOptions(), train, __doc__)

if __name__ == "__main__":
    main()
