"""Paired evaluation: the same runs for every policy, crashes counted, nothing lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANEnv, GANVectorEnv
from gan_env.errors import DataError
from gan_env.evaluation.rollout import Episodes, Rollout, kept_episodes, load_episodes, run_episodes
from gan_env.files import load_checkpoint, save_checkpoint
from gan_env.policies.presets import load_policy
from gan_env.policies.random_policy import RandomPolicy
from gan_env.policies.schedules import Anneal
from gan_env.policies.tables import TablePolicy, schedule_values


def make(rows: int, **options: Any) -> GANVectorEnv:
    small: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 2, "metric_samples": 32, "compile": False}
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, split="test", **{**small, **options})


def test_results_do_not_depend_on_the_number_of_rows() -> None:
    """Seven episodes in batches of three: the last batch is filled up, and the filling is dropped."""
    three, seven = make(3), make(7)
    a = run_episodes(TablePolicy(three, {}), three, range(50, 57))
    b = run_episodes(TablePolicy(seven, {}), seven, range(50, 57))
    assert a.log_metric.shape == (7, 5)
    np.testing.assert_allclose(a.log_metric, b.log_metric, atol=1e-3)


def test_policies_are_paired() -> None:
    """Different policies start from the same generators on the same instances."""
    env = make(4)
    a = run_episodes(TablePolicy(env, schedule_values(env, {"r1": Anneal("fixed", 30.0)})), env, range(4))
    b = run_episodes(TablePolicy(env, schedule_values(env, {"r1": Anneal("fixed", 0.01)})), env, range(4))
    np.testing.assert_array_equal(a.log_metric[:, 0], b.log_metric[:, 0])
    assert not np.array_equal(a.final, b.final)


def test_rewards_sum_to_the_improvement() -> None:
    env = make(3)
    e = run_episodes(TablePolicy(env, {}), env, range(3))
    np.testing.assert_allclose(e.rewards.sum(axis=1), e.log_metric[:, 0] - e.validation, atol=1e-5)


def test_losses_are_kept_whatever_is_observed() -> None:
    seeing, blind = make(3), make(3, observation=("progress", "knobs"))
    seen, unseen = (run_episodes(TablePolicy(env, {}), env, range(3)) for env in (seeing, blind))
    for name in ("loss_d", "loss_g"):
        np.testing.assert_array_equal(seen.extras[name], unseen.extras[name])
    rollout = Rollout(TablePolicy(seeing, {}), seeing, range(3), [0, 1, 2])
    rollout.step()
    observed = rollout.observations()[:, 1, seeing.observer.names.index("loss_d")]  # as symlog
    told = rollout.episodes(3).extras["loss_d"][:, 0]
    np.testing.assert_allclose(np.sign(observed) * np.expm1(np.abs(observed)), told, rtol=1e-5)


def test_crashes_are_kept() -> None:
    env = make(2, crash_penalty=3.0)

    def poison(batch: int, decision: int) -> None:
        if decision == 1:
            env.population.state.g[1] = torch.nan

    e = run_episodes(TablePolicy(env, {}), env, range(2), on_decision=poison)
    assert e.crashed.tolist() == [False, True]
    assert e.log_metric[1, 3] == pytest.approx(e.log_metric[1, 0] + 3.0, abs=1e-5)
    assert e.log_metric[1, 4] == e.log_metric[1, 3]
    assert e.rewards[1].sum() == pytest.approx(-3.0 + min(e.rewards[1, :2].sum(), 0), abs=1e-5)
    assert np.isnan(e.extras["knob_r1"][1, 3])
    assert np.isfinite(e.extras["loss_d"][0]).all() and np.isnan(e.extras["loss_d"][1, 2:]).all()


def test_an_environment_that_all_crash_ends_early_with_whole_arrays() -> None:
    """The decisions after the last run has ended are filled up, so batches still join."""
    env = make(2)

    def poison(batch: int, decision: int) -> None:
        if batch == 0:
            env.population.state.g.fill_(torch.nan)

    e = run_episodes(TablePolicy(env, {}), env, range(4), on_decision=poison)
    assert e.log_metric.shape == (4, 5)
    assert e.crashed.tolist() == [True, True, False, False]


def test_updates_are_counted() -> None:
    env = make(3)
    assert run_episodes(TablePolicy(env, {}), env, range(4)).gan_updates == 2 * 3 * 4 * 2  # the filling too


def test_what_does_not_act_and_no_seeds_are_refused() -> None:
    env = make(1)
    with pytest.raises(ConfigError, match=r"policy=.*\.make\(env\)"):
        run_episodes(load_policy("cosine"), env, range(1))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"seeds=\[\].*one at least"):
        run_episodes(TablePolicy(env, {}), env, [])


class Alone:
    """No policy: it neither takes nor gives a state."""

    def predict(self, observation: Any) -> Any:
        return np.zeros((len(observation), 5), np.float32)


class Stateless:
    """No policy: it gives no state. Of two rows, its actions would pass for a pair."""

    def predict(self, observation: Any, state: Any, episode_start: Any, deterministic: bool) -> Any:
        return np.zeros((len(observation), 5), np.float32)


@pytest.mark.parametrize("policy", [Alone(), Stateless(), object()])
def test_what_is_no_policy_is_refused_with_what_one_is(policy: Any) -> None:
    env = make(2)
    with pytest.raises(ConfigError, match=r"a policy has `predict\(observation, .* and returns `\(actions, state\)`"):
        run_episodes(policy, env, range(2))


def test_a_single_environment_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"env='GANEnv' .*a gan_env\.GANVectorEnv"):
        run_episodes(Stateless(), GANEnv(compile=False), range(1))  # type: ignore[arg-type]


def test_an_environment_with_autoreset_is_refused() -> None:
    env = GANVectorEnv(1, compile=False)
    with pytest.raises(ConfigError, match="DISABLED"):
        run_episodes(TablePolicy(env, {}), env, range(1))


def test_a_saved_batch_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Through a file, in a new environment, with a policy that draws and holds actions."""
    envs = [make(2), make(2)]
    whole, resumed = (Rollout(RandomPolicy(env, 3, hold=2), env, [7, 8], [0, 1]) for env in envs)
    for decision in range(4):
        whole.step()
        if decision == 0:
            save_checkpoint(tmp_path / "state.pt", whole.get_state())
    resumed.set_state(load_checkpoint(tmp_path / "state.pt"))
    assert resumed.decision == 1
    while resumed.decision < 4:
        resumed.step()
    a, b = whole.episodes(2), resumed.episodes(2)
    np.testing.assert_array_equal(a.log_metric, b.log_metric)
    np.testing.assert_array_equal(a.coordinates, b.coordinates)
    np.testing.assert_array_equal(whole.observations(), resumed.observations())
    assert len(np.unique(a.coordinates)) > 5


