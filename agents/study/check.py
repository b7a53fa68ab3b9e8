"""Checks of a study before anything is trained, for mistakes that would otherwise show after hours."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.learning.training import SB3Options
from agents.study.options import HELD_OUT, Controller, StudyOptions, opponent_kind, search_of
from agents.study.study import Study
from baselines.options import about
from baselines.search.spaces import example, usual
from baselines.search.tuner import TuneOptions, check_budget
from gan_env import GANVectorEnv
from gan_env.config import EnvConfig, env_config
from gan_env.errors import require
from gan_env.policies.learned import INTERFACE, OWN_ENV_FIELDS
from gan_env.policies.presets import PolicyOptions, load_policy
from gan_env.resume import require_same
from gan_env.strict import to_dict

MAY_GAIN_ENTRIES = ("controllers", "settings", "policies", "agents")
"""Parts of a study to which entries may be added, and from which they may be removed."""
MAY_CHANGE = (
    "folder", "policies", "tuned", "oracle_runs", "workers", "executor", "seeds", "settings", "target", "notes",
)  # fmt: skip
"""Fields that may change when a study continues. Lists of names may change; what the names stand for may not."""


def require_continuable(before: Mapping[str, Any], options: StudyOptions, folder: Path) -> dict[str, Any]:
    """Refuses to continue a study with options that would mix different results.

    Controllers, settings, policies, seeds and an oracle may be added or removed. What a study has had may not change,
    even where it was removed and comes back, nor may the files in configs/ of its policies and hyperparameters.

    Args:
        before: what this function returned when the study was last started; empty: it is new.
        options: of the study now.
        folder: of the study, for the message.

    Returns:
        What the study rests on now: what it has had so far, and what is new.

    Raises:
        ConfigError: something that the study has had is different now.
    """
    now = _rests_on(options)
    if before:
        mend = f"Choose another folder, or the options of {folder}/study/config.yml to continue that study"
        require_same(f"folder={str(folder)!r}: the study there", before, now, mend, MAY_GAIN_ENTRIES)
    return now | {part: before.get(part, {}) | now[part] for part in MAY_GAIN_ENTRIES}


def _rests_on(options: StudyOptions) -> dict[str, Any]:
    """The options that may not change when a study continues, as in JSON; all defaults are filled in."""
    usual_ones = (name for opponent in options.tunings for name in usual(search_of(opponent)[0]))
    named = {name: name for name in usual_ones} | options.named
    parts: dict[str, dict[str, Any]] = {
        "controllers": dict(options.controllers),
        "settings": dict(options.settings),
        "policies": {name: load_policy(policy) for name, policy in named.items()},
        "agents": {name: options.training(name, options.active[name].seeds - 1).agent for name in options.active},
    }
    fixed = {part: {name: _bound(entry) for name, entry in entries.items()} for part, entries in parts.items()}
    return dict(json.loads(json.dumps(_bound(options) | fixed)))


def _bound(options: Any) -> dict[str, Any]:
    """The fields of a dataclass that may not change."""
    return {key: value for key, value in to_dict(options).items() if key not in MAY_CHANGE}


def check_study(study: Study) -> None:
    """Refuses impossible policies, tunings, settings and trainings, and controllers that don't fit a setting.

    Raises:
        ConfigError: the message names the option that has to change.
        DataError: a setting's data are missing; the message says how to do without that setting.
    """
    options, players = study.options, dict[str, PolicyOptions]()
    for name, policy in options.named.items():
        with about(f"policies: {name}"):
            players[name] = load_policy(policy)
            players[name].make(study.test_env(HELD_OUT, name))
    for name in study.tunings:
        with about(f"tuned: {opponent_kind(name)}"):
            env = study.test_env(HELD_OUT, name)
            players[name] = example(search_of(name)[0], env)
            players[name].make(env)
    for place in options.settings:
        with about(f"settings.{place}", f" (to do without this setting: '~settings.{place}')"):
            there, size = len(study.test_env(place).instances), study.size(place)[0]
            require(size <= there, "instances", size, f"at most {there}, the test_size there")
            for player in (name for name in players if options.plays(name, place)):
                with about(player):
                    players[player].make(study.test_env(place, player))
    taken = {name: _check_controller(study, name, controller) for name, controller in options.active.items()}
    main = [taken[name] for name, controller in options.active.items() if controller.varies is None]
    known = [updates for updates in main if updates is not None]
    budget = study.settled_budget(known) if options.budget or known else None
    if budget and (options.budget or len(known) == len(main)):  # else only training can tell
        check_tunings(
            options, budget, "budget" if options.budget else "budget (null: what the costliest training takes)"
        )


def check_tunings(study: StudyOptions, budget: int, key: str) -> None:
    """Raises a `ConfigError` about the option `key` where this many GAN updates are too few to tune an opponent."""
    for kind, method in map(search_of, study.tunings):
        options = TuneOptions(kind=kind, method=method, budget=budget, runs=study.tune_runs, rows=study.rows)
        check_budget(env_config(**study.env), options, key)


def _check_controller(study: Study, name: str, controller: Controller) -> int | None:
    """GAN updates that training the controller takes; None where only the training can tell.

    Raises:
        ConfigError: it can't be trained, or it would act differently than in its training, or in GAN runs that differ
            from those of all policies, or it moves knobs that schedules don't tune (which only an ablation may).
    """
    options, training = study.options, study.options.training(name, controller.seeds - 1)
    agent, trained, tuned = training.agent, env_config(**training.env), env_config(**options.env).knobs
    more = [knob for knob in trained.knobs if knob not in tuned and controller.varies is None]
    expected = f"knobs that schedules are tuned in too, {tuned}: add them to env.knobs"
    require(not more, f"controllers.{name}.env.knobs", more, expected)
    for place in (place for place in (HELD_OUT, *options.settings) if options.plays(name, place)):
        changes = options.setting(place).changes
        with about(f"settings.{place}, where {name} plays"):
            _check_alike(env_config(**study.env_options(name, changes)), trained, options.changed_env(changes))
    for member in controller.members:
        with about(f"controllers.{name}.members.{member}"):
            GANVectorEnv(1, **training.kinds[member].env)
    if not isinstance(agent, SB3Options):  # what others take, only their training can tell
        return None
    runs = ((kind.rows, env_config(**kind.env)) for kind in training.kinds.values())
    return agent.rollouts * sum(rows * env.updates for rows, env in runs)


def _check_alike(mine: EnvConfig, trained: EnvConfig, changed_env: Mapping[str, Any]) -> None:
    """Refuses an environment where a controller would not act as in its training, or would play runs of its own."""
    for field in INTERFACE:
        expected = f"{getattr(trained, field)!r}, which it is trained with"
        require(getattr(mine, field) == getattr(trained, field), f"env.{field}", getattr(mine, field), expected)
    others = env_config(**changed_env)
    expected = f"{others.updates} GAN updates per run, as all policies have"
    same = mine.updates == others.updates
    require(same, "env.num_decisions x env.updates_per_decision", mine.updates, expected)
    here, there = to_dict(mine), to_dict(others)
    for field in (field for field in here if field not in OWN_ENV_FIELDS):
        expected = f"{there[field]!r}, as all policies have; what only training needs belongs in its `training`"
        require(here[field] == there[field], f"env.{field}", here[field], expected)
