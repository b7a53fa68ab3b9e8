"""Trains the meta-network by bilevel optimisation (scheme A), then compares it with all annealing schedules.

    python agents/train_meta.py                              # 2-D points
    python agents/train_meta.py agent.kind=lstm              # with memory
    python agents/train_meta.py resume=logs/meta/gan_env-Points-v0_1

No reward is used: the controller goes down the gradient of a validation loss through unrolled GAN updates.
Any field of configs/ can be set on the command line, as in agent.window=25 env.num_decisions=20.
"""

from omegaconf import DictConfig

from agents.meta.training import run
from baselines.options import register_presets, script


@script("train_meta")
def main(config: DictConfig) -> None:
    """Entry point."""
    run("meta", config)


if __name__ == "__main__":
    register_presets()
    main()
