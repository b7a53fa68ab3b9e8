"""A run's folder, in the layout that users of rl-baselines3-zoo know.

logs/<algo>/<env>_<n>/
    <env>.zip, best model of the run as trained; <env>/vecnormalize.pkl, its normalisation
    <env>/config.yml, args.yml, command.txt: resolved configuration, command-line overrides, command
    tensorboard/: learning curves
    checkpoint/: what `resume=` goes on from
    evaluations/: one .npz a policy; schedule.json: the best schedule of the grid
    summary.json, table.txt, *.png: the comparison; spent.txt: seconds that the job has taken, its restarts included
"""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from gan_env.errors import ConfigError
from gan_env.evaluation.rollout import Episodes
from gan_env.files import write_atomically, write_json


class RunFolder:
    """Paths of a run and what is written there, each file whole or not at all.

    Attributes:
        path: the folder.
        name: name of the environment with "-" for "/", as rl-zoo has it.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.settings = path / name

    @classmethod
    def create(cls, root: str, algorithm: str, env_id: str, config: DictConfig, overrides: list[str]) -> "RunFolder":
        """Makes the next numbered folder and writes configuration and command to it."""
        name = env_id.replace("/", "-")
        parent = Path(root) / algorithm
        parent.mkdir(parents=True, exist_ok=True)
        taken = [int(p.name.rsplit("_", 1)[1]) for p in parent.glob(f"{name}_*") if p.name.rsplit("_", 1)[1].isdigit()]
        folder = cls(parent / f"{name}_{max(taken, default=0) + 1}", name)
        folder.settings.mkdir(parents=True)
        (folder.settings / "config.yml").write_text(OmegaConf.to_yaml(config, resolve=True))
        (folder.settings / "args.yml").write_text(OmegaConf.to_yaml(OmegaConf.create(overrides)))
        (folder.settings / "command.txt").write_text(shlex.join([sys.executable, *sys.argv]) + "\n")
        return folder

    @classmethod
    def open(cls, path: str) -> tuple["RunFolder", DictConfig]:
        """A folder that is there, and the configuration that it was made with.

        Raises:
            ConfigError: no run is there.
        """
        found = sorted(Path(path).glob("*/config.yml"))
        if not found:
            raise ConfigError(
                f"{path!r} has no */config.yml: expected a run folder such as logs/ppo/gan_env-Points-v0_1"
            )
        config = OmegaConf.load(found[0])
        assert isinstance(config, DictConfig)
        return cls(Path(path), found[0].parent.name), config

    @property
    def script(self) -> str | None:
        """The script that began the run, such as "train_ppo"; None where the folder doesn't say so."""
        path = self.settings / "command.txt"
        return Path(shlex.split(path.read_text())[1]).stem if path.exists() else None

    @property
    def model(self) -> Path:
        """The trained model."""
        return self.path / f"{self.name}.zip"

    def write(self, name: str, save: Callable[[Path], Any]) -> Path:
        """Writes a file whole or not at all; see `write_atomically`."""
        return write_atomically(self.path / name, save)

    def write_json(self, name: str, value: Any) -> None:
        """Writes JSON."""
        write_json(self.path / name, value)

    def cached_episodes(self, policy: str, run: Callable[[], Episodes]) -> Episodes:
        """The episodes of a policy: read if they were run before, else run and saved."""
        path = self.path / "evaluations" / f"{policy}.npz"
        if path.exists():
            with np.load(path) as data:
                columns = {k: data[k] for k in ("log_metric", "score", "coordinates", "rewards", "crashed")}
                extras = {k.removeprefix("extra."): data[k] for k in data.files if k.startswith("extra.")}
                return Episodes(**columns, extras=extras, gan_updates=int(data["gan_updates"]))
        episodes = run()
        columns = {k: v for k, v in vars(episodes).items() if k != "extras"}
        columns |= {f"extra.{k}": v for k, v in episodes.extras.items()}
        self.write(f"evaluations/{policy}.npz", lambda part: _save_arrays(part, columns))
        return episodes


def _save_arrays(path: Path, columns: dict[str, Any]) -> None:
    with path.open("wb") as file:  # an open file: numpy appends .npz to a bare name
        np.savez_compressed(file, **columns)
