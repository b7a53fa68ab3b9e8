"""Imitation: before it learns, PPO does what a schedule does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecNormalize
from trainings import ENV, kill_training, weights

from agents.learning import imitation
from agents.learning.controllers import train, training_options
from agents.learning.imitation import Episode, _play, imitate
from agents.learning.members import Member
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.learning.training import inner_env, training_env
from agents.train_ppo import PPOOptions
from agents.train_recurrent_ppo import RecurrentPPOOptions
from gan_env import ConfigError
from gan_env.policies.presets import load_policy

RATES = {"knobs": ["lr_g", "lr_d"], "action_mode": "absolute", "observation": ["progress", "knobs", "steps"]}


def imitating(
    rows: int = 8, members: dict[str, Member] | None = None, imitates: str = "cosine_rates", **env: Any
) -> TrainOptions:
    """Options of a short training whose network is fitted to a schedule of both rates."""
    agent = {"rows": rows, "rollouts": 2, "hidden": [32], "minibatches": 1, "imitates": imitates}
    return training_options("ppo", agent, {**ENV, **RATES, "num_decisions": 4, **env}, 3, members or {})


def made(options: TrainOptions) -> PPO:
    """The model of a training, before it."""
    agent = options.agent
    assert isinstance(agent, PPOOptions)
    env = training_env(options)
    return PPO("MlpPolicy", env, policy_kwargs=agent.network(), seed=0, device="cpu", **agent.arguments(4))


@pytest.mark.parametrize("members", [{}, {"few": Member(3), "more": Member(5, {"losses": ["hinge"]})}])
def test_the_network_does_what_the_schedule_does(members: dict[str, Member]) -> None:
    model = made(imitating(members=members))
    imitate(model, "cosine_rates")
    normalize = model.get_env()
    assert isinstance(normalize, VecNormalize)
    env = inner_env(normalize)
    assert env.gan_updates == 4 * 8 * env.config.updates_per_decision
    normalize.training, schedule = False, load_policy("cosine_rates").make(env)
    seen = normalize.reset()
    for _ in range(4):
        original = normalize.get_original_obs()
        assert isinstance(original, np.ndarray) and isinstance(seen, np.ndarray)
        wanted, _ = schedule.predict(original)
        assert model.predict(seen, deterministic=True)[0] == pytest.approx(wanted, abs=0.25)
        seen, _, _, _ = normalize.step(wanted)


def test_the_critic_learns_the_returns_of_runs_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(imitating())
    seen = torch.randn(200, model.observation_space.shape[0], generator=torch.manual_seed(0))  # type: ignore[index]
    returns, whole = 3 * seen[:, 0] - 5, torch.arange(200) < 150
    episode = Episode(seen, torch.zeros(200, 2), torch.where(whole, returns, 1e4), whole)
    monkeypatch.setattr(imitation, "_play", lambda *_: episode)
    imitate(model, "cosine_rates")
    values = model.policy.predict_values(seen).squeeze(1).detach()
    assert float((values - returns)[whole].square().mean()) < 0.05 * float(returns.var())


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
    for name in ("fixed", "cosine_rates"):
        options = imitating(rows=4, imitates=name)
        train("ppo", options, RunFolder(tmp_path / name, "env"))
    assert not torch.equal(weights(tmp_path / "fixed"), weights(tmp_path / "cosine_rates"))


def test_what_follows_a_crash_says_nothing_of_returns() -> None:
    """A run that begins within the episode does not end in it."""
    model = made(imitating(crash_penalty=1e-4))
    whole = _play(model, "cosine_rates").whole.view(4, 8)
    assert not whole.all() and (whole[:-1] | ~whole[1:]).all()  # once a run is cut, so are the decisions after it


def test_what_is_no_policy_or_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="cosine_rates"):
        PPOOptions(imitates="cosine_rate")
    for name in ("random", "learned/family", "my.yaml"):
        with pytest.raises(ConfigError, match=r"agent\.imitates"):
            PPOOptions(imitates=name)
    with pytest.raises(ConfigError, match="lr_g"):
        imitating(knobs=["augment"])
    with pytest.raises(ConfigError, match="add the group 'logits'"):
        imitating(imitates="ada", knobs=["augment"])
    with pytest.raises(ConfigError, match=r"train_ppo\.py alone"):
        RecurrentPPOOptions(imitates="cosine_rates")
