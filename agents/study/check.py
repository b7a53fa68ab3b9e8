"""What a study is looked through for before anything is trained: what else would come to light after hours."""

from collections.abc import Sequence
from typing import Any

from agents.learning.controllers import INTERFACE
from agents.study.options import BEST, HELD_OUT, Controller, named, opponent_name, training
from agents.study.study import Study
from baselines.search.spaces import example
from baselines.search.tuner import TuneOptions, check_budget
from gan_env.config import RUN_OPTIONS, EnvConfig, env_config, to_dict
from gan_env.errors import require
from gan_env.policies.presets import PolicyOptions, load_policy

COUNTED = ("ppo", "recurrent_ppo", "sac", "tqc")
"""Scripts of which `agent.rows` x `agent.rollouts` episodes are all that training takes."""
OWN = (*INTERFACE, "num_decisions", "updates_per_decision", "initial_knobs", "reward", *RUN_OPTIONS)
"""Fields of an environment that a controller may have for itself as it plays. The others are those of all policies: the
GANs that are trained, for how long, and what judges them."""


def check_study(study: Study) -> None:
    """Refuses what can't be done: policies, tunings, settings, trainings, and whoever plays in settings.

    Raises:
        ConfigError: the option that has to change is named.
        DataError: a setting's data are not there; how to do without that setting is said.
    """
    options = study.options
    env = study.env(options.changed_env({"split": "test"}), len(study.runs(HELD_OUT)[0]))
    players: dict[str, PolicyOptions] = {}
    for name in options.policies:
        with named(f"policies: {name}"):
            players[name] = load_policy(name)
            players[name].make(env)
    for kind in options.tunings:
        with named(f"tuned: {kind}"):
            players[opponent_name(kind)] = example(kind, env)
            players[opponent_name(kind)].make(env)
    for name, setting in options.elsewhere.items():
        with named(f"settings.{name}", f" (to do without this setting: '~settings.{name}')"):
            env = study.env(options.changed_env(setting.env, {"split": "test"}), len(study.runs(name)[0]))
            size, there = study.size(name)[0], len(env.instances)
            require(size <= there, "instances", size, f"at most {there}, the test_size there")
            for player, policy in players.items():
                if not setting.policies or player in (BEST, *setting.policies):
                    with named(player):
                        policy.make(env)
    taken = {name: _check_training(study, name, controller) for name, controller in options.active.items()}
    _check_tunings(study, [taken[name] for name, _ in study.mains])
    for name, controller in options.active.items():
        _check_transfer(study, name, controller)


def _check_training(study: Study, name: str, controller: Controller) -> int | None:
    """GAN updates that training the controller takes at most, its base included; None: not known before.

    Raises:
        ConfigError: it can't be trained, or what it corrects can't be tuned.
    """
    key, env = f"controllers.{name}", study.options.changed_env(controller.env, controller.training)
    agent = training(study.options, name).agent
    with named(key):
        there = env_config(**env)
    if controller.base is not None:
        with named(f"{key}.base: {controller.base}"):
            example(controller.base, study.env(env)).make(study.env(env))
        _check_budget(study, f"{key}.base_updates", controller.base_updates, env)
    if controller.script not in COUNTED:
        return None
    taken = agent.rollouts * agent.rows * there.num_decisions * there.updates_per_decision
    if controller.varies is None:
        study.require_affordable(name, taken)
    return taken + (controller.base_updates if controller.base else 0)


def _check_tunings(study: Study, taken: Sequence[int | None]) -> None:
    """Raises a `ConfigError` where the opponents can't be tuned with their budget, as far as it is known.

    Args:
        study: theirs.
        taken: of each training of a main controller, from `_check_training`.
    """
    key, budget = "budget", study.settled_budget or study.options.budget
    known = [updates for updates in taken if updates is not None]
    if budget is None and len(known) == len(taken):
        key, budget = "budget (null: what the dearest training takes)", max(known)
    if budget is not None:
        _check_budget(study, key, budget, study.options.env)


def _check_transfer(study: Study, name: str, controller: Controller) -> None:
    """Raises a `ConfigError` where the controller would act otherwise than in its training, or play another game.

    One that varies no other may not move knobs that schedules are not tuned in, either.
    """
    options = study.options
    trained = env_config(**options.changed_env(controller.env, controller.training))
    tuned = env_config(**options.env).knobs
    more = [knob for knob in trained.knobs if knob not in tuned and controller.varies is None]
    expected = f"knobs that schedules are tuned in too, {tuned}: add them to env.knobs"
    require(not more, f"controllers.{name}.env.knobs", more, expected)
    for place in controller.settings or (HELD_OUT, *options.settings):
        setting = options.setting(place)
        if setting.policies and name not in setting.policies:
            continue
        with named(f"settings.{place}, where {name} plays"):
            there = env_config(**study.controller_env(name, setting.env))
            for field in INTERFACE:
                same = getattr(there, field) == getattr(trained, field)
                expected = f"{getattr(trained, field)!r}, which it is trained with"
                require(same, f"env.{field}", getattr(there, field), expected)
            _check_alike(there, env_config(**options.changed_env(setting.env)))


def _check_alike(mine: EnvConfig, all_others: EnvConfig) -> None:
    """Raises a `ConfigError` where a controller would play another game than all other policies, or a longer one."""
    updates, theirs = (config.num_decisions * config.updates_per_decision for config in (mine, all_others))
    key = "env.num_decisions x env.updates_per_decision"
    require(updates == theirs, key, updates, f"{theirs} GAN updates a run, as all policies have")
    here, there = to_dict(mine), to_dict(all_others)
    for field in (name for name in here if name not in OWN):
        expected = f"{there[field]!r}, as all policies have; what is for its training alone belongs in its `training`"
        require(here[field] == there[field], f"env.{field}", here[field], expected)


def _check_budget(study: Study, key: str, budget: int, env: dict[str, Any]) -> None:
    """Raises a `ConfigError` where nothing can be tuned with so many GAN updates, of whatever kind."""
    options = TuneOptions(budget=budget, runs=study.options.tune_runs, rows=study.options.rows)
    check_budget(study.env(env), options, key)
