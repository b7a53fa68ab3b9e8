"""What a study may consist of, and what may be added to one that is there."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from agents.study.options import StudyOptions, study_options
from baselines.options import register_presets
from gan_env import ConfigError
from gan_env.config import CONFIGS, EnvConfig, env_config
from gan_env.strict import to_dict

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
    for controller in options.active.values():
        env_config(**options.changed_env(controller.training))
        for setting in ("held_out", *options.settings):
            there = options.setting(setting).changes
            mine, theirs = (env_config(**options.changed_env(env, there)) for env in (controller.env, {}))
            budgets = [config.num_decisions * config.updates_per_decision for config in (mine, theirs)]
            assert budgets[0] == budgets[1]  # or runs were not comparable


def test_the_points_study_is_the_default() -> None:
    assert composed() == composed("experiment=points")
    assert composed("experiment=images").env["preset"] == "fashion_mnist_8"


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
    assert made.env == {"depth": 3, "action_mode": "absolute"}


def test_a_setting_with_a_preset_has_all_of_it_but_what_is_in_common() -> None:
    """As the member of a family has it, so that a family's study can play there."""
    env = {"preset": "points", "knobs": ["r1"], "latent_dim": 3}
    options = study_options(env=env, settings={"far": {"env": {"preset": "digits", "depth": 3}}})
    there = env_config(**options.changed_env(options.setting("far").changes))
    assert (there.datasets, there.latent_dim, there.depth, there.knobs) == (("digits",), 32, 3, ("r1",))


def test_a_controller_s_members_are_those_of_its_training_and_of_its_ablations() -> None:
    """They have in common what the controller sees."""
    members = {
        "short": {"rows": 2, "env": {"updates_per_decision": 2}},
        "digits": {"rows": 1, "env": {"preset": "digits"}},
    }
    family = {"seeds": 1, "agent": {"rows": 3}, "members": members}
    less = {"varies": "family", "seeds": 1, "env": {"observation": ["progress"]}}
    options = study_options(controllers={"family": family, "less": less})
    for name, seen in (("family", EnvConfig().observation), ("less", ("progress",))):
        kinds = options.training(name, 0).kinds
        configs = {member: env_config(**kind.env) for member, kind in kinds.items()}
        assert {member: kind.rows for member, kind in kinds.items()} == {"short": 2, "digits": 1}
        assert (configs["short"].updates_per_decision, configs["digits"].datasets) == (2, ("digits",))
        assert {config.observation for config in configs.values()} == {seen}


def test_an_ablation_is_switched_on_by_itself() -> None:
    options = study_options(controllers={"base": {"seeds": 3}, "less": {"varies": "base"}})
    assert list(options.active) == ["base"]


def test_an_ablation_plays_on_held_out_instances_and_where_it_is_named() -> None:
    """Other controllers, their read-outs and schedules play wherever a setting doesn't say who plays."""
    controllers = {"ppo": {"seeds": 1}, "less": {"varies": "ppo", "seeds": 1}}
    settings = {"far": {"policies": ["less", "fixed"]}, "near": {}}
    options = study_options(controllers=controllers, settings=settings, policies=("fixed", "cosine"))
    players = ("ppo", "ppo_replay", "less", "best_schedule", "fixed", "cosine")
    found = {place: [n for n in players if options.plays(n, place)] for place in ("held_out", *settings)}
    assert found["held_out"] == list(players)
    assert found["far"] == ["less", "best_schedule", "fixed"]
    assert found["near"] == [name for name in players if name != "less"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instances": 0}, "at least 1"),
        ({"instances": 1000}, "at most 256"),
        ({"tuned": {"ada": 1}}, "schedule"),
        ({"tuned": {"schedule": 0, "ada": 1}}, r"tuned\.schedule=0"),
        ({"tuned": {"schedule": 1, "ada": -1}}, r"tuned\.ada=-1.*at least 0"),
        ({"tuned": {"schedule": 1, "luck": 1}}, "diffusion"),
        ({"policies": ("cosinus",)}, "policies='cosinus' .*cosine.*or the path of a YAML file"),
        ({"policies": ("fixed", "cosine", "fixed")}, "policies=.*each name once"),
        ({"settings": {"held_out": {}}}, "other names"),
        ({"settings": {"training": {}}}, "other names"),
        ({"controllers": {"ada": {"seeds": 1}}, "policies": ("ada",)}, r"controllers=\['ada'\].*no other policy"),
        ({"controllers": {"best_schedule": {"seeds": 1}}}, r"controllers=\['best_schedule'\].*no other policy"),
        ({"controllers": {"a": {"seeds": 1}, "a_replay": {"seeds": 1}}}, r"controllers=\['a_replay'\].*no other"),
        ({"controllers": {"a": {"seeds": 1}, "a_rates": {"seeds": 1}}}, r"\['a_rates_replay'\].*NAME_rates_replay"),
        ({"controllers": {"b_replay": {"seeds": 1}}}, r"controllers=\['b_replay'\].*none of \('_replay'"),
        ({"budget": 0}, "budget=0.*null, or at least 1"),
        ({"settings": {"far": {"envs": {}}}}, r"settings\.far\.env"),
        ({"settings": {"far": {"gan_seeds": 0}}}, "gan_seeds.*at least 1"),
        ({"settings": {"far": {"policies": ["tuned_rate"]}}}, r"settings\.far\.policies='tuned_rate'.*best_schedule"),
        ({"workers": 0}, "at least 1"),
        ({"controllers": {"ppo": {"seeds": 0}}}, "seeds > 0"),
        ({"controllers": {}, "settings": {"far": {"policies": ["ppo"]}}}, r"^controllers=\[\] .*seeds > 0"),
        ({"controllers": {"ppo": {"sedes": 1}}}, "seeds"),
        ({"controllers": {"ppo": {"seeds": 1, "script": "dreamer"}}}, "recurrent_ppo"),
        ({"controllers": {"a": {"seeds": 1}, "b": {"seeds": 1, "varies": "c"}}}, r"controllers\.b\.varies"),
    ],
)
def test_bad_options_are_refused_with_help(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study_options(**fields)


def test_policies_are_named_by_the_last_part_of_what_is_given(tmp_path: Path) -> None:
    """Files of results are called so, in which "-" comes before a number."""
    for name in ("my-own", "cosine"):
        (tmp_path / f"{name}.yaml").write_text("knobs: {r1: {kind: fixed, initial: 2}}\n")
    own = str(tmp_path / "my-own.yaml")
    made = study_options(policies=["fixed", "tuned/points/rates_0", own], settings={"far": {"policies": ["my_own"]}})
    assert made.named == {"fixed": "fixed", "rates_0": "tuned/points/rates_0", "my_own": own}
    for other in (own, str(tmp_path / "cosine.yaml")):
        with pytest.raises(ConfigError, match=r"policies=.*each name once"):
            study_options(policies=[own, other])


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
