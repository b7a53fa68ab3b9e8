"""Learning rates of the agents: constant, falling, or adapted to how far an update moves the policy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import ConstantSchedule, LinearSchedule, update_learning_rate
from torch.optim import AdamW

from agents.learning.training import SB3Options
from gan_env.errors import require

FACTOR, LOWEST, HIGHEST = 1.5, 1e-5, 1e-2
"""By how much an adaptive learning rate changes after an update, and its bounds."""


@dataclass(frozen=True)
class GradientOptions(SB3Options):
    """What the algorithms that learn by gradients have.

    Attributes:
        learning_rate: at the start.
        schedule: "falling" (linearly to a tenth), "constant", or "adaptive" (for PPO; see `AdaptiveRate`).
        weight_decay: of AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101); 0 is Adam.
    """

    takes_members = True
    learning_rate: float = 1e-3
    schedule: Literal["falling", "constant", "adaptive"] = "falling"
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.learning_rate <= 1, "agent.learning_rate", self.learning_rate, "more than 0 and at most 1")
        kept = f"{LOWEST} to {HIGHEST}, within which an adaptive one is kept"
        fits = self.schedule != "adaptive" or LOWEST <= self.learning_rate <= HIGHEST
        require(fits, "agent.learning_rate", self.learning_rate, kept)
        require(0 <= self.weight_decay < 1, "agent.weight_decay", self.weight_decay, "0 to 1, without 1")

    def rate(self) -> float | Callable[[float], float]:
        """The learning rate as stable-baselines3 takes it: a number, or a function of the share that remains."""
        start = self.learning_rate
        return LinearSchedule(start, 0.1 * start, end_fraction=1.0) if self.schedule == "falling" else start

    def network(self) -> dict[str, Any]:
        """Arguments of the policy: layers and optimiser."""
        optimizer = {"eps": 1e-5, "weight_decay": self.weight_decay}
        return {**super().network(), "optimizer_class": AdamW, "optimizer_kwargs": optimizer}


class AdaptiveRate(BaseCallback):
    """Lowers the learning rate when an update moved the policy too far, raises it when it moved too little.

    After each update the rate is divided by `FACTOR` where the KL divergence from the previous policy
    (stable-baselines3's estimate in the last epoch) is more than twice `desired_kl`, and multiplied where it is less
    than half. This is the rule of rsl_rl's PPO (github.com/leggedrobotics/rsl_rl), which applies it to every minibatch.
    The optimiser holds the rate, so it is saved and restored with it.
    """

    def __init__(self, desired_kl: float) -> None:
        super().__init__()
        self.desired_kl = desired_kl

    def _on_rollout_start(self) -> None:
        optimizer = self.model.policy.optimizer
        rate = float(optimizer.param_groups[0]["lr"])
        logged = self.logger.name_to_value
        if "train/approx_kl" in logged:  # an update was made since the last start
            rate = self.adapted(rate, float(logged["train/approx_kl"]))
        update_learning_rate(optimizer, rate)
        self.model.lr_schedule = ConstantSchedule(rate)

    def _on_step(self) -> bool:
        return True

    def adapted(self, rate: float, kl: float) -> float:
        """The rate after an update at `rate` that moved the policy by `kl`."""
        if kl > 2 * self.desired_kl:
            return max(rate / FACTOR, LOWEST)
        if kl < self.desired_kl / 2:
            return min(rate * FACTOR, HIGHEST)
        return rate
