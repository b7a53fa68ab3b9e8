"""Policies by name: configs/policy/ and the tuned schedules that studies have committed."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from controllers import saved_controller
from gymnasium.vector import AutoresetMode
from omegaconf import OmegaConf

from gan_env import ConfigError, GANEnv, GANVectorEnv
from gan_env.config import EnvConfig, env_config
from gan_env.evaluation import run_episodes
from gan_env.policies import committed, load_policy, policy_names, presets
from gan_env.policies.presets import observing, policy_of

SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


@pytest.fixture
def tuned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of policies with two schedules and one of rates, tuned on points of six decisions."""
    shutil.copytree(presets.POLICIES, tmp_path / "policy")
    folder = tmp_path / "policy/tuned/short"
    folder.mkdir(parents=True)
    (folder / "env.yml").write_text("preset: points\nnum_decisions: 6\n")
    for number, kind in ((0, "schedule"), (10, "schedule"), (0, "rates")):
        anneal = {"kind": "exponential", "initial": 0.01, "final": 0.002, "until": 0.9}
        fields = {"kind": kind, "knobs": {"lr_g": anneal}}
        (folder / f"{kind}_{number}.yaml").write_text(yaml.safe_dump(fields))
    (folder / "schedule_2.yaml").write_text("knobs: {r1: {kind: fixed, initial: 0.3}}")
    monkeypatch.setattr(presets, "POLICIES", tmp_path / "policy")
    return folder


def test_cyclegans_rates_are_held_for_half_a_run_then_fall_by_a_line() -> None:
    options = SMALL | {"num_decisions": 5, "knobs": ["lr_g", "lr_d"], "action_mode": "absolute"}
    env = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **options)
    played = run_episodes(load_policy("cyclegan").make(env), env, [0])
    factors = 10 ** (3 * played.coordinates[0] - 2)  # bounds of 0.01 and 10
    assert factors == pytest.approx(np.array([[1, 1, 1, 0.505, 0.01]] * 2).T, rel=1e-3)


def test_a_policy_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"^policy='cosinus' .*cosine.*linear"):
        load_policy("cosinus")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^policy='nofile\.yaml' .*a file, and there is none here"):
        load_policy("nofile.yaml")


def test_of_a_controller_it_is_said_what_plays_it(tmp_path: Path) -> None:
    saved_controller().save(tmp_path)
    for name in ("learned/family", tmp_path):
        with pytest.raises(ConfigError, match=r"LearnedPolicy\(SavedController\.load\(FOLDER\), env\)"):
            load_policy(name)


def test_a_single_environment_is_refused_with_the_one_that_is_in_it() -> None:
    with pytest.raises(ConfigError, match=r"env='GANEnv' .*env\.unwrapped\.vector"):
        load_policy("cosine").make(GANEnv(**SMALL))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[cosine]", r"the policy in .*mine\.yaml"),
        ("kind: [", "no YAML file"),
        ("kind: cosinus", r"^policy\.kind='cosinus'"),
    ],
)
def test_a_file_that_holds_no_policy_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_policy(tmp_path / "mine.yaml")


@pytest.mark.parametrize("number", ["1e1", "1.e1", "+1E1", "100E-1", "1_0e+0", "10"])
def test_numbers_in_a_file_are_read_as_hydra_reads_them(number: str, tmp_path: Path) -> None:
    """YAML 1.1 takes 1e1 for a word."""
    (tmp_path / "mine.yaml").write_text(f"knobs: {{r1: {{kind: fixed, initial: {number}}}}}")
    options = load_policy(tmp_path / "mine.yaml")
    assert options.knobs["r1"] == {"kind": "fixed", "initial": 10} == OmegaConf.load(tmp_path / "mine.yaml").knobs.r1


@pytest.mark.usefixtures("tuned")
@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({"num_decisions": 6}, True),
        ({"num_decisions": 6, "instances": {"seed": 9}, "observation": ["progress"], "compile": False}, True),
        ({"num_decisions": 5}, False),
        ({"num_decisions": 6, "losses": ["hinge"]}, False),
        ({"num_decisions": 6, "knobs": ["lr_g", "lr_d"]}, False),
        ({"num_decisions": 6, "preset": "cifar10"}, False),
    ],
)
def test_tuned_policies_are_opponents_in_runs_like_those_they_were_tuned_in(
    options: dict[str, Any], there: bool
) -> None:
    """In the order of the tunings, whatever policies observe."""
    for kind, numbers in (("schedule", (0, 2, 10)), ("rates", (0,))):
        names = committed(env_config(**options), kind)
        assert names == ([f"tuned/short/{kind}_{number}" for number in numbers] if there else [])
        assert [load_policy(name).kind for name in names] == [kind] * len(names)


def test_what_is_not_observed_yet_is_observed_as_well() -> None:
    for given, groups, seen in (
        ({}, ["context"], {"observation": [*EnvConfig().observation, "context"]}),
        ({"observation": ["progress", "walk"]}, ["walk", "balance"], {"observation": ["progress", "walk", "balance"]}),
        ({}, ["logits"], {}),
    ):
        assert observing({"num_decisions": 6, **given}, groups) == {"num_decisions": 6, **given, **seen}


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("cosine", ()),
        ("ada", ("logits",)),
        ("rates_images", ("context",)),
        ("step_size", ("steps",)),
        ("steady_walk", ("balanced", "balance")),
        ("timed_walk", ("balanced", "balance")),
        ("limited_walk", ("limited", "balance")),
    ],
)
def test_a_policy_names_the_groups_of_statistics_that_it_looks_at(name: str, groups: tuple[str, ...]) -> None:
    assert set(load_policy(name).groups) == set(groups)


def test_a_rule_that_counts_images_looks_at_the_size_of_a_batch() -> None:
    assert set(policy_of({"kind": "ada", "rule": {"speed_images": 1000.0}}).groups) == {"logits", "context", "size"}


@pytest.mark.parametrize("name", [name for name in policy_names() if name.startswith("tuned/points/")])
def test_a_tuned_policy_plays_with_the_knobs_that_it_was_tuned_with(name: str) -> None:
    """The first move reaches wherever a knob starts, so it is played as it is written."""
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **observing(SMALL, ["context"]))
    options = load_policy(name)
    episodes = run_episodes(options.make(env), env, range(2))
    assert np.isfinite(episodes.final).all()
    starts = {knob: shape["initial"] for knob, shape in options.knobs.items()}
    starts |= {knob: values[0] for knob, values in options.table.items()}
    for knob in starts.keys() - {"lr_g", "lr_d"}:
        np.testing.assert_allclose(episodes.extras[f"knob_{knob}"][:, 0], starts[knob], rtol=1e-3, atol=1e-6)
    assert len(starts) == (4 if options.kind == "ada" else 5)
