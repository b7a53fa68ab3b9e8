"""The members of a fleet: what they have to agree on, and those that run in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gan_env.config import ACTS, EnvConfig, env_config
from gan_env.errors import ConfigError, require
from gan_env.mdp.knobs import RATES
from gan_env.mdp.observation import Observer
from gan_env.mdp.resets import checked_rows
from gan_env.vector_env import GANVectorEnv


class FleetError(RuntimeError):
    """A member of a fleet failed again and again; the message says where everything is saved."""


@dataclass(frozen=True)
class Call:
    """One call of a `GANVectorEnv`, or of each member of a fleet with arguments of its own."""

    name: str  # a method, or an attribute that is read
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] | None = None

    def of(self, env: GANVectorEnv) -> Any:
        """What the call gives for this environment."""
        found = getattr(env, self.name)
        return found(*self.arguments, **(self.keywords or {})) if callable(found) else found

    def plain(self) -> tuple[str, tuple[Any, ...], Mapping[str, Any] | None]:
        """As a file holds it; `Call(*plain)` is the call again."""
        return self.name, self.arguments, self.keywords


Saved = dict[str, Any]
"""The state of a member: a `snapshot` as `GANVectorEnv.get_state` gives it, and the plain `calls` since then."""


class Members(Protocol):
    """Where the members of a fleet are; member i is the i-th configuration."""

    def call(self, calls: Mapping[int, Call]) -> dict[int, Any]:
        """Makes the call of each of these members, side by side where possible, and gives the results.

        The first error of a member is raised after all have finished.
        """

    def get_state(self) -> list[Saved]:
        """The state of every member."""

    def set_state(self, states: Sequence[Saved]) -> None:
        """Members continue from their states."""

    def close(self) -> None:
        """Ends all members."""


def make_member(arguments: Mapping[str, Any], of_many: bool) -> GANVectorEnv:
    """A member by its arguments; `of_many`: the fleet has more rows than one, and all are rounded alike."""
    env = GANVectorEnv(**arguments)
    env.population.paired = of_many
    return env


class LocalMembers:
    """Members in this process, one after the other: each uses all cores."""

    def __init__(self, configurations: Sequence[Mapping[str, Any]]) -> None:
        of_many = total_rows(configurations) > 1
        self.envs = [make_member(arguments, of_many) for arguments in configurations]

    def call(self, calls: Mapping[int, Call]) -> dict[int, Any]:
        """See `Members`."""
        results, errors = dict[int, Any](), list[Exception]()
        for index, call in calls.items():
            try:
                results[index] = call.of(self.envs[index])
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return results

    def get_state(self) -> list[Saved]:
        """See `Members`."""
        return [{"snapshot": env.get_state(), "calls": []} for env in self.envs]

    def set_state(self, states: Sequence[Saved]) -> None:
        """See `Members`."""
        for env, state in zip(self.envs, states, strict=True):
            env.set_state(state["snapshot"])
            for call in state["calls"]:
                Call(*call).of(env)

    def close(self) -> None:
        """See `Members`."""
        for env in self.envs:
            env.close()


def total_rows(configurations: Sequence[Mapping[str, Any]]) -> int:
    """The rows of all members."""
    return sum(arguments["num_envs"] for arguments in configurations)


def checked_members(
    members: Sequence[Mapping[str, Any]], common: Mapping[str, Any], names: Sequence[str] = ()
) -> tuple[list[dict[str, Any]], list[EnvConfig]]:
    """The arguments and the options of every member's `GANVectorEnv`; nothing is made yet.

    Args:
        members: the arguments in which they may differ.
        common: those that all have.
        names: what messages call the members; empty: `members[0]` and so on.

    Raises:
        ConfigError: there is no member, an option is unknown or out of range, or members don't agree on the knobs, on
            how actions move them, or on the observation.
    """
    listed = isinstance(members, Sequence) and all(isinstance(member, Mapping) for member in members)
    require(
        listed and len(members) > 0, "members", members, "a list of the arguments of each GANVectorEnv, as mappings"
    )
    names = names or [f"members[{index}]" for index in range(len(members))]
    arguments, configs = [], []
    for name, member in zip(names, members, strict=True):
        options = {"num_envs": 1, **member}
        options["num_envs"] = checked_rows(options["num_envs"], f"{name}['num_envs']")
        for key in common.keys() & member.keys():
            require(False, f"{name}[{key!r}]", member[key], "no such key: it is an argument of the fleet")
        try:
            config = env_config(**{key: value for key, value in options.items() if key != "num_envs"})
        except ConfigError as error:
            raise type(error)(f"{name}: {error}") from error
        arguments.append({**options, **common})
        configs.append(config)
    first = _common(configs[0])
    for name, config in zip(names, configs, strict=True):
        for key, value in _common(config).items():
            same = f"{first[key]!r} as {names[0]} has: all members agree on it"
            require(value == first[key], f"{name}.{key}", value, same)
    return arguments, configs


def _common(config: EnvConfig) -> dict[str, Any]:
    """What all members of a fleet have to agree on, or a policy wouldn't know what it sees and does."""
    seen = tuple(Observer(config.observation, config.knobs, config.losses).names)
    acts = {name: getattr(config, name) for name in ACTS}
    rates = {"rates": config.rates} if set(RATES) & set(config.knobs) else {}  # which their knobs multiply
    return {**acts, **rates, "observation": seen}