def test_a_state_is_not_changed_by_what_comes_after() -> None:
    """It can be gone on from again and again: the record and the policy's generator are copied both ways."""
    env = make(2)
    rollout = Rollout(RandomPolicy(env, 3), env, [0, 1], [0, 0])
    rollout.step()
    state = rollout.get_state()
    endings = []
    for _ in range(3):
        while rollout.decision < 4:
            rollout.step()
        endings.append(rollout.episodes(2).coordinates)
        rollout.set_state(state)
        assert rollout.decision == 1
    np.testing.assert_array_equal(endings[1], endings[0])
    np.testing.assert_array_equal(endings[2], endings[0])


def few() -> Episodes:
    rng = np.random.default_rng(0)
    log_metric, score, rewards, losses = (rng.normal(size=(2, n)).astype(np.float32) for n in (4, 4, 3, 3))
    coordinates = rng.uniform(size=(2, 3, 5)).astype(np.float32)
    return Episodes(log_metric, score, coordinates, rewards, np.array([False, True]), {"loss_d": losses}, 12)


def test_kept_episodes_are_read_in_the_place_of_running_again(tmp_path: Path) -> None:
    path = tmp_path / "held_out/ppo-0.npz"
    assert kept_episodes(path, few).gan_updates == 12
    again = kept_episodes(path, lambda: pytest.fail("it runs again"))
    assert list(again.extras) == ["loss_d"] and again.gan_updates == 12
    for name in ("log_metric", "score", "coordinates", "rewards", "crashed"):
        np.testing.assert_array_equal(getattr(again, name), getattr(few(), name))
    np.testing.assert_array_equal(again.extras["loss_d"], few().extras["loss_d"])
    assert [file.name for file in path.parent.iterdir()] == ["ppo-0.npz"]


def test_damaged_episodes_are_told(tmp_path: Path) -> None:
    path = few().save(tmp_path / "ppo-0.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"ppo-0\.npz can't be read .*delete it, and the same command makes it anew"):
        load_episodes(path)
