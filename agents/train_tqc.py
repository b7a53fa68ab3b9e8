"""Trains TQC to turn the knobs, then compares it with tuned and usual schedules.

    python agents/train_tqc.py
    python agents/train_tqc.py resume=logs/tqc/gan_env-Points-v1_1

Any field of configs/ can be set on the command line, as in agent.quantiles=10 env.num_decisions=20.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from sb3_contrib import TQC

from agents.learning.training import train_sb3
from agents.study.training_script import training_script
from agents.train_sac import SACOptions
from gan_env.errors import require


@dataclass(frozen=True)
class TQCOptions(SACOptions):
    """Hyperparameters of TQC (Kuznetsov et al. 2020, arXiv:2005.04269): SAC with critics of the return's distribution.

    Attributes:
        quantiles: of the return, each critic.
        dropped: highest quantiles a critic that don't count, against overestimation.
    """

    quantiles: int = 25
    dropped: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.quantiles >= 1, "agent.quantiles", self.quantiles, "at least 1")
        require(0 <= self.dropped < self.quantiles, "agent.dropped", self.dropped, "at least 0, less than quantiles")

    def arguments(self, decisions: int) -> dict[str, Any]:
        """Arguments of TQC: SAC's, and what is dropped."""
        return {**super().arguments(decisions), "top_quantiles_to_drop_per_net": self.dropped}

    def network(self) -> dict[str, Any]:
        """Arguments of the policy: layers, optimiser and quantiles."""
        return {**super().network(), "n_quantiles": self.quantiles}


train = partial(train_sb3, TQC)
main = training_script("tqc", TQCOptions(), train, __doc__)

if __name__ == "__main__":
    main()
