"""Families: one controller that is trained on several kinds of GANs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from programs import composed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainings import ENV, SB3, command, fields, kill_training, tiny, train_in, trained_state, weights

from agents.learning.controllers import load_controller, train, training_options
from agents.learning.members import IN_COMMON, Member, changed, changes_of
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.train_es import ESOptions
from agents.train_ppo import PPOOptions
from gan_env import ConfigError, GANVectorEnv
from gan_env.config import PRESETS, EnvConfig, env_config
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.presets import POLICIES
from gan_env.resume import NEWER
from gan_env.saved_controller import SavedController
from gan_env.strict import replace, to_dict

OWN = {"metric_samples": 32, "updates_per_decision": 1}
R2 = {"initial_knobs": {"r2": 1.0}}
FAMILY = {
    "points": Member(2, {"losses": ["hinge"]}),
    "digits": Member(1, {"preset": "digits", **OWN, "instances": {"width_g": [8, 8], "width_d": [8, 16]}, **R2}),
    "digits_long": Member(1, {"preset": "digits", **OWN, "updates_per_decision": 3}),
}
UPDATES = 3 * 4 * (2 * 1 + 1 * 1 + 1 * 3)
"""Of a training: rollouts x decisions x those of all rows."""
LEARNERS = [script for script in SB3 if script != "ars"]


def tiny_family(script: str, members: dict[str, Member] = FAMILY, **env: Any) -> TrainOptions:
    """Four rows, three rollouts, as the other tiny trainings have them."""
    own = {**SB3[script], "rows": 4, "rollouts": 3, "hidden": [4]}
    return training_options(script, own, {**ENV, **env}, 3, members)


@pytest.mark.parametrize("script", LEARNERS)
def test_a_killed_family_continues_to_where_it_would_have_ended(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rows that crash and fall out of step; updates count over all members, those before the kill included."""
    options, whole, cut = tiny_family(script, crash_penalty=0.01), tmp_path / "whole", tmp_path / "cut"
    train(script, options, RunFolder(whole, "family"))
    kill_training(cut, script, options, 10, monkeypatch)
    assert train(script, options, RunFolder(cut, "family"))["gan_updates"] == UPDATES
    assert trained_state(cut)["attributes"]["num_timesteps"] == 3 * 4 * 4
    assert torch.equal(weights(cut), weights(whole))
    for name in ("controller.json", "weights.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_each_member_has_a_curve_of_its_own(tmp_path: Path) -> None:
    """Their metrics are not comparable, so the mean over all says little."""
    train("ppo", tiny_family("ppo"), RunFolder(tmp_path, "family"))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    ends = {name: [e.value for e in events.Scalars(f"gan/final_log_metric_{name}")] for name in FAMILY}
    means = [event.value for event in events.Scalars("gan/final_log_metric")]
    rows = [FAMILY[name].rows for name in FAMILY]
    np.testing.assert_allclose(np.average(list(ends.values()), axis=0, weights=rows), means, rtol=1e-5)


def test_the_folder_says_what_the_controller_was_trained_on_and_it_plays_there(tmp_path: Path) -> None:
    options = tiny_family("ppo")
    train("ppo", options, RunFolder(tmp_path, "family"))
    saved = SavedController.load(tmp_path)
    assert list(saved.members) == list(FAMILY) and saved.trained_in == list(saved.members.values())
    assert saved.env == saved.members["points"]
    for name, kind in options.kinds.items():
        assert saved.members[name] == {"preset": "points", **kind.env, **to_dict(env_config(**kind.env))}
        env = GANVectorEnv(2, autoreset_mode="Disabled", **{**saved.members[name], "split": "test"})
        assert np.isfinite(run_episodes(load_controller(tmp_path, env), env, [0, 1]).final).all()
    assert saved.members["digits"]["instances"]["width_d"] == [8, 16]
    assert [kind["initial_knobs"] for kind in saved.members.values()] == [{}, R2["initial_knobs"], {}]


def test_a_controller_of_one_environment_has_no_members(tmp_path: Path) -> None:
    train_in(tmp_path, "ppo", tiny("ppo"))
    saved = SavedController.load(tmp_path)
    assert saved.members == {} and saved.trained_in == [saved.env]


def test_a_preset_brings_all_fields_but_those_in_common() -> None:
    """A member without one is the environment with a few fields changed; nested fields keep their neighbours."""
    fields = {"knobs": ["r1"], "initial_knobs": {"r1": 0.5}, "num_decisions": 3, "depth": 1, "instances": {"seed": 5}}
    env = {"preset": "points", **to_dict(env_config(**fields))}
    brought = env_config(**changed(env, changes_of({"preset": "digits", "instances": {"width_g": [8, 8]}})))
    digits = to_dict(PRESETS["digits"])
    for name, value in to_dict(brought).items():
        expected = env[name] if name in IN_COMMON else digits[name]
        assert value == ({**expected, "width_g": [8, 8]} if name == "instances" else expected), name
    nearby = env_config(**changed(env, changes_of({"depth": 2, "instances": {"width_g": [8, 8]}})))
    assert to_dict(nearby)["instances"] == {**env["instances"], "width_g": [8, 8]}
    assert (nearby.depth, nearby.num_decisions) == (2, 3)


def test_knobs_begin_as_changes_say_where_one_has_a_preset() -> None:
    env = {"preset": "points", "initial_knobs": {"r1": 5.0}}
    own = {"initial_knobs": {"augment": 0.5, "r2": 1.0}}
    for changes in (({"preset": "digits"}, own), (own, {"preset": "digits"})):
        assert changed(env, *changes)["initial_knobs"] == {"augment": 0.5, "r2": 1.0}
    assert changed(env, own, {"initial_knobs": {"r2": 2.0}})["initial_knobs"] == {"r1": 5.0, "augment": 0.5, "r2": 2.0}


def test_a_reward_takes_the_place_of_the_one_before() -> None:
    env = {"preset": "points", "reward": {"log_improvement": 1.0}, "initial_knobs": {"r1": 0.0}}
    found = changed(env, {"reward": {"collapse": 0.5}, "initial_knobs": {"r2": 1.0}}, {"depth": 1})
    assert found["reward"] == {"collapse": 0.5}
    assert found["initial_knobs"] == {"r1": 0.0, "r2": 1.0}


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (Member(2, {"preset": "nope"}), r"members\.new\.env: preset='nope' .*digits"),
        (Member(2, {"updates_per_decision": 0}), r"members\.new\.env: updates_per_decision=0 .*at least 1"),
        (Member(2, {"updates_per_decison": 5}), r"members\.new\.env: .*did you mean updates_per_decision"),
        (Member(2, {"knobs": ["r1"]}), r"members\.new\.env\.knobs=.*in common, so set env\.knobs"),
        (Member(2, {"num_decisions": 5}), r"members\.new\.env\.num_decisions=5 .*in common"),
        (Member(0), r"members\.new\.rows=0 .*at least 1"),
        (Member(3), r"agent\.rows=4 .*expected 5, as many as all members"),
    ],
)
def test_bad_members_are_refused(member: Member, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny_family("ppo", {"points": Member(2), "new": member})


def test_members_whose_statistics_have_other_names_are_refused() -> None:
    """With the context, one says for each of the losses whether it is that."""
    members = {"one": Member(2, {"losses": ["hinge"]}), "two": Member(2, {"losses": ["wasserstein"]})}
    with pytest.raises(ConfigError, match=r"members\.two\.env\.observation=.* as members\.one\.env has"):
        tiny_family("ppo", members, observation=["progress", "context"])


@pytest.mark.parametrize("script", ["ars", "meta", "maml"])
def test_what_cannot_learn_on_a_family_says_who_can(script: str) -> None:
    with pytest.raises(ConfigError, match=r"members=\['all'\] .*train_ppo\.py.* take them"):
        replace(tiny(script), {"members": {"all": {"rows": 4}}})


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("{rows: 4, env: {datasets: [nope]}}", r"members\.bad\.env: unknown data set 'nope'"),
        ("{rows: 4, env: {preset: digits, image_size: 9}}", r"members\.bad\.env: image_size=9"),
        ("{row: 4}", r"members\.bad\.row=4: .*did you mean members\.bad\.rows"),
    ],
)
def test_a_bad_command_line_ends_in_one_line_and_makes_nothing(
    member: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=f"^error: {message}[^\n]*$"):
        command("ppo", monkeypatch, f"logs={tmp_path / 'logs'}", *fields("ppo"), f"members={{bad: {member}}}")
    assert not list(tmp_path.iterdir())


