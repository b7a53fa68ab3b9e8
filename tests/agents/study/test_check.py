"""What a study refuses before it trains anything, by the name of the option that has to change."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.learning.options import TrainOptions
from agents.study import check as check_module
from agents.study import options as module_of_options
from agents.study.check import check_study, require_continuable
from agents.study.options import StudyOptions, study_options
from agents.study.study import Study
from gan_env import ConfigError, DataError
from gan_env.files import write_json
from gan_env.policies.presets import PolicyOptions

SMALL = {"compile": False, "metric_samples": 32}
UNKNOWN = {"one": {"rows": 2, "env": {"architecture": "nope"}}}
"""A family of a network that there is not."""


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Study, "trainings_due")
    monkeypatch.delattr(Study, "tunings_due")


def check(folder: Path, **options: Any) -> None:
    controllers = options.pop("controllers", {"ppo": {"seeds": 1}})
    env = SMALL | options.pop("env", {})
    made = study_options(
        folder=str(folder), env={"preset": "points", **env}, controllers=controllers, rows=2, **options
    )
    check_study(Study(made))


def test_a_study_that_can_be_is_let_through(tmp_path: Path) -> None:
    controllers = {"ppo": {"seeds": 1, "agent": {"rollouts": 3}}}
    other = {"env": {"losses": ["relativistic"]}, "policies": ["fixed"]}  # with which ADA's rule has no meaning
    settings = {"far": {"env": {"datasets": ["ring"]}}, "other": other}
    tuned = dict.fromkeys(("schedule", "rates", "step_size", "r3gan", "ada"), 1)
    check(tmp_path, controllers=controllers, settings=settings, tuned=tuned, budget=10_000_000)


def test_a_family_costs_what_its_members_cost(tmp_path: Path) -> None:
    members = {"short": {"rows": 3, "env": {"updates_per_decision": 2}}, "long": {"rows": 1}}
    family = {"seeds": 1, "agent": {"rows": 4, "rollouts": 5}, "members": members}
    made = study_options(folder=str(tmp_path), env=SMALL, controllers={"family": family})
    cost = check_module._check_controller(Study(made), "family", made.active["family"])
    assert cost == 5 * 12 * (3 * 2 + 1 * 50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"env": {"knobs": ["r1"]}, "policies": ("fixed", "diffusion")}, "policies: diffusion: .*instance_noise"),
        ({"settings": {"far": {"env": {"instances": {"lr_q": 1}}}}}, "settings.far: .*lr_q.*'~settings.far'"),
        (
            {"settings": {"far": {"env": {"knobs": ["instance_noise", "augment", "r1", "lr_g", "lr_d", "r2"]}}}},
            r"settings.far, where ppo plays: env.knobs=\('instance_noise', .*'r2'\)",
        ),
        (
            {"settings": {"far": {"env": {"knobs": ["r1"]}, "policies": ["fixed"]}}},
            r"settings.far: best_schedule: env.knobs=\['r1'\].*which the policy moves.*'~settings.far'",
        ),
        (
            {"settings": {"far": {"env": {"losses": ["relativistic"]}}}, "policies": ("fixed", "ada")},
            r"settings.far: ada: env.losses=\('relativistic',\)",
        ),
        ({"settings": {"far": {"instances": 1000}}}, "settings.far: instances=1000 .*at most 256"),
        ({"settings": {"far": {"env": {"instances": {"test_size": 3}}}}}, "settings.far: instances=48 .*at most 3"),
        (
            {"settings": {"far": {"env": {"action_mode": "absolute"}}}},
            "settings.far.*'delta', which it is trained",
        ),
        ({"controllers": {"ppo": {"seeds": 1, "env": {"depht": 3}}}}, "controllers.ppo: .*depht"),
        (
            {"controllers": {"ppo": {"seeds": 1, "members": {"one": {"rows": 2}}}}},
            "controllers.ppo: agent.rows=96 .*expected 2, as many as all members",
        ),
        (
            {"controllers": {"ppo": {"seeds": 1, "agent": {"rows": 2}, "members": UNKNOWN}}},
            r"controllers\.ppo\.members\.one: architecture='nope'",
        ),
        ({"controllers": {"ppo": {"seeds": 1, "training": {"depht": 3}}}}, "controllers.ppo: .*depht"),
        ({"controllers": {"ppo": {"seeds": 1, "agent": {"rolouts": 3}}}}, "controllers.ppo: .*rolouts"),
        ({"controllers": {"ppo": {"seeds": 1, "agent": {"rollouts": 0}}}}, "controllers.ppo: .*at least 1"),
        ({"seed": 999, "controllers": {"ppo": {"seeds": 2}}}, "controllers.ppo: seed=1000 .*0 to 999"),
        ({"budget": 3}, "budget=3 .*at least .*re-scoring"),
        (
            {"controllers": {"ppo": {"seeds": 1, "agent": {"rollouts": 1, "rows": 8}}}},
            r"budget \(null: what the costliest training takes\)=4800 .*at least .*re-scoring",
        ),
        (
            {"tuned": {"schedule": 1, "rates": 1}, "env": {"knobs": ["r1"]}},
            r"tuned: rates: .*one of \['lr_g', 'lr_d'\]",
        ),
        ({"tuned": {"schedule": 1, "r3gan": 1}, "env": {"knobs": ["instance_noise"]}}, "tuned: r3gan: .*R3GAN's knobs"),
    ],
)
def test_what_can_t_be_is_refused_before_anything_is_trained(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check(tmp_path, **options)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"updates_per_decision": 100}, "env.num_decisions x env.updates_per_decision=1200 .*600 GAN updates per run"),
        ({"instances": {"seed": 5}}, "env.instances=.*as all policies have.*`training`"),
        ({"datasets": ["ring"]}, r"env.datasets=\['ring'\] .*as all policies have"),
        ({"metric_samples": 64}, "env.metric_samples=64 .*expected 32, as all policies have"),
        ({"knobs": ["augment", "r1", "r2"]}, r"controllers.ppo.env.knobs=\['r2'\] .*tuned in too"),
    ],
)
def test_a_controller_plays_the_game_of_all_policies(tmp_path: Path, env: dict[str, Any], message: str) -> None:
    """Neither longer runs, nor other instances, nor another judge, nor knobs that schedules can't move."""
    with pytest.raises(ConfigError, match=message):
        check(tmp_path, controllers={"ppo": {"seeds": 1, "env": env}})


