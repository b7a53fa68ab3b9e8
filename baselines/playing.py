"""What the programs that play one policy share: by its name, its YAML file, a training's folder or `module:make`."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agents.learning.controllers import load_controller, read_controller
from baselines.options import errors_about_env, is_import_path, read_options
from gan_env import GANVectorEnv
from gan_env.config import load_extensions
from gan_env.errors import ConfigError, require
from gan_env.files import make_first, read_json, write_text
from gan_env.policies import Policy, PolicyOptions
from gan_env.policies.learned import INTERFACE, options_of
from gan_env.policies.presets import KINDS, load_policy, observing, own_file
from gan_env.resume import require_same
from gan_env.strict import replace


@dataclass(frozen=True)
class PlayOptions:
    """Options that these programs share.

    Attributes:
        policy: what turns the knobs.
        controller: what plays instead of the policy: folder of a training, or `module:make`; `policy=...` sets it. A
            policy's YAML file may stand here, too: `play_options` reads it into `policy`, and makes this None.
        env: preset and fields of `EnvConfig`.
        seed: of the first GAN; the next one has seed + 1.
        rows: GANs that run side by side.
    """

    policy: PolicyOptions = field(default_factory=PolicyOptions)
    controller: str | None = None
    env: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    rows: int = 1

    def make_policy(self, env: GANVectorEnv) -> Policy:
        """What plays, ready to act.

        Raises:
            ConfigError: there is no such training, or it was made with other knobs, moves or observations; or nothing
                that makes a policy can be imported by that name.
        """
        if self.controller is None:
            return self.policy.make(env, self.seed)
        if is_import_path(self.controller):
            return imported_policy(self.controller, env)
        return load_controller(Path(self.controller), env)


Options = TypeVar("Options", bound=PlayOptions)


def play_options(defaults: Options, fields: dict[str, Any], given: Sequence[str]) -> Options:
    """The options of a program; for a controller with the knobs, moves and observation of its training.

    The modules that register what it sees are those of its training, besides those of the command line. Runs begin with
    the learning rates of its training, where it had one alone. What `given`, the options on the command line, sets of
    the environment or of the instance that is trained stays as it is.

    Raises:
        ConfigError: fields are unknown or out of range; there is no such training; or the command line changes parts of
            a policy that is played as it is.
    """
    options = replace(defaults, fields)
    if options.controller is None:
        return seeing(options, options.policy)
    if parts := [text.lstrip("+") for text in given if text.lstrip("+~").startswith("policy.")]:
        raise ConfigError(f"policy={options.controller!r} is played as it is: leave out {', '.join(parts)}")
    if own_file(options.controller):  # its fields are kept with the run, and the file may change
        return seeing(options, load_policy(options.controller))
    if is_import_path(options.controller):
        return options
    saved = read_controller(Path(options.controller))
    there = options_of(saved)
    modules = dict.fromkeys([*options.env.get("extensions", ()), *there.get("extensions", ())])
    set_here = {text.lstrip("+").partition("=")[0] for text in given}
    own = {name: there[name] for name in INTERFACE if name in there and f"env.{name}" not in set_here}
    instances = options.env.get("instances", {})
    if "env.instances" not in set_here and isinstance(instances, Mapping):  # no list of one's own, which has its rates
        free = (k for k in saved.starting_rates if not {f"env.instances.{k}", f"instance.{k}"} & set_here)
        rates = {k: [saved.starting_rates[k]] * 2 for k in free}
        own |= {"instances": {**instances, **rates}} if rates else {}
    own |= {"extensions": list(modules)} if modules else {}
    return dataclasses.replace(options, env=options.env | own)


def seeing(options: Options, policy: PolicyOptions) -> Options:
    """The options for this policy, in an environment that shows what it looks at; what is asked for stays."""
    looks_at = ("progress", "knobs", *policy.groups) if policy.kind in KINDS else ()
    with errors_about_env():
        return dataclasses.replace(options, policy=policy, controller=None, env=observing(options.env, looks_at))


def open_folder(folder: str | None, base: Path, config: Mapping[str, Any], continued: str = "") -> Path:
    """The folder of a run, with its options in `config.yaml`: the given one, or the first new one of BASE, BASE_2, ...

    Args:
        folder: the given one.
        base: the first of those.
        config: the options.
        continued: how the run in the given folder could be continued, for the message.

    Raises:
        ConfigError: the given folder holds a run with other options.
    """
    numbered = (base if n == 1 else base.with_name(f"{base.name}_{n}") for n in count(1))
    place = Path(folder) if folder else make_first(numbered)
    text, path = yaml.safe_dump(dict(config), sort_keys=False), place / "config.yaml"
    unknown = not path.exists() and (place / "summary.json").exists()
    require(not unknown, "folder", folder, "another folder: this one has results, but not the options that made them")
    if path.exists():
        require_same(f"the run in {place}", read_options(path), yaml.safe_load(text), f"Give another folder{continued}")
    write_text(path, text)
    return place


def updates_of_training(controller: str | None, said: int | None) -> int | None:
    """GAN updates that a training took: what is `said`, else what its folder says; None where nobody says."""
    if said is not None or controller is None:
        return said
    path = Path(controller) / "trained.json"
    return int(read_json(path, "say training_updates=..., or train again")["gan_updates"]) if path.exists() else None


def imported_policy(path: str, env: GANVectorEnv) -> Policy:
    """The policy that a function `package.module:function` makes from an environment.

    Raises:
        ConfigError: there is no such function, or what it makes has no `predict`.
    """
    module, _, name = path.partition(":")
    load_extensions([module], "policy")
    make = getattr(import_module(module), name, None)
    require(callable(make), "policy", path, f"the name of a function: {module} has none that is called {name}")
    assert callable(make)
    takes_env = "a function of one argument, the environment"
    try:
        signature(make).bind(env)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"policy={path!r} can't be used ({error}): expected {takes_env}") from error
    policy: Policy = make(env)
    require(callable(getattr(policy, "predict", None)), f"what {path} makes", policy, "a thing that has `predict`")
    return policy
