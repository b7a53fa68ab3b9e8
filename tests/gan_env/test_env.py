"""The single environment: Gymnasium's and stable-baselines3's checkers, and equality with a row of the vector one."""

import re
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from sources import WRITERS
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import gan_env
from gan_env.data.bank import IMAGE_SETS
from gan_env.data.labelled import DEBIAN_FASHION_MNIST
from gan_env.instance_lists import HYPERPARAMETERS
from gan_env.mdp.knobs import DynamicParameter, knob_table
from gan_env.mdp.rewards import REWARDS
from gan_env.records import Dataset

SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 2, "metric_samples": 64, "compile": False}
AT_HAND = [
    "gan_env/GANTraining-v1", "gan_env/Points-v1", "gan_env/FashionMNIST-v1", "gan_env/PhotoTiles-v1",
    "gan_env/Digits-v1", "gan_env/FashionMNIST8-v1", "gan_env/FashionMNIST8DCGAN-v1", "gan_env/PhotoTiles8-v1",
    "gan_env/FewImages-v1",
]  # fmt: skip
"""Environments whose data need no download."""


def skip_without_images(env_id: str) -> None:
    if ("Fashion" in env_id or "Few" in env_id) and not DEBIAN_FASHION_MNIST.is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")


@pytest.mark.parametrize("env_id", AT_HAND)
@pytest.mark.parametrize("checker", [check_env, check_env_sb3])
def test_checkers_pass_without_a_warning(env_id: str, checker: Any) -> None:
    skip_without_images(env_id)
    env = gym.make(env_id, **SMALL).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker(env)


@pytest.mark.parametrize("env_id", AT_HAND)
def test_a_row_equals_the_single_environment(env_id: str) -> None:
    """Same seed, instance and actions: rewards, ends, infos and observations agree up to rounding."""
    skip_without_images(env_id)
    rows, row = 5, 3
    envs, env = gym.make_vec(env_id, num_envs=rows, **SMALL), gym.make(env_id, **SMALL)
    many, infos = envs.reset(seed=40)
    one, info = env.reset(seed=40 + row)
    np.testing.assert_allclose(many[row], one, atol=1e-4)
    rng = np.random.default_rng(0)
    for decision in range(3):
        actions = rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32)
        many, rewards, ended, _, infos = envs.step(actions)
        one, reward, terminated, truncated, info = env.step(actions[row])
        last = infos["final_obs"] if decision == 2 else many
        # A small spread is the difference of two large numbers, and observed by its logarithm.
        names = env.unwrapped.observation_names  # type: ignore[attr-defined]
        tolerance = np.array([5e-2 if name.startswith("spread") else 2e-3 for name in names])
        assert (np.abs(last[row] - one) <= tolerance).all()
        assert rewards[row] == pytest.approx(reward, abs=1e-3)
        assert bool(ended[row]) is terminated is (decision == 2)
        assert not truncated
        shown = infos["final_info"] if decision == 2 else infos
        for name, value in info.items():
            assert shown[name][row] == pytest.approx(value, abs=2e-3), name