def test_a_command_line_with_members_trains_compares_and_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = "members={a: {rows: 1}, b: {rows: 3, env: {updates_per_decision: 2, losses: [hinge]}}}"
    ((study, costs),) = command("ppo", monkeypatch, f"logs={tmp_path}", *fields("ppo"), given)
    assert study.path == tmp_path / "ppo" / "family_1" and costs["gan_updates"] == 3 * 4 * (1 + 3 * 2)
    assert list(study.options.settings) == ["a", "b"]
    assert study.test_env("b").config.losses == ("hinge",) and study.test_env("b").config.split == "test"
    ((again, same),) = command("ppo", monkeypatch, f"resume={study.path}")
    assert same == costs and again.test_env("b").config == study.test_env("b").config


def test_the_family_of_the_configurations_needs_no_download_and_has_long_runs_of_each_data_set() -> None:
    found = replace(TrainOptions(PPOOptions()), composed("train_ppo", "+experiment=family"))
    configs = [env_config(**kind.env) for kind in found.kinds.values()]
    lengths: dict[tuple[str, ...], set[int]] = {}
    for config in configs:
        lengths.setdefault(config.datasets, set()).add(config.num_decisions * config.updates_per_decision)
    assert len(lengths) == 3 and all(max(each) >= 4 * min(each) for each in lengths.values())
    assert {config.architecture for config in configs} == {"auto", "mlp", "dcgan", "dcgan_bn", "resnet"}
    assert {config.num_decisions for config in configs} == {24}
    assert not {"quality", "context"} & set(configs[0].observation)


def test_the_controller_that_comes_with_gan_env_was_trained_as_the_configurations_say(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "family")
    folder.begin("ppo", replace(TrainOptions(PPOOptions()), composed("train_ppo", "+experiment=family")))
    saved, said = SavedController.load(POLICIES / "learned" / "family"), folder.config
    assert saved.training["agent"] == said["agent"]
    newer = {name: value for name, value in NEWER.items() if hasattr(EnvConfig, name)}  # which its files may lack
    members = {name: newer | options for name, options in saved.members.items()}
    assert members == {name: said["env"] | member["env"] for name, member in said["members"].items()}


def test_an_evolution_strategy_takes_the_family_with_a_linear_policy() -> None:
    found = replace(TrainOptions(ESOptions()), composed("train_es", "+experiment=family", "agent.hidden=[]"))
    assert len(found.members) == 16