def test_a_controller_may_see_and_act_otherwise_and_learn_from_other_runs(tmp_path: Path) -> None:
    """As ablations do: half as many decisions of twice the length, fewer knobs, a reward of its own."""
    own = {"num_decisions": 6, "updates_per_decision": 100, "knobs": ["r1"], "reward": {"final_log": 1.0}}
    ppo = {"seeds": 1, "env": own, "training": {"datasets": ["ring"], "instances": {"seed": 5}}}
    more = {"seeds": 1, "varies": "ppo", "env": {"knobs": ["r1", "r2"]}}
    check(tmp_path, controllers={"ppo": ppo, "more": more}, budget=10_000_000)


def test_a_training_that_takes_more_updates_than_the_opponents_did_is_refused(tmp_path: Path) -> None:
    env = {"num_decisions": 2, "updates_per_decision": 5}
    costly = {"ppo": {"seeds": 1, "agent": {"rollouts": 300, "rows": 4}}}
    check(tmp_path, env=env, controllers=costly)
    write_json(tmp_path / "tuning/budget.json", 12_000)
    check(tmp_path, env=env, controllers=costly)
    write_json(tmp_path / "tuning/budget.json", 11_999)
    with pytest.raises(ConfigError, match=r"budget=12000 .*at most 11999.*a new study"):
        check(tmp_path, env=env, controllers=costly)


def test_a_budget_that_is_not_known_before_is_not_refused(tmp_path: Path) -> None:
    """A meta-network's training takes more than its runs. What was tuned with before, or was asked for, holds."""
    ppo = {"seeds": 1, "agent": {"rollouts": 1, "rows": 8}}
    check(tmp_path, controllers={"ppo": ppo, "meta": {"seeds": 1, "script": "meta"}})
    check(tmp_path, controllers={"ppo": ppo}, budget=10_000_000)
    write_json(tmp_path / "tuning/budget.json", 10_000_000)
    check(tmp_path, controllers={"ppo": ppo})


def test_data_that_are_not_there_are_told_with_how_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.download", lambda self: None)  # nothing comes
    settings = {"other": {"env": {"datasets": ["mnist"], "data_root": "nowhere"}, "policies": ["fixed"]}}
    with pytest.raises(DataError, match=r"settings.other: .*nowhere/MNIST.*'~settings.other'"):
        check(tmp_path, settings=settings)


# --- continuing ---


def study(**changes: Any) -> StudyOptions:
    base = {"instances": 4, "controllers": {"ppo": {"seeds": 1}}, "settings": {"far": {"env": {"datasets": ["ring"]}}}}
    return study_options(**{**base, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"policies": ("fixed", "cosine")},
        {"controllers": {"ppo": {"script": "ppo", "seeds": 5}, "sac": {"script": "sac", "seeds": 1}}},
        {"controllers": {"ppo": {"seeds": 1, "agent": {}}}},
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
    options_of = module_of_options.training_options

    def changed(script: str, agent: Mapping[str, Any], *others: Any) -> TrainOptions:
        return options_of(script, {**agent, "epochs": 3}, *others)

    monkeypatch.setattr(module_of_options, "training_options", changed)
    with pytest.raises(ConfigError, match=r"agents\.ppo\.epochs=10, not 3"):
        require_continuable(there, study(), Path("x"))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "rising"),
        ({"tuned": {"schedule": 1, "ada": 1}}, "ada"),
    ],
)
def test_what_a_search_begins_with_may_not_change_either(
    changes: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later tunings of an opponent would be by another search."""
    there, loads = require_continuable({}, study(**changes), Path("x")), check_module.load_policy
    monkeypatch.setattr(check_module, "load_policy", lambda n: PolicyOptions() if n == name else loads(n))
    with pytest.raises(ConfigError, match=rf"policies\.{name}\."):
        require_continuable(there, study(**changes), Path("x"))


def test_a_policy_that_was_changed_since_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    there, loads = require_continuable({}, study(), Path("x")), check_module.load_policy
    monkeypatch.setattr(check_module, "load_policy", lambda n: PolicyOptions(until=0.5) if n == "fixed" else loads(n))
    with pytest.raises(ConfigError, match=r"policies\.fixed\.until=1\.0, not 0\.5"):
        require_continuable(there, study(), Path("x"))
