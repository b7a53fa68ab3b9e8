"""The vector environment: options, snapshots, bad input; how runs end is in test_vector_env_ends.py."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from small_env import SMALL, make, still

import gan_env
from gan_env import ConfigError, GANVectorEnv, Instance


@pytest.mark.parametrize("env_id", ["gan_env/GANTraining-v1", "gan_env/Points-v1"])
def test_make_vec_gives_the_native_environment(env_id: str) -> None:
    envs = gym.make_vec(env_id, num_envs=64, **SMALL)
    assert isinstance(envs.unwrapped, GANVectorEnv)
    obs, _ = envs.reset(seed=0)
    assert obs.shape == (64, *envs.single_observation_space.shape)
    assert envs.observation_space.contains(obs)
    obs, rewards, *_ = envs.step(envs.action_space.sample())
    assert envs.observation_space.contains(obs)
    assert np.isfinite(rewards).all()


def test_options_pin_instances_and_knobs() -> None:
    env = make(2)
    instance = Instance("spiral", 50, lr_g=1e-3, lr_d=2e-3, beta_1=0.3, batch_size=8, width_g=32, width_d=32)
    env.reset(seed=0, options={"instance": instance, "knobs": {"r1": 3.0}})
    assert env.population.settings.num_samples.tolist() == [50, 50]
    np.testing.assert_allclose(env.knobs.values(env._progress.coordinates)["r1"], [3.0, 3.0], rtol=1e-5)
    env.reset(options={"instance": [0, {"batch_size": 5}], "knobs": {"r1": [1.0, 2.0]}})
    assert env.population.settings.batch_size.tolist() == [env.instances[0].batch_size, 5]
    np.testing.assert_allclose(env.knobs.values(env._progress.coordinates)["r1"], [1.0, 2.0], rtol=1e-5)


def test_pinning_an_instance_keeps_the_gans_seed() -> None:
    """Paired comparisons rely on it: the seed decides the GAN, whatever the instance."""
    env = make(2)
    env.reset(seed=5)
    key = env.population.settings.key.clone()
    env.reset(seed=5, options={"instance": 3})
    assert torch.equal(env.population.settings.key, key)


def test_reset_mask_resets_some_rows() -> None:
    env = make(3, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    before, *_ = env.step(still(env))
    after, _ = env.reset(options={"reset_mask": np.array([False, True, False])})
    progress = env.observer.names.index("progress")
    assert after[:, progress] == pytest.approx([1 / 3, 0, 1 / 3])
    assert np.array_equal(before[[0, 2]], after[[0, 2]])


@pytest.mark.parametrize("seed", [np.int64(3), np.arange(3, 7), range(3, 7), [3, 4, 5, np.int64(6)]], ids=repr)
def test_seeds_of_all_kinds_are_those_of_an_int(seed: Any) -> None:
    env = make()
    expected, _ = env.reset(seed=3)
    obs, _ = env.reset(seed=seed)
    np.testing.assert_array_equal(obs, expected)


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        ([5, -1], {}),
        (7, {"instance": [0, 10**6]}),
        (7, {"instance": 1, "knobs": {"r1": 1e9}}),
        (7, {"knobs": {"r1": 3.0}, "instanse": 1}),
        (7, {"reset_mask": [True, 0.5]}),
    ],
    ids=str,
)
def test_a_reset_that_is_refused_changes_nothing(seed: Any, options: dict[str, Any]) -> None:
    refused, other = make(2), make(2)
    for env in (refused, other):
        env.reset(seed=0)
    with pytest.raises(ConfigError):
        refused.reset(seed=seed, options=options)
    assert refused.current_instances == other.current_instances
    np.testing.assert_array_equal(refused.step(still(refused))[0], other.step(still(other))[0])
    np.testing.assert_array_equal(refused.reset()[0], other.reset()[0])


def test_a_snapshot_continues_as_if_nothing_had_happened() -> None:
    env, fork = make(), make()
    env.reset(seed=0)
    env.step(still(env))
    fork.set_state(env.get_state())
    for _ in range(4):  # over an autoreset, so the seeds are in the snapshot too
        for a, b in zip(env.step(still(env))[:3], fork.step(still(fork))[:3], strict=True):
            assert np.array_equal(a, b)


def test_nothing_is_shared_between_calls() -> None:
    env = make()
    first, _ = env.reset(seed=0)
    kept = first.copy()
    env.step(still(env))
    assert np.array_equal(first, kept)
    env.step(still(env) + 1)
    coordinates = env.coordinates()
    moved = coordinates.copy()
    env.reset()  # the knobs start anew
    assert np.array_equal(coordinates, moved)
    assert not np.array_equal(env.coordinates(), moved)


def test_what_is_written_to_an_observation_after_an_autoreset_is_not_seen_again() -> None:
    """The last good observation of a run that crashes in its first interval is that of its start."""
    env = make(num_decisions=1)
    env.reset(seed=0)
    obs, *_ = env.step(still(env))
    kept = obs.copy()
    obs[:] = 9
    env.population.state.g.fill_(torch.nan)
    *_, infos = env.step(still(env))
    assert np.array_equal(infos["final_obs"], kept)


def test_no_two_arrays_of_a_step_are_one() -> None:
    env = make()
    env.reset(seed=0)
    env.population.state.g[1] = torch.nan
    *arrays, infos = env.step(still(env))
    told = [*infos.pop("final_info").values(), *infos.values()]
    assert not any(np.shares_memory(a, b) for a, b in combinations([*arrays, *told], 2))


def test_absolute_actions_set_the_knobs() -> None:
    env = make(2, action_mode="absolute", knobs=("instance_noise", "augment", "r1"))
    env.reset(seed=0)
    env.step(np.array([[-1, 0, 1], [1, 1, 1]], np.float32))
    np.testing.assert_allclose(env.coordinates(), [[0, 0.5, 1], [1, 1, 1]])


def test_the_first_move_of_every_episode_may_be_larger() -> None:
    env = make(num_decisions=3, max_first_change=1.0)
    env.reset(seed=0)
    start, action = env.coordinates(), still(env) + 0.1
    for moved in (0.1, 0.1 + 0.2 * 0.1, 0) * 2:  # the last of three decisions starts the next episode
        env.step(action)
        np.testing.assert_allclose(env.coordinates(), start + moved, atol=1e-6)


def test_uncontrolled_knobs_are_constants() -> None:
    env = make(2, knobs=("r1",), initial_knobs={"instance_noise": 0.25})
    assert env.single_action_space.shape == (1,)
    env.reset(seed=0)
    *_, infos = env.step(still(env))
    assert env.knobs.values(env._progress.coordinates)["instance_noise"].tolist() == [0.25, 0.25]
    assert "knob_instance_noise" not in infos


def test_knobs_that_stay_where_they_do_nothing_leave_runs_as_they_are_without_them() -> None:
    """Bit by bit, through the action's coordinates: all knobs that images alone do not have."""
    points = ("latent_noise", "rotate", "augment_strength", "pseudo", "r2", "gp", "spectral", "lr_g", "lr_d")
    with_all, without = (make(knobs=knobs, updates_per_decision=20) for knobs in (("r1", *points), ("r1",)))
    for env in (with_all, without):
        env.reset(seed=0)
        for _ in range(2):  # the third would reset
            env.step(still(env))
    for name in ("g", "d", "totals"):
        assert torch.equal(getattr(with_all.population.state, name), getattr(without.population.state, name)), name


