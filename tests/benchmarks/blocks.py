"""Updates a second of one core by the rows of a block: what `BLOCKS` in gan_env/gan/population.py is chosen by.

    taskset -c 0 python tests/benchmarks/blocks.py mlp 8 64 [--rows 48] [--blocks 1,4,12,24,48] [--rounds 5]

Blocks of all sizes take turns, round after round, and medians are printed.
"""

import argparse
import statistics
import time

import torch
from throughput import GREY, knob_values, make_env

from gan_env.gan import population


def main() -> None:
    """Prints one number a block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architecture")
    parser.add_argument("side", type=int)
    parser.add_argument("width", type=int)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--blocks", default="1,4,12,24,48")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    widths = dict.fromkeys(("width_g", "width_d"), [options.width] * 2)
    env_options = GREY | {"architecture": options.architecture, "image_size": options.side, "instances": widths}
    rates: dict[int, list[float]] = {int(block): [] for block in options.blocks.split(",")}
    envs = {}
    for block in rates:
        population.BLOCKS[options.architecture] = ((options.side**2, block),)
        envs[block] = make_env(options.rows, torch.device("cpu"), {**env_options, "metric_samples": 64})
        envs[block].population.update(knob_values(envs[block]), 1)  # compiled here
    count = max(1, 1000 // options.rows)
    for _ in range(options.rounds):
        for block, env in envs.items():
            started = time.process_time()  # other work on the core doesn't count
            env.population.update(knob_values(env), count)
            rates[block].append(count * options.rows / (time.process_time() - started))
    for block, found in rates.items():
        print(f"blocks of {block:>3} rows: {statistics.median(found):>8,.0f} updates a second")


if __name__ == "__main__":
    main()
