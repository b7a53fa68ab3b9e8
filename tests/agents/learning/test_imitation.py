"""Imitation: before its first rollout PPO does what a schedule does, and then learns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from trainings import ENV, kill_training, tiny, train_in, weights

from agents.learning.controllers import train, training_options
from agents.learning.imitation import imitate
from agents.learning.members import Member
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.learning.training import inner_env, training_env
from agents.train_ppo import PPOOptions
from agents.train_recurrent_ppo import RecurrentPPOOptions
from gan_env import ConfigError
from gan_env.policies.presets import load_policy

RATES = {"knobs": ["lr_g", "lr_d"], "action_mode": "absolute", "observation": ["progress", "knobs", "steps"]}


def imitating(rows: int = 8, members: dict[str, Member] | None = None, **env: Any) -> TrainOptions:
    """Options of a short training that begins as a cosine schedule of both rates."""
    agent = {"rows": rows, "rollouts": 2, "hidden": [32], "minibatches": 1, "imitates": "cosine_rates"}
    return training_options("ppo", agent, {**ENV, **RATES, "num_decisions": 4, **env}, 3, members or {})


@pytest.mark.parametrize("members", [{}, {"few": Member(3), "more": Member(5, {"losses": ["hinge"]})}])
def test_the_network_does_what_the_schedule_does_and_knows_what_it_gains(members: dict[str, Member]) -> None:
    options = imitating(members=members)
    normalize, agent = training_env(options), options.agent
    assert isinstance(agent, PPOOptions)
    model = PPO("MlpPolicy", normalize, policy_kwargs=agent.network(), seed=0, device="cpu", **agent.arguments(4))
    imitate(model, "cosine_rates", 0)
    env = inner_env(normalize)
    assert env.gan_updates == 4 * 8 * env.config.updates_per_decision
    normalize.training, schedule = False, load_policy("cosine_rates").make(env)
    seen, expected, returns = normalize.reset(), [], []
    for _ in range(4):
        original = normalize.get_original_obs()
        assert isinstance(original, np.ndarray) and isinstance(seen, np.ndarray)
        wanted, _ = schedule.predict(original)
        assert model.predict(seen, deterministic=True)[0] == pytest.approx(wanted, abs=0.25)
        expected.append(model.policy.predict_values(torch.from_numpy(seen)).mean().item())
        seen, rewards, _, _ = normalize.step(wanted)
        returns.append(rewards.mean())
    assert expected[0] == pytest.approx(sum(returns), abs=0.3)


def test_a_killed_training_continues_to_where_it_would_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It imitates once."""
    options, whole, cut = imitating(rows=4), tmp_path / "whole", tmp_path / "cut"
    train("ppo", options, RunFolder(whole, "env"))
    kill_training(cut, "ppo", options, 6, monkeypatch)
    train("ppo", options, RunFolder(cut, "env"))
    assert torch.equal(weights(cut), weights(whole))


def test_what_is_imitated_matters(tmp_path: Path) -> None:
    agent = {"rows": 2, "rollouts": 1, "minibatches": 1}
    for name in ("", "fixed"):
        train_in(tmp_path / (name or "none"), "ppo", tiny("ppo", {**agent, "imitates": name}, num_decisions=2))
    assert not torch.equal(weights(tmp_path / "none"), weights(tmp_path / "fixed"))


def test_what_is_no_policy_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cosine_rates"):
        PPOOptions(imitates="cosine_rate")
    with pytest.raises(ConfigError, match="lr_g"):
        train("ppo", imitating(knobs=["augment"]), RunFolder(tmp_path, "env"))
    with pytest.raises(ConfigError, match=r"train_ppo\.py alone"):
        RecurrentPPOOptions(imitates="cosine_rates")
