"""Trains TQC to turn the knobs, then compares it with annealing schedules.

    python agents/train_tqc.py
    python agents/train_tqc.py resume=logs/tqc/gan_env-Points-v0_1

Any field of configs/ can be set on the command line, as in agent.quantiles=10 env.num_decisions=20.
"""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig
from sb3_contrib import TQC

from agents.learning.options import RunOptions
from agents.learning.run_folder import RunFolder, open_folder
from agents.learning.training import fit, train_once, training_env
from agents.study.closing import check_comparison, compare_training
from agents.train_sac import SACOptions
from baselines.options import register_presets, script
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

    def network(self) -> dict[str, Any]:
        """Arguments of the policy: layers, optimiser and quantiles."""
        return {**super().network(), "n_quantiles": self.quantiles}


def train(options: RunOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains TQC, or continues from the folder's checkpoint."""
    agent, vec_env = options.agent, training_env(options)
    assert isinstance(agent, TQCOptions)
    arguments = agent.arguments(vec_env) | {"top_quantiles_to_drop_per_net": agent.dropped}
    model = TQC("MlpPolicy", policy_kwargs=agent.network(), seed=options.seed, **arguments)
    return fit(model, options, folder)


@script("train_tqc")
def main(config: DictConfig) -> None:
    """Trains, then compares."""
    options, folder = open_folder("tqc", RunOptions(TQCOptions()), config)
    check_comparison("tqc", options, folder)
    costs = train_once(train, options, folder)
    compare_training("tqc", options, folder, costs)


if __name__ == "__main__":
    register_presets()
    main()