@pytest.mark.parametrize("env_id", sorted(set(gan_env.ENV_IDS) - set(AT_HAND)))
def test_presets_of_other_images_run_on_files_in_the_sources_own_formats(
    env_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preset's own size, networks and instances; only its pictures are few and made here."""
    config = gan_env.PRESETS[gan_env.ENV_IDS[env_id]["preset"]]
    WRITERS[config.datasets[0]](tmp_path, monkeypatch, train=20, held_out=32)
    small = {"updates_per_decision": 1, "metric_samples": 16}
    env = gym.make(env_id, data_root=str(tmp_path), **SMALL | small)
    env.reset(seed=0)
    obs, reward, terminated, _, info = env.step(np.zeros(5, np.float32))
    assert np.isfinite(obs).all() and np.isfinite(reward)
    assert not terminated and not info["crashed"]
    shape = (1 if config.datasets == ("mnist",) else 3, config.image_size, config.image_size)
    assert isinstance(env.unwrapped, gan_env.GANEnv)
    assert env.unwrapped.samples(2).shape == (2, *shape)
    bank = env.unwrapped.vector.bank
    assert bank.train.shape == (20, *shape)
    assert bank.held_out.shape == (32, *shape)
    assert len(bank.train.unique(dim=0)) > 10  # pictures, not one repeated


def test_fewer_held_out_images_than_the_metric_needs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.zeros(40, 3, 8, 8, dtype=torch.uint8)
    monkeypatch.setitem(IMAGE_SETS, "few", lambda root, size: Dataset(noise, noise))
    with pytest.raises(gan_env.DataError, match=r"'few' has 40 held-out samples, 20 in the smaller half"):
        gym.make("gan_env/PhotoTiles-v1", **SMALL, datasets=("few",), image_size=8)


def test_return_is_the_total_log_improvement() -> None:
    env = gym.make("gan_env/Points-v1", **SMALL)
    _, info = env.reset(seed=0)
    first, total, terminated = info["log_metric"], 0.0, False
    while not terminated:
        _, reward, terminated, _, info = env.step(np.zeros(5, np.float32))
        total += float(reward)
    assert total == pytest.approx(first - info["log_metric"], abs=1e-5)


def test_seed_decides_everything() -> None:
    def play(seed: int) -> list[float]:
        env = gym.make("gan_env/Points-v1", **SMALL)
        obs, _ = env.reset(seed=seed)
        steps = [env.step(np.full(5, 0.5, np.float32)) for _ in range(3)]
        return [*obs, *[float(step[1]) for step in steps]]

    assert play(7) == play(7)
    assert play(7) != play(8)


def test_a_seed_of_numpy_is_that_of_an_int() -> None:
    env = gan_env.GANEnv(**SMALL)
    expected, _ = env.reset(seed=3)
    obs, _ = env.reset(seed=np.int64(3))  # type: ignore[arg-type]
    assert np.array_equal(obs, expected)


@pytest.mark.parametrize("seed", [-1, 1.5, [3]])
def test_a_seed_that_is_no_whole_number_is_refused_and_changes_nothing(seed: Any) -> None:
    env, other = gan_env.GANEnv(**SMALL), gan_env.GANEnv(**SMALL)
    for each in (env, other):
        each.reset(seed=0)
    with pytest.raises(gan_env.ConfigError, match=rf"seed={re.escape(repr(seed))} can't be used: expected a whole"):
        env.reset(seed=seed)
    assert np.array_equal(env.reset()[0], other.reset()[0])


def test_a_second_episode_is_another_one() -> None:
    env = gym.make("gan_env/Points-v1", **SMALL)
    first, _ = env.reset(seed=0)
    second, _ = env.reset()
    assert not np.array_equal(first, second)


def test_a_step_after_the_end_is_refused() -> None:
    env = gan_env.GANEnv(**SMALL)
    with pytest.raises(gan_env.ConfigError, match="call reset first"):
        env.step(np.zeros(5, np.float32))
    for _ in range(2):
        env.reset(seed=0)
        for _ in range(3):
            env.step(np.zeros(5, np.float32))
        with pytest.raises(gan_env.ConfigError, match="call reset first"):
            env.step(np.zeros(5, np.float32))


def test_an_action_of_another_shape_is_refused_with_its_own() -> None:
    env = gan_env.GANEnv(**SMALL)
    env.reset(seed=0)
    with pytest.raises(gan_env.ConfigError, match=r"actions\.shape=\(1, 5\).*expected \(5,\)"):
        env.step(np.zeros((1, 5), np.float32))


@pytest.mark.parametrize("option", [{"num_envs": 4}, {"autoreset_mode": "NextStep"}])
def test_options_of_a_vector_environment_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(gan_env.ConfigError, match=f"{next(iter(option))}=.*a single environment .*gym.make_vec"):
        gym.make("gan_env/Points-v1", **option)


def test_infos_are_plain_numbers() -> None:
    env = gym.make("gan_env/Points-v1", **SMALL)
    env.reset(seed=0)
    *_, info = env.step(np.zeros(5, np.float32))
    assert {
        "log_metric",
        "score",
        "crashed",
        "knob_r1",
        "modes",
        "high_quality",
        "collapse",
        "loss_d",
        "loss_g",
    } <= set(info)
    assert all(isinstance(value, float | bool) for value in info.values())


def test_samples_have_the_datas_shape() -> None:
    env = gym.make("gan_env/Points-v1", **SMALL).unwrapped
    assert isinstance(env, gan_env.GANEnv)
    env.reset(seed=0)
    assert env.samples(7).shape == (7, 2)


DOCUMENTATION = gan_env.GANEnv.__doc__ or ""


@pytest.mark.parametrize("knob", knob_table().values(), ids=lambda knob: knob.name)
def test_the_docstrings_table_of_knobs_is_that_of_the_code(knob: DynamicParameter) -> None:
    table = DOCUMENTATION.partition("| knob | range |")[2]
    rows = [line for line in table.splitlines() if f"`{knob.name}`" in line.partition("|")[2].partition("|")[0]]
    assert len(rows) == 1
    names, bounds, scale, start = (cell.strip() for cell in rows[0].split("|")[1:5])
    assert bounds == "{:g} to {:g}".format(*knob.bounds)
    kind = "linear" if knob.scale == "linear" else "logarithmic" + (f" from {knob.floor:g}" if knob.floor else "")
    assert scale == kind
    starts = (
        dict(zip(names.split(", "), start.split(", "), strict=True)) if ", " in start else {f"`{knob.name}`": start}
    )
    assert float(starts[f"`{knob.name}`"]) == knob.initial_value


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_the_docstrings_table_of_instances_has_the_ranges_of_the_points_preset(name: str) -> None:
    table = DOCUMENTATION.partition("| of an instance |")[2].partition("\n\n")[0]
    (row,) = [line for line in table.splitlines() if f"`{name}`" in line]
    low, high = getattr(gan_env.EnvConfig().instances, name)
    shown = row.split("|")[2].replace(" each", "").replace(",", "").split(" to ")
    assert [float(end) for end in shown] == [low, high]


def test_the_docstring_names_everything_that_is_observed_rewarded_and_told() -> None:
    env = gan_env.GANEnv(**SMALL)
    _, first = env.reset(seed=0)
    *_, info = env.step(np.zeros(5, np.float32))
    told = {name for name in info | first | first["instance"] if not name.startswith("knob_")}
    for name in (*gan_env.PRESETS["points"].observation, "context", *REWARDS, *told, "coverage", "knob_NAME"):
        assert f"`{name}`" in DOCUMENTATION, name
    assert all(entry.description for entry in (*knob_table().values(), *REWARDS.values()))


def test_choices_and_reports_rest_on_different_points() -> None:
    """Both start with the untrained generator and are nearly, but not quite, the same."""
    env = gan_env.GANEnv(**SMALL)
    _, info = env.reset(seed=0)
    assert info["instance"] == vars(env.vector.current_instances[0])
    assert info["gan_seed"] == env.vector.population.settings.key.item()
    for _ in range(2):
        assert 0 < abs(info["log_metric"] - info["score"]) < 0.1
        *_, info = env.step(np.zeros(5, np.float32))
