"""Trains PPO to turn the knobs, then compares it with tuned and usual schedules.

    python agents/train_ppo.py                          # 2-D points
    python agents/train_ppo.py env=fashion_mnist        # real images
    python agents/train_ppo.py resume=logs/ppo/gan_env-Points-v1_1

Any field of configs/ can be set on the command line, as in agent.rollouts=10 env.num_decisions=20.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from agents.learning.imitation import imitate
from agents.learning.learning_rate import AdaptiveRate, GradientOptions
from agents.learning.training import train_sb3
from agents.study.training_script import training_script
from gan_env.config import EnvConfig
from gan_env.controller.player import Loop
from gan_env.errors import require, require_at_least
from gan_env.policies.presets import load_policy, policy_names


@dataclass(frozen=True)
class PPOOptions(GradientOptions):
    """Hyperparameters of PPO (Schulman et al. 2017, arXiv:1707.06347) in stable-baselines3.

    Attributes:
        minibatches: largest number of parts of a rollout; all are equal but the last, which may be smaller.
        epochs: passes over a rollout.
        gae_lambda: of generalised advantage estimation; the discount is 1.
        clip_range: of the probability ratio.
        log_std_init: logarithm of the actions' initial standard deviation.
        desired_kl: divergence from the previous policy that the adaptive learning rate aims at.
        imitates: name of the schedule or rule that the network is fitted to before it learns; see
            `agents.learning.imitation`. "": none. With train_ppo.py alone.
    """

    minibatches: int = 5
    epochs: int = 10
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    log_std_init: float = -1.1
    desired_kl: float = 0.01
    imitates: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, "agent.", minibatches=1, epochs=1)
        require(0 <= self.gae_lambda <= 1, "agent.gae_lambda", self.gae_lambda, "0 to 1")
        require(0 < self.clip_range < 1, "agent.clip_range", self.clip_range, "between 0 and 1")
        require(-20 <= self.log_std_init <= 2, "agent.log_std_init", self.log_std_init, "-20 to 2")
        require(self.desired_kl > 0, "agent.desired_kl", self.desired_kl, "more than 0")
        known = ["", *(name for name in policy_names() if not name.startswith("random"))]
        require(self.imitates in known, "agent.imitates", self.imitates, f"one of {known}")

    def batch_size(self, decisions: int) -> int:
        """Decisions in a minibatch, given those in an episode."""
        return -(-self.rows * decisions // self.minibatches)

    def require_fit(self, env: EnvConfig) -> None:
        """Refuses minibatches of one decision, whose advantage can't be normalised, and what can't be imitated."""
        decisions = env.num_decisions
        total, size = self.rows * decisions, self.batch_size(decisions)
        parts = f"a number that cuts {total} decisions into parts of two or more, the last one included"
        require(size > 1 and total % size != 1, "agent.minibatches", self.minibatches, parts)
        if self.imitates:
            load_policy(self.imitates).make(Loop.of(env))

    def arguments(self, decisions: int) -> dict[str, Any]:
        """Arguments of PPO and RecurrentPPO."""
        return {
            "n_steps": decisions,  # one episode a row, so every rollout holds whole returns
            "batch_size": self.batch_size(decisions),
            "n_epochs": self.epochs,
            "gamma": 1.0,
            "gae_lambda": self.gae_lambda,
            "clip_range": self.clip_range,
            "learning_rate": self.rate(),
        }

    def network(self) -> dict[str, Any]:
        """Arguments of the policy: layers, optimiser and exploration."""
        return {**super().network(), "log_std_init": self.log_std_init}

    def callbacks(self) -> list[BaseCallback]:
        """What adapts the learning rate, if it is adaptive."""
        return [AdaptiveRate(self.desired_kl)] if self.schedule == "adaptive" else []

    def prepare(self, model: BaseAlgorithm) -> None:
        """Fits the network to a policy, if there is one to imitate."""
        if self.imitates:
            assert isinstance(model, PPO)
            imitate(model, self.imitates)


train = partial(train_sb3, PPO)
main = training_script("ppo", PPOOptions(), train, __doc__)

if __name__ == "__main__":
    main()
