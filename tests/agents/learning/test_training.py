"""What the scripts of stable-baselines3 share: killed trainings continue exactly, and no two trainings share a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainings import SB3, Killed, kill_training, tiny, train_in, trained_state, weights

from agents.learning.controllers import train
from agents.learning.run_folder import RunFolder, train_once
from agents.learning.training import inner_env, training_env
from gan_env import ConfigError, GANVectorEnv

CRASHES = {"updates_per_decision": 2, "crash_penalty": 0.01}  # rows that crash fall out of step with the others


@pytest.mark.parametrize("step", [6, 10])
@pytest.mark.parametrize("script", SB3)
def test_a_killed_training_continues_to_where_it_would_have_ended(
    script: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its second or third episode, while SAC learns and TQC acts at random: the same weights exactly.

    TensorBoard has what was logged before the kill and after the last checkpoint once alone.
    """
    options = tiny(script, **CRASHES)
    train_in(tmp_path / "whole", script, options)
    kill_training(tmp_path / "cut", script, options, step, monkeypatch)
    train_in(tmp_path / "cut", script, options)
    whole, resumed = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, resumed):
        assert trained_state(folder)["attributes"]["num_timesteps"] == 3 * 4 * 4
    assert torch.equal(weights(resumed), weights(whole))
    for name in ("controller.json", "weights.safetensors"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert train(script, options, RunFolder(tmp_path / "cut", "env"))["gan_updates"] == 3 * 4 * 4 * 2
    events = EventAccumulator(str(tmp_path / "cut/tensorboard")).Reload()
    for tag in ("gan/final_log_metric", "gan/return"):
        # Two files of one second are read in the order of their names.
        assert sorted(event.step for event in events.Scalars(tag)) == [16, 32, 48]
    assert any(tag.startswith("train/") for tag in events.Tags()["scalars"])


def test_a_flipped_bit_in_a_checkpoint_is_not_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a tensor, where nothing but the checksum notices."""
    options = tiny("ppo")
    kill_training(tmp_path, "ppo", options, 6, monkeypatch)
    path = tmp_path / "checkpoint/state.pt"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ConfigError, match=r"state\.pt is damaged .*delete it to start anew"):
        train("ppo", options, RunFolder(tmp_path, "env"))
    assert path.read_bytes() == damaged and not (tmp_path / "trained.json").exists()


def test_training_changes_the_policy(tmp_path: Path) -> None:
    """Else the comparison of a resumed and a whole training would say nothing."""
    for rollouts in (2, 3):
        train_in(tmp_path / str(rollouts), "sac", tiny("sac", {"rollouts": rollouts}))
    assert not torch.equal(weights(tmp_path / "2"), weights(tmp_path / "3"))


def test_wall_time_is_that_of_all_processes_and_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    folder, calls = RunFolder(tmp_path, "env"), []
    (tmp_path / "trained.spent").write_text("1000.0")  # by a process that was killed

    def trains(*_: Any) -> dict[str, Any]:
        calls.append(1)
        return {"gan_updates": 7}

    first, second = (train_once(trains, tiny("ppo"), folder) for _ in range(2))
    assert len(calls) == 1 and first == second
    assert first["gan_updates"] == 7 and 1000 <= first["wall_s"] < 1010
    assert not (tmp_path / "trained.spent").exists()


@pytest.mark.parametrize("script", [*SB3, "meta"])
def test_trainings_with_other_seeds_share_no_run(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pair of a GAN seed and an instance; with seed 0 row i draws from seed i."""
    original, met = GANVectorEnv.reset, []

    def reset(env: GANVectorEnv, **given: Any) -> None:
        original(env, **given)
        met.append(runs(env))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(GANVectorEnv, "reset", reset)
        for seed in (0, 1):
            with pytest.raises(Killed):
                train(script, tiny(script, seed=seed), RunFolder(tmp_path / str(seed), "env"))
    env = GANVectorEnv(4, **tiny(script).env)
    env.reset(seed=0)
    assert met[0] == runs(env)
    assert len({*met[0], *met[1]}) == 8


def runs(env: GANVectorEnv) -> list[tuple[Any, ...]]:
    """GAN seed and instance of each row."""
    return list(zip(env.population.settings.key.tolist(), env.current_instances, strict=True))


def test_the_normalised_environment_has_training_instances_and_raw_rewards() -> None:
    vec_env = training_env(tiny("ppo"))
    assert isinstance(vec_env, VecNormalize)
    assert inner_env(vec_env).config.split == "train"
    vec_env.reset()
    _, rewards, _, _ = vec_env.step(np.zeros((4, 5), np.float32))
    np.testing.assert_array_equal(rewards, vec_env.get_original_reward())
