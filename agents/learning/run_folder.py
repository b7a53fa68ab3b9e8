"""The folder of a training, in the layout that users of rl-baselines3-zoo know.

logs/SCRIPT/<env>_<n>/
    controller.json, weights.safetensors: the trained controller, see gan_env/saved_controller.py
    <env>/config.yml: script and all options; command.txt: the command; <env> is "family" where there are members
    tensorboard/: learning curves
    checkpoint/: what `resume=` continues from
    trained.json: what training cost; trained.spent: seconds that it has taken so far, until it is done
    evaluations/: one .npz per policy; summary.json, table.txt, *.png: the comparison
"""

import json
import sys
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agents.learning.costs import save_costs
from agents.learning.members import own_fields
from agents.learning.options import TrainOptions
from baselines.options import about, errors_about_env, given_options, load_extensions_of, read_options
from gan_env import ENV_IDS, GANVectorEnv
from gan_env.config import env_config
from gan_env.errors import ConfigError, require
from gan_env.files import make_first, read_json, require_writable, write_text
from gan_env.policies.learned import interface_of
from gan_env.policies.steering import Steerable
from gan_env.resume import require_same
from gan_env.saved_controller import Adaptation, Network, Output, SavedController
from gan_env.strict import replace, to_dict

Options = TypeVar("Options", bound=TrainOptions)
CHECKPOINT = "checkpoint/state.pt"
"""What a training continues from."""
FAMILY = "family"
"""Stands for the environment's name where there are members."""
DECIDES_RESULT = ("script", "agent", "env", "members", "seed")
"""Options that a training's result depends on."""


class RunFolder:
    """The paths of a run; each file is written whole or not at all.

    Attributes:
        path: the folder.
        name: name of the environment with "-" for "/".
        settings: the subfolder of the configuration.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name, self.settings = path, name, path / name

    @classmethod
    def new(cls, script: str, options: TrainOptions) -> "RunFolder":
        """Makes the next numbered folder in `options.logs`; trainings side by side get one each."""
        preset = options.env.get("preset", "points")
        env_id = next(i for i, kwargs in ENV_IDS.items() if kwargs.get("preset") == preset)
        name = FAMILY if options.members else env_id.replace("/", "-")
        parent = Path(options.logs) / script
        numbers = [p.name.rpartition("_")[2] for p in parent.glob(f"{name}_*")]
        highest = max((int(n) for n in numbers if n.isdigit()), default=0)
        return cls(make_first(parent / f"{name}_{n}" for n in count(highest + 1)), name)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run that was begun.

        Raises:
            ConfigError: there is none.
        """
        found = sorted(path.glob("*/config.yml"))
        if not found:
            expected = "expected a run folder such as logs/ppo/gan_env-Points-v1_1"
            raise ConfigError(f"{str(path)!r} has no */config.yml: {expected}")
        return cls(path, found[0].parent.name)

    @property
    def config(self) -> dict[str, Any]:
        """The options that the run began with, with all fields of its environments, and its `script`."""
        return read_options(self.settings / "config.yml")

    def begin(self, script: str, options: TrainOptions) -> None:
        """Makes the folder and writes the options into it; options that it already holds must be the same.

        Raises:
            ConfigError: another training was begun here.
        """
        own = {name: own_fields(_all_fields(options.kinds[name].env)) for name in options.members}
        members = {name: {"rows": member.rows, "env": own[name]} for name, member in options.members.items()}
        whole = {"env": _all_fields(options.env), "members": members}
        now = json.loads(json.dumps({"script": script, **to_dict(options), **whole}))
        path = self.settings / "config.yml"
        if path.exists():
            before, after = ({k: config.get(k) for k in DECIDES_RESULT} for config in (self.config, now))
            require_same(f"the training in {self.path}", before, after, "Give the same options, or another folder")
        write_text(path, yaml.safe_dump(now, sort_keys=False))

    def save_controller(
        self, network: Network, env: Steerable, output: Output, adaptation: Adaptation | None = None
    ) -> None:
        """Writes what was trained.

        Args:
            network: what acts.
            env: the environment that it was trained in.
            output: what the network gives: an action, or coordinates of the knobs.
            adaptation: how the network adapts to a run.
        """
        config = self.config
        training = {name: config[name] for name in ("script", "agent", "seed")}
        family = {name: config["env"] | member["env"] for name, member in config["members"].items()}
        first = next(iter(family.values()), config["env"])
        SavedController(network, interface_of(env, output), first, training, adaptation, family).save(self.path)


def checked_options(script: str, default: Options, fields: Mapping[str, Any]) -> tuple[Options, RunFolder | None]:
    """The checked options of a run, and its folder if there is one to resume; makes nothing.

    Args:
        script: its name, such as "ppo".
        default: options of the script, with the class of its agent.
        fields: the options of the command line, a nested mapping.

    Raises:
        ConfigError: an option is wrong; a folder can't be written to; or, to resume, another option is given as well,
            or the folder is another script's.
        DataError: data are missing.
    """
    options = replace(default, fields)
    if options.resume:
        others = [text for text in given_options() if not text.startswith("resume=")]
        alone = f"no other option, as a run continues with its own: leave out {', '.join(others)}"
        require(not others, "resume", options.resume, alone)
        folder = RunFolder.open(Path(options.resume))
        require_writable(folder.path, "resume")
        saved = folder.config
        began = saved.pop("script", None)
        require(began == script, "resume", options.resume, f"a run of {script}, not of {began}")
        load_extensions_of(saved)
        return replace(default, saved), folder
    require_writable(Path(options.logs), "logs")
    with errors_about_env():
        GANVectorEnv(1, **options.env)  # refuses a wrong environment, or one whose data are missing
    for name in options.members:
        with about(f"members.{name}.env"):
            GANVectorEnv(1, **options.kinds[name].env)
    return options, None


def _all_fields(env: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an environment with those that they leave out."""
    return {"preset": "points", **env, **to_dict(env_config(**env))}


Train = Callable[[TrainOptions, RunFolder], dict[str, Any]]
"""Trains in a run folder, or continues from its checkpoint; returns what that cost, `gan_updates` above all."""


def train_once(train: Train, options: TrainOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains, or continues a training that was killed.

    A finished one is only read; where its controller is damaged, the last checkpoint writes it again.

    Returns:
        What the training cost: what `train` returns, `wall_s` (of all processes) and `peak_mb`.
    """
    path = folder.path / "trained.json"
    if not path.exists():
        save_costs(path, lambda: train(options, folder))
    elif (folder.path / CHECKPOINT).exists():
        try:
            SavedController.load(folder.path)
        except ConfigError as error:
            print(f"{error}; it is written again from the last checkpoint", file=sys.stderr)
            train(options, folder)
    return dict(read_json(path))
