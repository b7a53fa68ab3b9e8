"""Gains with few training images and with many: `python tests/benchmarks/few_and_many.py POLICY OTHER`.

Each is a folder of `baselines/run.py`, or files of a study's evaluations as a pattern, such as
'logs/study/few_images/evaluations/held_out/ppo-?.npz': then the mean of all of them counts, run by run. Prints how much
lower POLICY ends than OTHER, with standard errors, in runs of fewer than 300 images and in the others.
"""

import argparse
import json
from glob import glob
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.verdict import read_played
from gan_env.config import EnvConfig, env_config
from gan_env.errors import errors_in_one_line, require
from gan_env.evaluation.rollout import load_episodes
from gan_env.mdp.instances import InstanceSet

FEW = 300
"""The middle of the range of 30 to 3,000 on a logarithmic scale."""


def played(where: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Final scores and numbers of training images of the runs, [E] both."""
    if (folder := Path(where)).is_dir():
        runs = read_played(folder)
        options = json.loads((folder / "summary.json").read_text())["env"]
        scores, rows = runs.final, runs.instance
    else:
        files = sorted(glob(where))
        require(bool(files), "POLICY or OTHER", where, "a folder of baselines/run.py, or a pattern of .npz files")
        scores = np.mean([load_episodes(Path(file)).final for file in files], axis=0)
        options, rows = {"preset": "few_images", "split": "test"}, np.arange(len(scores))
    config: EnvConfig = env_config(**options)
    instances = InstanceSet(config, config.split)
    return scores, np.array([instances[int(row)].num_samples for row in rows])


def main() -> None:
    """Prints a line for few images, and one for many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policy", metavar="POLICY")
    parser.add_argument("other", metavar="OTHER")
    given = parser.parse_args()
    (scores, images), (others, same) = played(given.policy), played(given.other)
    require(np.array_equal(images, same), "OTHER", given.other, "the same runs as those of POLICY")
    for what, which in ((f"fewer than {FEW} images", images < FEW), (f"{FEW} or more", images >= FEW)):
        gain = (others - scores)[which]
        print(f"{what}: {gain.mean():+.3f} ({gain.std(ddof=1) / len(gain) ** 0.5:.3f}), {len(gain)} runs")


if __name__ == "__main__":
    with errors_in_one_line():
        main()
