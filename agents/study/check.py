"""What a study is looked through for before anything is trained: what else would come to light after hours."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.learning.controllers import INTERFACE
from agents.study.options import HELD_OUT, Controller, about, opponent_name
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
        with about(f"policies: {name}"):
            players[name] = load_policy(name)
            players[name].make(env)
    for kind in options.tunings:
        with about(f"tuned: {kind}"):
            players[opponent_name(kind)] = example(kind, env)
            players[opponent_name(kind)].make(env)
    for name, setting in options.settings.items():
        with about(f"settings.{name}", f" (to do without this setting: '~settings.{name}')"):
            env = study.env(options.changed_env(setting.env, {"split": "test"}), len(study.runs(name)[0]))
            size, there = study.size(name)[0], len(env.instances)
            require(size <= there, "instances", size, f"at most {there}, the test_size there")
            for player in filter(setting.lets_in, players):
                with about(player):
                    players[player].make(env)
    taken = {name: _check_training(study, name, controller) for name, controller in options.active.items()}
    _check_tunings(study, [taken[name] for name, _ in study.main_trainings])
    for name, controller in options.active.items():
        _check_transfer(study, name, controller)


def _check_training(study: Study, name: str, controller: Controller) -> int | None:
    """GAN updates that training the controller takes; None: not known before.

    Raises:
        ConfigError: it can't be trained.
    """
    agent = study.options.training(name, controller.seeds - 1).agent
    with about(f"controllers.{name}"):
        there = env_config(**study.options.changed_env(controller.env, controller.training))
    if controller.script not in COUNTED:
        return None
    taken = agent.rollouts * agent.rows * there.num_decisions * there.updates_per_decision
    if controller.varies is None:
        study.require_affordable(name, taken)
    return taken


def _check_tunings(study: Study, taken: Sequence[int | None]) -> None:
    """Raises a `ConfigError` where the opponents can't be tuned with their budget, as far as it is known.

    Args:
        study: theirs.
        taken: of each training of a controller that is no ablation, from `_check_training`.
    """
    key, budget = "budget", study.settled_budget or study.options.budget
    known = [updates for updates in taken if updates is not None]
    if budget is None and len(known) == len(taken):
        key, budget = "budget (null: what the dearest training takes)", max(known)
    if budget is not None:
        options = TuneOptions(budget=budget, runs=study.options.tune_runs, rows=study.options.rows)
        check_budget(env_config(**study.options.env), options, key)


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
    for place in filter(controller.plays_in, (HELD_OUT, *options.settings)):
        setting = options.setting(place)
        if not setting.lets_in(name):
            continue
        with about(f"settings.{place}, where {name} plays"):
            there = env_config(**study.controller_env(name, setting.env))
            for field in INTERFACE:
                same = getattr(there, field) == getattr(trained, field)
                expected = f"{getattr(trained, field)!r}, which it is trained with"
                require(same, f"env.{field}", getattr(there, field), expected)
            _check_alike(there, options.changed_env(setting.env))


def _check_alike(mine: EnvConfig, others: Mapping[str, Any]) -> None:
    """Raises a `ConfigError` where a controller would play another game than all other policies, or a longer one."""
    theirs = env_config(**others)
    updates, expected_updates = (c.num_decisions * c.updates_per_decision for c in (mine, theirs))
    expected = f"{expected_updates} GAN updates a run, as all policies have"
    require(updates == expected_updates, "env.num_decisions x env.updates_per_decision", updates, expected)
    here, there = to_dict(mine), to_dict(theirs)
    for field in (name for name in here if name not in OWN):
        expected = f"{there[field]!r}, as all policies have; what is for its training alone belongs in its `training`"
        require(here[field] == there[field], f"env.{field}", here[field], expected)