def test_train_and_test_episodes_come_from_different_instances() -> None:
    train, test = make(split="train"), make(split="test")
    assert set(train.instances.instances).isdisjoint(test.instances.instances)


def test_entries_have_names() -> None:
    env = make(2, knobs=("r1", "lr_g"))
    assert env.action_names == ["r1", "lr_g"]
    assert len(env.observation_names) == (env.single_observation_space.shape or ())[0]
    assert {"progress", "knob_r1", "knob_lr_g"} <= set(env.observation_names)


def test_infos_name_the_instance_and_the_seed_of_every_gan_at_reset() -> None:
    env = make(3)
    _, infos = env.reset(seed=0)
    assert infos["gan_seed"].tolist() == env.population.settings.key.tolist()
    for name in vars(env.current_instances[0]):
        assert infos["instance"][name].tolist() == [getattr(i, name) for i in env.current_instances]
    *_, infos = env.step(still(env))
    assert not {"instance", "gan_seed"} & set(infos)
    pinned = env.reset(options={"instance": {"dataset": "grid"}})[1]["instance"]["dataset"]
    assert pinned.tolist() == ["grid"] * 3


def test_an_unknown_option_is_a_type_error_in_pythons_words() -> None:
    """TorchRL and stable-baselines3 try options and do without them; Gymnasium makes the error anew in between."""
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'frameskip'.*no option") as error:
        gym.make("gan_env/Points-v1", frameskip=4)
    assert isinstance(error.value, ConfigError)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 1}, "there is no option learning_rate"),
        ({"action_mode": "relative"}, "absolute"),
        ({"observation": ("colour",)}, "quality"),
        ({"reward": {"fid": 1.0}}, "log_improvement"),
        ({"knobs": ("r3",)}, "r1"),
        ({"initial_knobs": {"r1": 1e9}}, "0.0 to 30"),
        ({"max_episode_steps": 10}, "num_decisions"),
        ({"rows": 0}, "num_envs=0.*at least 1"),
        ({"rows": True}, "num_envs=True.*a whole number"),
        ({"latent_dim": 30_000}, "latent_dim=30000.*at most 21201"),
        ({"rows": 2.5}, "num_envs=2.5.*a whole number"),
        ({"metric_samples": 5000}, "8192 held-out samples, 4096 in the smaller half.*at most 4096"),
        ({"autoreset_mode": "NextSteps"}, "'NextSteps'.*NEXT_STEP, SAME_STEP, DISABLED"),
        ({"autoreset_mode": None}, "None.*NEXT_STEP, SAME_STEP, DISABLED"),
        ({"render_mode": "human"}, "'human'.*'rgb_array'"),
        ({"instances": {"lr_g": [1.0]}}, "expected 2 values"),
        ({"datasets": ("ring", "circle")}, "unknown data set 'circle'"),
    ],
)
def test_bad_options_are_refused_with_help(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, gan_env.DataError), match=message):
        make(**{"rows": 2, **options})


