"""Trains the meta-network by bilevel optimisation (scheme A), then compares it with annealing schedules.

    python agents/train_meta.py                              # 2-D points
    python agents/train_meta.py agent.kind=lstm              # with memory
    python agents/train_meta.py resume=logs/meta/gan_env-Points-v0_1

No reward is used: the controller goes down the gradient of a validation loss through unrolled GAN updates.
Any field of configs/ can be set on the command line, as in agent.window=25 env.num_decisions=20.
"""

from omegaconf import DictConfig

from agents.learning.options import RunOptions
from agents.learning.run_folder import open_folder
from agents.learning.training import train_once
from agents.meta.training import MetaOptions, train
from agents.study.closing import check_comparison, compare_training
from baselines.options import register_presets, script


@script("train_meta")
def main(config: DictConfig) -> None:
    """Trains, then compares."""
    options, folder = open_folder("meta", RunOptions(MetaOptions()), config)
    check_comparison("meta", options, folder)
    costs = train_once(train, options, folder)
    compare_training("meta", options, folder, costs)


if __name__ == "__main__":
    register_presets()
    main()
