"""A controller's mean knobs, as a schedule: `python examples/mean_trajectory.py`, with a FOLDER.

FOLDER has runs of `baselines/run.py`, best those of training instances (`env.split=train`). What the controller gains
over this schedule in other runs, it gains by looking at them. Writes two policies: FOLDER/mean_table.yaml with the mean
knobs, learning rates as factors on those of the run; and, if they are moved and no rule of the environment sets them,
FOLDER/mean_rates.yaml with the mean learning rates themselves, which are the same whatever a run was started with. A
run that has crashed keeps its last knobs.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import yaml

from agents.study.readout import RATES_REPLAY_SUFFIX, REPLAY_SUFFIX, read_out, suffixes
from baselines.verdict import read_played
from gan_env import GANVectorEnv
from gan_env.errors import errors_in_one_line
from gan_env.files import write_text

FILES = {REPLAY_SUFFIX: "mean_table.yaml", RATES_REPLAY_SUFFIX: "mean_rates.yaml"}


def main() -> None:
    """Reads the knobs of all runs, and writes their means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    folder: Path = parser.parse_args().folder

    numbers = read_played(folder).instance  # refuses what baselines/run.py has not written
    env = GANVectorEnv(1, **json.loads((folder / "summary.json").read_text())["env"])
    moves = np.genfromtxt(folder / "decisions.csv", delimiter=",", names=True)
    values = np.stack([moves[f"knob_{knob.name}"] for knob in env.knobs.controlled], axis=1)
    values = values.reshape(len(numbers), env.config.num_decisions, -1)  # [E, T, K], NaN after a crash
    for now in range(1, env.config.num_decisions):
        values[:, now] = np.where(np.isnan(values[:, now]), values[:, now - 1], values[:, now])
    columns = zip(env.knobs.controlled, torch.from_numpy(values).unbind(-1), strict=True)
    coordinates = torch.stack([knob.encode(column) for knob, column in columns], dim=-1).float().numpy()

    runs = [env.instances[int(number)] for number in numbers]
    for suffix in (suffix for suffix in suffixes(env.config) if suffix in FILES):
        write_text(folder / FILES[suffix], yaml.safe_dump(read_out(env, coordinates, runs, suffix)))
        print(f"wrote {folder / FILES[suffix]}")


if __name__ == "__main__":
    with errors_in_one_line():
        main()
