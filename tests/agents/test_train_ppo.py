"""`python agents/train_ppo.py`: the whole job on a tiny budget, resuming after a kill, the adapter, and learning."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from matplotlib.image import imread
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.learning.run_folder import RunFolder
from agents.learning.training import SPENT, training_env
from agents.train_ppo import PPOOptions, TrainOptions, train
from gan_env import ConfigError, GANEnv, GANVectorEnv
from gan_env.adapters.stable_baselines3 import LearnedPolicy, SB3VecEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.mdp.rewards import RewardTerm, each_decision
from gan_env.policies.tables import schedule_policy

ROOT = Path(__file__).resolve().parents[2]
ENV: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
ARGUMENTS = [
    *(f"env.{key}={str(value).lower()}" for key, value in ENV.items()),
    "agent.rows=4", "agent.rollouts=3", "agent.minibatches=2", "agent.epochs=2", "comparison.rows=32",
    "comparison.episodes=8", "comparison.search_episodes=1", "comparison.policies=[fixed,random]",
]  # fmt: skip


def script(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "agents/train_ppo.py"), *arguments]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the whole job."""
    folder = tmp_path_factory.mktemp("logs")
    done = subprocess.run(
        script(f"logs={folder}", *ARGUMENTS), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "against the best schedule" in done.stdout
    return folder / "ppo" / "gan_env-Points-v0_1"


def test_summary_has_what_the_readme_promises(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary["policies"]) == {"ppo", "replay", "best_schedule", "fixed", "random"}
    for row in summary["policies"].values():
        assert row["n"] == 8
        assert row["ci95"][0] <= row["iqm"] <= row["ci95"][1]
        assert row["crashes"] == 0
    assert {"mean", "ci95", "probability_of_improvement"} <= set(summary["paired"])
    assert summary["gan_updates"] == 3 * 4 * 4
    assert summary["wall_s"] > 0
    assert set(summary["best_schedule"]["knobs"]) == {"instance_noise", "augment", "r1"}


def test_paired_difference_is_that_of_the_saved_runs(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    final = {n: np.load(finished / f"evaluations/{n}.npz")["log_metric"][:, -1] for n in ("ppo", "best_schedule")}
    assert summary["paired"]["mean"] == pytest.approx(np.mean(final["best_schedule"] - final["ppo"]), abs=1e-6)


def test_run_folder_has_the_zoos_layout(finished: Path) -> None:
    name = "gan_env-Points-v0"
    for path in (
        f"{name}.zip",
        f"{name}/config.yml",
        f"{name}/args.yml",
        f"{name}/command.txt",
        f"{name}/vecnormalize.pkl",
    ):
        assert (finished / path).stat().st_size > 0, path
    assert "agent.rollouts=3" in (finished / name / "args.yml").read_text()
    assert not list(finished.rglob(".part-*"))


@pytest.mark.parametrize("name", ["knobs", "metric", "samples"])
def test_pictures_show_something(finished: Path, name: str) -> None:
    assert imread(finished / f"{name}.png").std() > 0.01


def test_tensorboard_has_metric_and_knobs(finished: Path) -> None:
    assert len(list((finished / "tensorboard").iterdir())) == 1
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    tags = events.Tags()["scalars"]
    assert {"gan/final_log_metric", "gan/crashes", "knobs/r1_at_1"} <= set(tags)
    assert len(events.Scalars("gan/final_log_metric")) == 3


def test_a_saved_model_acts_as_it_did(finished: Path) -> None:
    """Model and normalisation from the folder give the comparison's own numbers."""
    name = "gan_env-Points-v0"
    env = GANVectorEnv(32, autoreset_mode=AutoresetMode.DISABLED, split="test", **ENV)
    vec = SB3VecEnv(GANVectorEnv(1, **ENV), 0)
    policy = LearnedPolicy(
        PPO.load(finished / f"{name}.zip"), VecNormalize.load(str(finished / name / "vecnormalize.pkl"), vec)
    )
    again = run_episodes(policy, env, range(3_000_000, 3_000_008)).final
    np.testing.assert_allclose(again, np.load(finished / "evaluations/ppo.npz")["log_metric"][:, -1], atol=1e-4)


def test_resuming_a_finished_run_does_nothing_again(finished: Path) -> None:
    before = (finished / "evaluations/ppo.npz").stat().st_mtime_ns
    done = subprocess.run(script(f"resume={finished}"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (finished / "evaluations/ppo.npz").stat().st_mtime_ns == before


def test_wall_time_is_that_of_all_sittings(finished: Path) -> None:
    """Also of one that was killed, which has written no summary."""
    (finished / SPENT).write_text("1000.0")
    done = subprocess.run(script(f"resume={finished}"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert 1000 < json.loads((finished / "summary.json").read_text())["wall_s"] <= float((finished / SPENT).read_text())


@pytest.mark.parametrize(("minibatches", "parts"), [(1, [16]), (3, [6, 6, 4]), (5, [4, 4, 4, 4])])
def test_a_rollout_is_cut_into_no_more_parts_than_it_is_told(minibatches: int, parts: list[int]) -> None:
    """Sixteen decisions: no tiny part is left over, whose gradient would count as much as that of a whole one."""
    settings = TrainOptions(agent=PPOOptions(rows=4, minibatches=minibatches), env=ENV)
    size = settings.agent.arguments(training_env(settings))["batch_size"]
    assert [min(size, 16 - start) for start in range(0, 16, size)] == parts


def weights(model: PPO) -> Any:
    return torch.cat([p.detach().flatten() for p in model.policy.parameters()])


def options(rollouts: int) -> TrainOptions:
    return TrainOptions(agent=PPOOptions(rows=4, rollouts=rollouts, minibatches=2, epochs=2), env=ENV, seed=3)


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model, normalisation, GANs and random states all come back: the weights are the same bit by bit.

    TensorBoard has the second rollout already, of which the checkpoint doesn't know: it must not be there twice.
    """
    whole, *_ = train(options(3), RunFolder(tmp_path / "whole", "env"))

    class Killed(Exception):
        pass

    def die(model: PPO) -> None:
        if model.num_timesteps == 2 * 4 * 4:  # before the second policy update is done
            raise Killed
        original(model)

    original = PPO.train
    monkeypatch.setattr(PPO, "train", die)
    with pytest.raises(Killed):
        train(options(3), RunFolder(tmp_path / "cut", "env"))
    monkeypatch.setattr(PPO, "train", original)
    resumed, _, costs = train(options(3), RunFolder(tmp_path / "cut", "env"))
    assert resumed.num_timesteps == whole.num_timesteps == 48
    assert costs["gan_updates"] == 48
    assert torch.equal(weights(whole), weights(resumed))
    for folder in ("whole", "cut"):
        events = EventAccumulator(str(tmp_path / folder / "tensorboard")).Reload()
        assert [event.step for event in events.Scalars("gan/final_log_metric")] == [16, 32, 48], folder


def test_a_killed_job_goes_on(tmp_path: Path) -> None:
    arguments = [*ARGUMENTS, "agent.rollouts=60"]
    job = subprocess.Popen(script(f"logs={tmp_path}", *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = tmp_path / "ppo" / "gan_env-Points-v0_1"
    for _ in range(600):
        if (run / "checkpoint/state.pt").exists():
            break
        time.sleep(0.1)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert (run / "checkpoint/state.pt").exists()
    assert not (run / "summary.json").exists()
    done = subprocess.run(script(f"resume={run}"), capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads((run / "summary.json").read_text())
    assert summary["gan_updates"] == 60 * 4 * 4


def test_resuming_nothing_is_refused_with_help(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yml"):
        RunFolder.open(str(tmp_path))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("agent.rolouts=3", "rolouts"),
        ("agent.rollouts=0", "at least 1"),
        ("agent.learning_rate=fast", "expected float"),
        ("comparison.policies=[best]", "cosine"),
        ("env=cifar", "points"),
    ],
)
def test_bad_options_are_refused_with_help(argument: str, message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        script(f"logs={tmp_path / 'logs'}", argument), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert message in done.stderr
    assert not (tmp_path / "logs").exists()


def test_the_adapter_equals_a_dummy_vec_env_of_single_environments() -> None:
    """stable-baselines3's own wrapper around single environments is the reference, over episode ends."""
    rows = 3
    ours = SB3VecEnv(GANVectorEnv(rows, **ENV), seed=11)
    theirs = DummyVecEnv([lambda: GANEnv(**ENV)] * rows)
    theirs.seed(11)
    a, b = ours.reset(), theirs.reset()
    np.testing.assert_allclose(a, b, atol=1e-3)
    rng = np.random.default_rng(0)
    for _ in range(9):
        actions = rng.uniform(-1, 1, (rows, 3)).astype(np.float32)
        (a, reward_a, done_a, info_a), (b, reward_b, done_b, info_b) = ours.step(actions), theirs.step(actions)
        np.testing.assert_allclose(a, b, atol=1e-2)
        np.testing.assert_allclose(reward_a, reward_b, atol=1e-3)
        assert done_a.tolist() == done_b.tolist()
        for mine, other in zip(info_a, info_b, strict=True):
            assert ("terminal_observation" in mine) == ("terminal_observation" in other)
            if "terminal_observation" in mine:
                np.testing.assert_allclose(mine["terminal_observation"], other["terminal_observation"], atol=1e-2)
                assert mine["TimeLimit.truncated"] is other["TimeLimit.truncated"] is False


def test_ppo_learns_through_adapter_and_normalisation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toy with a known optimum: with the reward replaced by r1's coordinate, the policy must raise r1."""
    term = RewardTerm(lambda m: m.coordinates[:, 2] - 0.5, each_decision(-1, 1), "how far r1 is turned up")
    monkeypatch.setattr("gan_env.mdp.rewards.REWARDS", {"log_improvement": term})
    settings = TrainOptions(
        agent=PPOOptions(rows=16, rollouts=24, minibatches=2, epochs=10, learning_rate=3e-3), env=ENV, seed=0
    )
    model, normalize, _ = train(settings, RunFolder(tmp_path, "env"))
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, split="test", **ENV)
    learned = run_episodes(LearnedPolicy(model, normalize), env, range(8))
    still = run_episodes(schedule_policy(env, {}), env, range(8))
    assert learned.rewards.sum(axis=1).mean() > still.rewards.sum(axis=1).mean() + 0.5
    assert learned.coordinates[:, -1, 2].min() > 0.9


def test_every_registered_id_makes_an_environment_that_ppo_accepts() -> None:
    env = gym.make("gan_env/Points-v0", **ENV)
    PPO("MlpPolicy", env, n_steps=4, batch_size=4, n_epochs=1, device="cpu").learn(4)
