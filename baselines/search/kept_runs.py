"""Every run that searches make on some instances, kept in a folder: finished parts are files, and are made once.

FOLDER/
    options.json: what the runs depend on
    runs/METHOD-FIRST.npz: the runs of a method on a part of the instances
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from baselines.search import halving, population_based, random_search, tpe
from baselines.search.lanes import Columns, Lanes
from gan_env import GANVectorEnv
from gan_env.evaluation.runs import Runs, read_kept
from gan_env.files import LOST, read_json, write_json
from gan_env.instance_lists import hash_of
from gan_env.resume import require_same
from gan_env.strict import to_dict

Search = Callable[[Lanes, Sequence[int], int, int], Iterator[Columns]]
"""Plays on some instances what so many whole runs on each pay for, from a seed on; gives runs as they end."""
SEARCHES: dict[str, Search] = {
    "rates": partial(random_search.search, draw=random_search.constant_rates),
    "random": partial(random_search.search, draw=random_search.schedules),
    "tpe": tpe.search,
    "halving": halving.search,
    "population": population_based.search,
}
LEAST_ROWS = {"halving": halving.SIZE, "population": population_based.SIZE}
"""Rows that a method needs, where that is more than one."""
PART = 16
"""Instances of a part. TPE has all of them in one, as it makes the runs of an instance one after the other."""


def kept_runs(env: GANVectorEnv, methods: Sequence[str], instances: int, runs: int, seed: int, folder: Path) -> Runs:
    """The runs of some methods on the first instances of an environment; those that the folder lacks are made.

    Args:
        env: with `AutoresetMode.DISABLED`.
        methods: keys of `SEARCHES`.
        instances: how many instances.
        runs: of a method on an instance; a search that stops runs early makes more, for the same price.
        seed: of the first run.
        folder: where they are kept.

    Raises:
        ConfigError: the folder's runs were made with other options.
        DataError: a file is damaged.
    """
    sizes = {"instances": instances, "runs": runs, "rows": env.num_envs}
    asked = {"env": to_dict(env.config), **sizes, "seed": seed}
    path = folder / "options.json"
    if path.exists():
        require_same(f"the runs in {folder}", read_json(path, LOST), asked, "Choose another folder")
    write_json(path, asked)
    chosen = [vars(instance) for instance in env.instances.instances[:instances]]
    about = {"knobs": list(env.config.knobs), "sha256": hash_of(chosen), "instances": chosen, "env": asked["env"]}
    lanes, parts = Lanes(env), []
    total = len(methods) * instances * runs * lanes.last
    with tqdm(total=total, unit="decision", unit_scale=True) as bar:
        for method in methods:
            size = instances if method == "tpe" else PART
            for first in range(0, instances, size):
                part = folder / "runs" / f"{method}-{first}.npz"
                if not part.exists():
                    bar.set_description(method)
                    some = range(first, min(first + size, instances))
                    _play(SEARCHES[method](lanes, some, runs, seed), method, about, bar).keep(part)
                parts.append(read_kept(part))
    return Runs.join(parts)


def _play(playing: Iterator[Columns], method: str, about: dict[str, Any], bar: "tqdm[Any]") -> Runs:
    """All runs of a search, by instance and in their order."""
    found = []
    for columns in playing:
        found.append(columns)
        bar.update(int(columns["decisions"].sum()))
    columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    order = np.lexsort((columns["seed"], columns["unit"], columns["instance"]))
    runs = Runs(about, method=np.full(len(order), method), **columns)
    return runs.take(order)