def test_samples_that_are_kept_take_no_more_memory_than_they_need() -> None:
    """They are judged in larger batches."""
    samples = make(2).samples(3)
    assert samples.base is None or samples.base.nbytes == samples.nbytes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda env: env.step(np.zeros((2, 2), np.float32)), "actions.shape"),
        (lambda env: env.step(np.full((2, 5), np.nan, np.float32)), "finite"),
        (lambda env: env.samples(0), "count=0.*at least 1"),
        (lambda env: env.reset(options=5), "options=5.*a mapping"),
        (lambda env: env.reset(options={"instanse": 3}), "instance"),
        (lambda env: env.reset(options={"instance": {"width_g": 1000}}), "width_g"),
        (lambda env: env.reset(options={"instance": 10**6}), "0 to 1023"),
        (lambda env: env.reset(options={"instance": [0]}), "a sequence of 2"),
        (lambda env: env.reset(options={"instance": [0, 1, 2]}), "a sequence of 2"),
        (lambda env: env.reset(options={"instance": "ring"}), "'ring'.*an Instance, or a mapping"),
        (lambda env: env.reset(options={"knobs": {"r1": 1e9}}), "0.0 to 30"),
        (lambda env: env.reset(options={"knobs": None}), "None.*a mapping"),
        (lambda env: env.reset(seed=[1]), "sequence of 2"),
        (lambda env: env.reset(options={"reset_mask": np.zeros(2, bool)}), "some row True"),
    ],
)
def test_bad_calls_are_refused_with_help(call: Any, message: str) -> None:
    env = make(2)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=message):
        call(env)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"knobs": ("lr_g", "lr_d", "spectral")},
        {"knobs": ("lr_g", "lr_d"), "observation": ("knobs", "balanced"), "action_mode": "balanced"},
    ],
)
@pytest.mark.parametrize("few", [2, 31, 33])
def test_a_row_is_the_same_to_the_last_bit_among_more_rows(few: int, options: dict[str, Any]) -> None:
    """torch's power in float32 rounds otherwise in the last, incomplete vector of up to 32 numbers."""
    small, large = (make(rows, num_decisions=13, updates_per_decision=1, **options) for rows in (few, 64))
    rng = np.random.default_rng(0)
    for env in (small, large):
        env.reset(seed=0)
    for _ in range(12):
        actions = rng.uniform(-1, 1, large.action_space.shape).astype(np.float32)
        one, other = small.step(actions[:few])[4], large.step(actions)[4]
        for rate in ("knob_lr_g", "knob_lr_d"):
            assert (one[rate] == other[rate][:few]).all()
    assert torch.equal(small.population.state.d, large.population.state.d[:few])


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_metric_without_a_value_for_untrained_generators_is_refused(value: float) -> None:
    env = make(2)
    judge = env.judge
    env.judge = lambda *samples: replace(judge(*samples), log_metric=torch.full((2,), value))
    with pytest.raises(ConfigError, match=r"the log metric of untrained generators=.*a finite number"):
        env.reset(seed=0)


def test_gymnasiums_own_seed_is_that_of_the_reset() -> None:
    env = make(2)
    env.reset(seed=7)
    assert env.np_random_seed == 7
