"""What the programs that play one policy share: `policy=NAME`, or `policy=FOLDER` for a controller of agents/."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any, TypeVar

from agents.learning.controllers import load_controller, read_controller
from gan_env import GANVectorEnv
from gan_env.config import replace
from gan_env.policies import Policy, PolicyOptions
from gan_env.policies.learned import INTERFACE


@dataclass(frozen=True)
class PlayOptions:
    """Options that these programs share."""

    policy: PolicyOptions = field(default_factory=PolicyOptions)
    controller: str | None = None  # folder of a training, whose controller plays instead of the policy
    env: dict[str, Any] = field(default_factory=dict)  # preset and fields of `EnvConfig`
    seed: int = 0  # of the first GAN; the next one has seed + 1
    rows: int = 1  # GANs that run side by side

    def make_policy(self, env: GANVectorEnv) -> Policy:
        """The controller, or the policy where none is given, ready to act.

        Raises:
            ConfigError: there is no such training, or it was made with other knobs, moves or observations.
        """
        if self.controller is None:
            return self.policy.make(env, self.seed)
        return load_controller(Path(self.controller), env)


Options = TypeVar("Options", bound=PlayOptions)


def play_options(defaults: Options, fields: dict[str, Any], given: Sequence[str]) -> Options:
    """The options of a program; for a controller with the knobs, moves and observation of its training.

    Fields of the environment that `given`, the options on the command line, sets stay as they are.
    """
    options = replace(defaults, fields)
    if options.controller is None:
        return options
    there = read_controller(Path(options.controller)).env
    set_here = {text.lstrip("+").partition("=")[0] for text in given}
    own = {name: there[name] for name in INTERFACE if name in there and f"env.{name}" not in set_here}
    return changed(options, env=options.env | own)
