"""Families: several kinds of GANs on which one controller is trained, each a variation of the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf

from gan_env.config import PRESETS, RUN_OPTIONS
from gan_env.errors import require
from gan_env.fleet.members import checked_members
from gan_env.policies.learned import INTERFACE
from gan_env.strict import to_dict

IN_COMMON = (*INTERFACE, "num_decisions", "reward", "crash_penalty", "split", *RUN_OPTIONS)
"""Fields of the environment that all members have in common: what is seen, done and rewarded, and how runs are made."""


@dataclass(frozen=True)
class Member:
    """One kind of GANs among those that a controller is trained on.

    Attributes:
        rows: GANs of this kind that train side by side.
        env: fields of `EnvConfig` that differ from the environment's. A `preset` brings all of its own, but for those
            in `IN_COMMON`.
    """

    rows: int = 1
    env: dict[str, Any] = field(default_factory=dict)


def changes_of(variation: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a variation of the environment changes: its own, over those that its preset brings, if any."""
    preset = PRESETS.get(variation.get("preset", ""))
    return changed(own_fields(to_dict(preset)) if preset else {}, variation)


def own_fields(env: Mapping[str, Any]) -> dict[str, Any]:
    """What of an environment's options is a member's own."""
    return {key: value for key, value in env.items() if key not in IN_COMMON}


def changed(env: Mapping[str, Any], *changes: Mapping[str, Any]) -> dict[str, Any]:
    """The environment's options with fields changed: nested ones by field, a reward as a whole; later changes win.

    Where a change has a preset, knobs begin as the changes say, not as in `env`.
    """
    merged = OmegaConf.to_container(OmegaConf.merge(env, *changes))
    assert isinstance(merged, dict)
    for change in changes:
        merged |= {"reward": change["reward"]} if change.get("reward") else {}
    if any("preset" in change for change in changes):
        starts = [change.get("initial_knobs", {}).items() for change in changes]
        merged["initial_knobs"] = {name: value for of_one in starts for name, value in of_one}
    return {str(key): value for key, value in merged.items()}


def check_members(env: Mapping[str, Any], members: Mapping[str, Member], rows: int) -> None:
    """Refuses a family that can't be trained on as one environment of so many rows.

    Raises:
        ConfigError: a member has fields that all have in common, or that are unknown or out of range; members don't
            agree on the names of the statistics; or they have more or fewer rows.
    """
    for name, member in members.items():
        for key in (key for key in IN_COMMON if key in member.env):
            common = f"no such field: all members have it in common, so set env.{key}"
            require(False, f"members.{name}.env.{key}", member.env[key], common)
        require(member.rows >= 1, f"members.{name}.rows", member.rows, "at least 1")
    names = [f"members.{name}.env" for name in members]
    checked_members([{"num_envs": m.rows, **changed(env, changes_of(m.env))} for m in members.values()], {}, names)
    total = sum(member.rows for member in members.values())
    require(rows == total, "agent.rows", rows, f"{total}, as many as all members have together")
