"""Trains SAC to turn the knobs, then compares it with tuned and usual schedules.

    python agents/train_sac.py
    python agents/train_sac.py resume=logs/sac/gan_env-Points-v1_1

Any field of configs/ can be set on the command line, as in agent.rollouts=10 env.num_decisions=20.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from stable_baselines3 import SAC

from agents.learning.learning_rate import GradientOptions
from agents.learning.training import train_sb3
from agents.study.training_script import training_script
from gan_env.errors import require, require_at_least


@dataclass(frozen=True)
class SACOptions(GradientOptions):
    """Hyperparameters of SAC (Haarnoja et al. 2018, arXiv:1812.05905) in stable-baselines3; the discount is 1.

    Attributes:
        warmup: episodes per row of random actions before learning starts, fewer than the rollouts.
        updates: gradient steps after each decision of the rows.
        batch_size: transitions a gradient step.
        capacity: transitions that the replay buffer keeps at most.
        tau: share of the critic that its target takes over in each gradient step.
        entropy: coefficient of the entropy at the start; it is tuned towards an entropy of minus the number of knobs.
    """

    warmup: int = 2
    updates: int = 16
    batch_size: int = 256
    capacity: int = 200_000
    tau: float = 0.005
    entropy: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, "agent.", warmup=1, updates=1, batch_size=1)
        learning = f"more than agent.warmup, {self.warmup}: nothing is learnt before"
        require(self.rollouts > self.warmup, "agent.rollouts", self.rollouts, learning)
        kept = f"at least the rows, {self.rows}"
        require(self.capacity >= self.rows, "agent.capacity", self.capacity, kept)
        require(0 < self.tau <= 1, "agent.tau", self.tau, "more than 0, at most 1")
        require(self.entropy > 0, "agent.entropy", self.entropy, "more than 0")
        off_policy = "falling or constant: there is no divergence from an earlier policy to adapt to"
        require(self.schedule != "adaptive", "agent.schedule", self.schedule, off_policy)

    def arguments(self, decisions: int) -> dict[str, Any]:
        """Arguments of SAC and TQC."""
        return {
            "learning_rate": self.rate(),
            "buffer_size": min(self.capacity, self.rollouts * self.rows * decisions),
            "learning_starts": self.warmup * self.rows * decisions,
            "batch_size": self.batch_size,
            "tau": self.tau,
            "gamma": 1.0,
            "train_freq": (1, "step"),  # of all rows: with several rows there is no train_freq by episodes
            "gradient_steps": self.updates,
            "ent_coef": f"auto_{self.entropy}",
        }


train = partial(train_sb3, SAC)
main = training_script("sac", SACOptions(), train, __doc__)

if __name__ == "__main__":
    main()
