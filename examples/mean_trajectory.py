"""A controller's mean knobs, as a schedule: `python examples/mean_trajectory.py`, with a FOLDER.

FOLDER has runs of `baselines/run.py`, best those of training instances (`env.split=train`). What the controller gains
over this schedule in other runs, it gains by looking at them. Writes two policies: FOLDER/mean_table.yaml with the mean
knobs, learning rates as factors on those of the run; and, if they are moved and no rule of the environment sets them,
FOLDER/mean_rates.yaml with the mean learning rates themselves, which are the same whatever a run was started with. A
run that has crashed counts up to its end.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import yaml

from gan_env import GANVectorEnv
from gan_env.errors import errors_in_one_line, require
from gan_env.files import write_text
from gan_env.mdp.knobs import RATES


def main() -> None:
    """Averages coordinates, so learning rates on a logarithmic scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    folder: Path = parser.parse_args().folder
    there = all((folder / name).is_file() for name in ("summary.json", "decisions.csv"))
    require(there, "FOLDER", str(folder), "a folder that baselines/run.py has written")

    env = GANVectorEnv(1, **json.loads((folder / "summary.json").read_text())["env"])
    moves = np.genfromtxt(folder / "decisions.csv", delimiter=",", names=True)
    moved = np.isfinite(moves[f"knob_{env.config.knobs[0]}"])  # not after a crash
    intervals = [moved & (moves["decision"] == t) for t in range(env.config.num_decisions)]
    require(all(now.any() for now in intervals), "FOLDER", str(folder), "a run at least that has not crashed")
    table = dict[str, list[float]]()
    rates = dict[str, list[float]]()
    for knob in env.knobs.controlled:
        values = moves[f"knob_{knob.name}"]
        coordinates = knob.encode(torch.from_numpy(values))
        table[knob.name] = [knob.rounded(float(knob.decode(coordinates[now].mean()))) for now in intervals]
        if knob.name in RATES and env.config.rates == "given":
            given = np.array([getattr(env.instances[int(i)], knob.name) for i in moves["instance"]])
            logs = np.log(values * given)
            rates[knob.name] = [float(f"{np.exp(logs[now].mean()):.4g}") for now in intervals]
    write_text(folder / "mean_table.yaml", yaml.safe_dump({"kind": "table", "table": table}))
    if rates:
        write_text(folder / "mean_rates.yaml", yaml.safe_dump({"kind": "rates", "table": table | rates}))
    print(f"wrote {folder / 'mean_table.yaml'}{' and mean_rates.yaml' if rates else ''}")


if __name__ == "__main__":
    with errors_in_one_line():
        main()
