"""What a study may consist of, and what may be added to one that is there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from agents.learning.options import RunOptions
from agents.study import options as module
from agents.study.options import StudyOptions, require_continuable, study_options
from baselines.options import register_presets
from gan_env import ConfigError
from gan_env.config import CONFIGS, env_config, to_dict
from gan_env.policies.presets import PolicyOptions

STUDIES = [path.stem for path in (CONFIGS / "experiment").glob("*.yaml") if "controllers" in path.read_text()]


def composed(*overrides: str) -> StudyOptions:
    register_presets()
    with initialize_config_dir(str(CONFIGS), version_base=None):
        found = OmegaConf.to_container(compose("compare", list(overrides)), resolve=True)
    assert isinstance(found, dict)
    return study_options(**{str(key): value for key, value in found.items()})


@pytest.mark.parametrize("name", STUDIES)
def test_every_controller_and_setting_of_a_study_makes_an_environment(name: str) -> None:
    """All that is switched off as well."""
    listed = composed(f"experiment={name}").controllers
    options = composed(f"experiment={name}", *(f"controllers.{c}.seeds=1" for c in listed))
    assert set(options.active) == set(listed)
    budget = env_config(**options.env).num_decisions * env_config(**options.env).updates_per_decision
    for controller in options.active.values():
        for setting in ("held_out", *options.settings):
            env_config(**options.changed_env(controller.training))
            config = env_config(**options.changed_env(controller.env, options.setting(setting).env))
            assert config.num_decisions * config.updates_per_decision == budget  # or runs were not comparable


def test_the_points_study_is_the_default() -> None:
    assert composed() == composed("experiment=points")
    assert composed("experiment=fashion_mnist").env["preset"] == "fashion_mnist"


def test_later_changes_win_and_nested_fields_keep_their_neighbours() -> None:
    options = study_options(env={"preset": "points", "instances": {"lr_g": [0.1, 0.2], "lr_d": [0.3, 0.4]}})
    changed = options.changed_env({"instances": {"lr_g": [0.5, 0.6]}}, {"instances": {"lr_g": [0.7, 0.8]}})
    assert changed["instances"] == {"lr_g": [0.7, 0.8], "lr_d": [0.3, 0.4]}
    assert options.env["instances"]["lr_g"] == [0.1, 0.2]


def test_an_ablation_is_what_it_varies_but_for_what_it_says() -> None:
    original = {"script": "sac", "seeds": 3, "agent": {"tau": 0.1, "rows": 4}, "env": {"depth": 3}}
    ablation = {"varies": "base", "seeds": 1, "agent": {"rows": 8}, "env": {"action_mode": "absolute"}}
    options = study_options(controllers={"base": original, "less": ablation}, settings={"far": {}})
    made = options.active["less"]
    assert (made.script, made.seeds, made.agent) == ("sac", 1, {"tau": 0.1, "rows": 8})
    assert made.settings == ("held_out",)
    assert made.env == {"depth": 3, "action_mode": "absolute"}


def test_an_ablation_is_switched_on_by_itself() -> None:
    options = study_options(controllers={"base": {"seeds": 3}, "less": {"varies": "base"}})
    assert list(options.active) == ["base"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instances": 0}, "at least 1"),
        ({"instances": 1000}, "at most 256"),
        ({"tuned": {"ada": 1}}, "schedule"),
        ({"tuned": {"schedule": 0, "ada": 1}}, r"tuned\.schedule=0"),
        ({"tuned": {"schedule": 1, "ada": -1}}, r"tuned\.ada=-1.*at least 0"),
        ({"tuned": {"schedule": 1, "luck": 1}}, "diffusion"),
        ({"policies": ("cosinus",)}, "cosine"),
        ({"policies": ("fixed", "cosine", "fixed")}, "policies=.*each name once"),
        ({"settings": {"held_out": {}}}, "other names"),
        ({"settings": {"training": {}}}, "other names"),
        ({"controllers": {"ada": {"seeds": 1}}, "policies": ("ada",)}, r"controllers=\['ada'\].*no other policy"),
        ({"controllers": {"best_schedule": {"seeds": 1}}}, r"controllers=\['best_schedule'\].*no other policy"),
        ({"controllers": {"a": {"seeds": 1}, "a_replay": {"seeds": 1}}}, r"controllers=\['a_replay'\].*no other"),
        ({"controllers": {"a": {"seeds": 1}, "a_rates": {"seeds": 1}}}, r"\['a_rates_replay'\].*NAME_rates_replay"),
        ({"controllers": {"a": {"seeds": 1, "beside": "b"}}}, r"controllers\.a\.beside='b'"),
        ({"settings": {"far": {"envs": {}}}}, r"settings\.far\.env"),
        ({"settings": {"far": {"gan_seeds": 0}}}, "gan_seeds.*at least 1"),
        ({"settings": {"far": {"policies": ["tuned_rate"]}}}, r"settings\.far\.policies='tuned_rate'.*best_schedule"),
        ({"controllers": {"a": {"seeds": 1, "settings": ["far"]}}, "settings": {"far": {}}}, "held_out among them"),
        (
            {
                "controllers": {"a": {"seeds": 1}, "b": {"seeds": 1, "varies": "a"}},
                "settings": {"far": {"policies": ["a", "b"]}, "near": {}},
            },
            r"controllers\.b\.settings=\('held_out',\).*held_out, far among them",
        ),
        ({"workers": 0}, "at least 1"),
        ({"controllers": {"ppo": {"seeds": 0}}}, "seeds > 0"),
        ({"controllers": {"ppo": {"sedes": 1}}}, "seeds"),
        ({"controllers": {"ppo": {"seeds": 1, "script": "dreamer"}}}, "recurrent_ppo"),
        ({"controllers": {"a": {"seeds": 1}, "b": {"seeds": 1, "varies": "c"}}}, r"controllers\.b\.varies"),
        ({"controllers": {"a": {"seeds": 1, "settings": ("far",)}}}, "held_out"),
    ],
)
def test_bad_options_are_refused_with_help(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study_options(**fields)


def study(**changes: Any) -> StudyOptions:
    base = {"instances": 4, "controllers": {"ppo": {"seeds": 1}}, "settings": {"far": {"env": {"datasets": ["ring"]}}}}
    return study_options(**{**base, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"policies": ("fixed", "cosine")},
        {"controllers": {"ppo": {"script": "ppo", "seeds": 5}, "sac": {"script": "sac", "seeds": 1}}},
        {"controllers": {"ppo": {"seeds": 1, "settings": ["held_out"], "agent": {}}}},
        {"settings": {"far": {"env": {"datasets": ["ring"]}, "policies": ["ppo_replay", "fixed"]}, "near": {}}},
        {"settings": {}},
        {"folder": "elsewhere", "workers": 2, "tuned": {"schedule": 3, "ada": 1}},
        {"oracle_runs": 0},
        {"env": {"preset": "points", "device": "cpu", "data_root": "/elsewhere", "compile": False}},
        {"settings": {"far": {"env": {"datasets": ["ring"], "data_root": "/elsewhere"}}}},
    ],
)
def test_a_study_may_be_added_to_and_continue_elsewhere(changes: dict[str, Any]) -> None:
    require_continuable(require_continuable({}, study(), Path("x")), study(**changes), Path("x"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"instances": 5}, "instances=4, not 5"),
        ({"env": {"preset": "points", "depth": 3}}, r"env\.depth=None, not 3"),
        ({"controllers": {"ppo": {"script": "sac", "seeds": 1}}}, r"agents\.ppo"),
        ({"controllers": {"ppo": {"seeds": 1, "agent": {"epochs": 3}}}}, r"agents\.ppo\.epochs=10, not 3"),
        ({"controllers": {"ppo": {"seeds": 1, "env": {"action_mode": "absolute"}}}}, r"ppo\.env\.action_mode"),
        ({"settings": {"far": {"env": {"datasets": ["ring"]}, "gan_seeds": 2}}}, r"settings\.far\.gan_seeds=None"),
        ({"settings": {"far": {}}}, r"settings\.far\.env\.datasets"),
    ],
)
def test_what_a_study_has_stays_as_it_was(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        require_continuable(require_continuable({}, study(), Path("x")), study(**changes), Path("x"))


def test_what_was_taken_out_of_a_study_comes_back_as_it_was() -> None:
    folder, first = Path("x"), study(policies=("fixed", "cosine"))
    between = require_continuable(require_continuable({}, first, folder), study(settings={}), folder)
    assert require_continuable(between, first, folder) == between
    with pytest.raises(ConfigError, match=r"settings\.far\.gan_seeds=None, not 2"):
        require_continuable(between, study(settings={"far": {"env": {"datasets": ["ring"]}, "gan_seeds": 2}}), folder)


def test_hyperparameters_that_were_changed_since_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In configs/agent/: else trainings of two kinds would be summed up as one controller."""
    there = require_continuable({}, study(), Path("x"))
    options_of = module.training_options

    def changed(script: str, agent: Mapping[str, Any], env: Mapping[str, Any], seed: int) -> RunOptions:
        return options_of(script, {**agent, "epochs": 3}, env, seed)

    monkeypatch.setattr(module, "training_options", changed)
    with pytest.raises(ConfigError, match=r"agents\.ppo\.epochs=10, not 3"):
        require_continuable(there, study(), Path("x"))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "rising"),
        ({"tuned": {"schedule": 1, "rates": 1}}, "falling_rates"),
        ({"tuned": {"schedule": 1, "ada": 1}}, "ada"),
    ],
)
def test_what_a_search_begins_with_may_not_change_either(
    changes: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later tunings of an opponent would be by another search."""
    there, loads = require_continuable({}, study(**changes), Path("x")), module.load_policy
    monkeypatch.setattr(module, "load_policy", lambda n: PolicyOptions() if n == name else loads(n))
    with pytest.raises(ConfigError, match=rf"policies\.{name}\."):
        require_continuable(there, study(**changes), Path("x"))


def test_a_policy_that_was_changed_since_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    there, loads = require_continuable({}, study(), Path("x")), module.load_policy
    monkeypatch.setattr(module, "load_policy", lambda n: PolicyOptions(until=0.5) if n == "fixed" else loads(n))
    with pytest.raises(ConfigError, match=r"policies\.fixed\.until=1\.0, not 0\.5"):
        require_continuable(there, study(), Path("x"))


def test_what_differs_from_the_preset_is_said_without_how_a_machine_runs_it() -> None:
    env = {"preset": "points", "knobs": ["r1"], "instances": {"seed": 3, "batch_size": [32, 64]}, "num_decisions": 12}
    made = study_options(env={**env, "device": "cpu", "compile": False})
    assert made.changes_of_preset() == {"knobs": ["r1"], "instances": {"seed": 3, "batch_size": [32, 64]}}


@pytest.mark.parametrize("name", STUDIES)
def test_what_an_ablation_does_not_say_is_filled_in_once(name: str) -> None:
    """Options that were completed stay as they are when they are read again."""
    made = composed(f"experiment={name}")
    fields = to_dict(made)
    fields["controllers"] = {key: to_dict(controller) for key, controller in made.controllers.items()}
    assert study_options(**fields) == made
