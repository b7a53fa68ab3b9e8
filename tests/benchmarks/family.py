"""GAN updates a second of a family on one core, beside its members alone.

    python tests/benchmarks/family.py [--rounds 3]      # the members of configs/experiment/family.yaml

For each member: its speed alone, with the rows that it has in the family, and its share of the family's time at a
decision. Seconds are those of the processor, so that other work beside it counts little.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from agents.learning.options import TrainOptions
from agents.train_ppo import PPOOptions
from baselines.options import register_presets
from gan_env import Fleet, GANVectorEnv
from gan_env.config import CONFIGS
from gan_env.strict import replace


def speed(env: GANVectorEnv | Fleet, rounds: int) -> tuple[float, float]:
    """GAN updates a second, and the median seconds of a decision, after one that doesn't count."""
    env.reset(seed=0)
    still = np.zeros(env.action_space.shape or (), np.float32)
    env.step(still)
    before, seconds = env.gan_updates, []
    for _ in range(rounds):
        begin = time.process_time()
        env.step(still)
        seconds.append(time.process_time() - begin)
    return (env.gan_updates - before) / sum(seconds), statistics.median(seconds)


def family(rounds: int) -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    register_presets()
    with initialize_config_dir(str(CONFIGS), version_base=None):
        fields = OmegaConf.to_container(compose("train_ppo", ["+experiment=family"]), resolve=True)
    assert isinstance(fields, dict)
    options = replace(TrainOptions(PPOOptions()), {str(key): value for key, value in fields.items()})
    kinds = options.kinds
    together, decision = speed(Fleet([{"num_envs": kind.rows, **kind.env} for kind in kinds.values()]), rounds)
    print(f"family of {options.agent.rows} rows: {together:,.0f} updates/s, {decision:.2f} s a decision", flush=True)
    for name, kind in kinds.items():
        alone, own = speed(GANVectorEnv(kind.rows, **kind.env), rounds)
        share = 100 * own / decision
        print(f"{name:<18}{kind.rows:>3} rows {alone:>7,.0f} updates/s, {share:3.0f} % of the time", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    family(parser.parse_args().rounds)
