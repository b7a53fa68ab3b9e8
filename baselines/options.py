"""Options of the command lines: Hydra composes them from configs/, dataclasses check them."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from baselines.adaptive import RULES, AdaptivePolicy
from baselines.policies import (
    Anneal,
    Policy,
    RandomPolicy,
    RatesPolicy,
    annealed,
    published_policy,
    schedule_policy,
    tabulated,
    tabulated_policy,
)
from gan_env import PRESETS, ConfigError, GANVectorEnv
from gan_env.config import WHERE, replace, require, to_dict
from gan_env.gan.points import POINT_SETS
from gan_env.refusals import told_in_one_line

T = TypeVar("T")
KINDS: dict[str, tuple[str, ...]] = {
    "schedule": ("knobs", "until"),
    "rates": ("knobs", "table", "until"),
    "published": ("knobs", "until"),
    "table": ("table",),
    "random": ("hold",),
    **dict.fromkeys(RULES, ("rule",)),
}
"""The kinds of policies, and the fields of `PolicyOptions` that each uses."""
CONFIGS = str(Path(__file__).resolve().parent.parent / "configs")
FREE = tuple(f"env.{name}" for name in WHERE)
"""Options that may differ where a job goes on."""


def script(name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Makes the entry point of a script, whose options are those of configs/NAME.yaml, from what it does with them.

    What it refuses is told in one line, inside of Hydra, which would print the whole way to it.
    """

    def decorate(main: Callable[[DictConfig], None]) -> Callable[[], None]:
        started: Callable[[], None] = hydra.main(CONFIGS, name, version_base=None)(told_in_one_line()(main))
        return started

    return decorate


def register_presets() -> None:
    """Offers the environment's presets, with every field, to the YAML files in configs/env/, and `${kind:ENV}`."""
    for name, preset in PRESETS.items():
        ConfigStore.instance().store(group="env", name=f"preset_{name}", node={"preset": name, **to_dict(preset)})
    OmegaConf.register_new_resolver("kind", data_kind, replace=True)


def data_kind(env: str) -> str:
    """What the options of a file in configs/env/ are for: "points", or "images" (also where no preset has its name)."""
    return "points" if env in PRESETS and PRESETS[env].datasets[0] in POINT_SETS else "images"


def load(kind: type[T], config: DictConfig) -> T:
    """Hydra's composed configuration as a checked dataclass.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range.
    """
    mapping = OmegaConf.to_container(config, resolve=True)
    if not isinstance(mapping, Mapping):
        raise ConfigError(f"configuration has type {type(mapping).__name__}: expected a mapping")
    return replace(kind(), {str(key): value for key, value in mapping.items()})


def differences(there: Any, now: Any, growing: Collection[str] = (), name: str = "") -> dict[str, str]:
    """The fields in which options that a job began with differ from those that it is to go on with.

    Args:
        there: what the job began with, as JSON or YAML has it.
        now: what it is to go on with, likewise.
        growing: mappings of which only the keys that both have count.
        name: of the field that is compared; empty: all options.

    Returns:
        Dotted name of the field -> `NAME=THERE, not NOW`.
    """
    if not (isinstance(there, dict) and isinstance(now, dict)):
        return {} if there == now else {name: f"{name}={there!r}, not {now!r}"}
    keys = there.keys() & now.keys() if name in growing else there.keys() | now.keys()
    found: dict[str, str] = {}
    for key in sorted(keys):
        found |= differences(there.get(key), now.get(key), growing, f"{name}.{key}" if name else key)
    return found


@dataclasses.dataclass(frozen=True)
class PolicyOptions:
    """A policy by name; see configs/policy/. A field that its kind does not use is refused; see `KINDS`.

    Attributes:
        kind: "schedule", "rates" (a schedule of which `lr_g` and `lr_d` are learning rates, not factors), "published"
            (a schedule of which those knobs count that are controlled), "table" (a schedule by its values), "random",
            or the name of an adaptive rule ("ada", "apa", "diffusion").
        knobs: the schedule of each knob (kind, initial, final, decay_rate, until); knobs that are not named stay.
        table: the values of each knob over the run, evenly spaced, for the kinds "table" and "rates".
        until: share of the run within which schedules run that don't say it themselves.
        hold: decisions for which a random action is held.
        rule: what differs from the published constants of an adaptive rule; see `baselines.adaptive.Rule`.
    """

    kind: str = "schedule"
    knobs: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    table: dict[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)
    until: float = 1.0
    hold: int = 1
    rule: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.kind in KINDS, "policy.kind", self.kind, f"one of {list(KINDS)}")
        require(self.kind != "table" or bool(self.table), "policy.table", self.table, "the values of a knob or more")
        used = KINDS[self.kind]
        for name in (field.name for field in dataclasses.fields(self)):
            given, default = getattr(self, name), getattr(PolicyOptions, name, {})  # without a number: a mapping
            unused = f"{default!r}: the kind {self.kind!r} takes no field but {', '.join(used)}"
            require(given == default or name in ("kind", *used), f"policy.{name}", given, unused)
        for name, anneal in self.knobs.items():
            needed = ("kind", "initial") if anneal.get("kind") == "fixed" else ("kind", "initial", "final")
            lacking = [field for field in needed if field not in anneal]
            require(not lacking, f"policy.knobs.{name}", anneal, f"{', '.join(needed)}: it lacks {', '.join(lacking)}")

    def make(self, env: GANVectorEnv, seed: int = 0) -> Policy:
        """The policy, ready to act in `env`."""
        if self.kind == "table":
            return tabulated_policy(env, self.table)
        if self.kind == "random":
            return RandomPolicy(env, seed, self.hold)
        if self.kind in RULES:
            return AdaptivePolicy(env, replace(RULES[self.kind], self.rule, "policy.rule."))
        blank = Anneal("fixed", 0.0, until=self.until)
        anneals = {k: replace(blank, a, f"policy.knobs.{k}.") for k, a in self.knobs.items()}
        if self.kind == "rates":
            return RatesPolicy(env, annealed(env, anneals) | tabulated(env, self.table))
        return published_policy(env, anneals) if self.kind == "published" else schedule_policy(env, anneals)


def load_policy(name: str) -> PolicyOptions:
    """The options of a policy in configs/policy/."""
    return replace(PolicyOptions(), yaml.safe_load((Path(CONFIGS) / "policy" / f"{name}.yaml").read_text()))
