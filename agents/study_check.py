"""What a study is looked through for before anything is trained: what else would come to light after hours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agents.controllers import INTERFACE
from agents.study import Study
from agents.study_options import HELD_OUT, Controller
from agents.worker import env_fields, training_options
from baselines.options import load_policy
from baselines.search_spaces import example
from baselines.tune import TuneOptions, check_budget
from gan_env import DataError
from gan_env.config import ConfigError, env_config, require

COUNTED = ("ppo", "recurrent_ppo", "sac", "tqc")
"""Scripts of which `agent.rows` x `agent.rollouts` episodes are all that training takes."""


def check_study(study: Study) -> None:
    """Refuses what can't be done: policies, tunings, settings, trainings, and trained controllers in settings.

    Raises:
        ConfigError: the option that has to change is named.
        DataError: a setting's data are not there; how to do without that setting is said.
    """
    options = study.options
    env = study.env(options.changed_env({"split": "test"}), len(study.runs(HELD_OUT)[0]))
    for name in options.policies:
        with _named(f"policies: {name}"):
            load_policy(name).make(env)
    for kind in options.tuned:
        with _named(f"tuned: {kind}"):
            example(kind, env).make(env)
    for name, setting in options.elsewhere.items():
        with _named(f"settings.{name}", f" (to do without this setting: '~settings.{name}')"):
            study.env(options.changed_env(setting.env, {"split": "test"}), len(study.runs(name)[0]))
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
    with _named(key):
        agent = training_options(controller.script, [*controller.arguments, *env_fields(env)]).agent
        there = env_config(**env)
    if controller.base is not None:
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
    """Raises a `ConfigError` where the controller would see or do something else than in its training."""
    options = study.options
    trained = env_config(**options.changed_env(controller.env, controller.training))
    for place in controller.settings or (HELD_OUT, *options.settings):
        setting = options.setting(place)
        if setting.policies and name not in setting.policies:
            continue
        with _named(f"settings.{place}, where {name} plays"):
            there = env_config(**study.controller_env(name, setting.env))
            for field in INTERFACE:
                same = getattr(there, field) == getattr(trained, field)
                expected = f"{getattr(trained, field)!r}, which it is trained with"
                require(same, f"env.{field}", getattr(there, field), expected)


def _check_budget(study: Study, key: str, budget: int, env: dict[str, Any]) -> None:
    """Raises a `ConfigError` where nothing can be tuned with so many GAN updates, of whatever kind."""
    options = TuneOptions(budget=budget, runs=study.options.tune_runs, rows=study.options.rows)
    check_budget(study.env(env), options, key)


@contextmanager
def _named(key: str, hint: str = "") -> Iterator[None]:
    """Lets errors say which option they are about."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise type(error)(f"{key}: {error}{hint}") from error
