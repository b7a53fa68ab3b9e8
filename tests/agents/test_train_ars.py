"""ARS: candidates side by side get what each would get alone, and the search finds a known optimum."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from trainings import ENV, tiny, train_in

from agents.learning.training import training_env
from agents.train_ars import BatchedARS
from gan_env import GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3Policy, SB3VecEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.mdp.rewards import RewardTerm, each_decision
from gan_env.policies.tables import TablePolicy


class Seen(BaseCallback):
    """Keeps the rewards of every step that callbacks see, [N] each, and counts the ends of episodes."""

    def __init__(self) -> None:
        super().__init__()
        self.rewards: list[Any] = []
        self.ends = 0

    def _on_step(self) -> bool:
        self.rewards.append(self.locals["rewards"])
        self.ends += sum("log_metric" in info for info in self.locals["infos"])
        return True


@pytest.mark.parametrize("hidden", [[], [5]])
def test_candidates_side_by_side_get_what_each_gets_alone(hidden: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Linear and with a hidden layer, against plain episodes of each candidate on the same seeds; some crash."""
    directions, episodes = 2, 3
    env = {**ENV, "updates_per_decision": 3, "crash_penalty": 0.02}
    vec_env = training_env(tiny("ars", {"rows": 12}, seed=0, updates_per_decision=3, crash_penalty=0.02))
    model = BatchedARS("MlpPolicy", vec_env, n_delta=directions, policy_kwargs={"net_arch": hidden}, seed=0)
    vec_env.reset()
    vec_env.training = False
    asked: list[list[int]] = []
    original = SB3VecEnv.seed
    monkeypatch.setattr(SB3VecEnv, "seed", lambda self, seed: asked.append(list(seed)) or original(self, seed))
    seen = Seen()
    callback = CallbackList([seen])
    callback.init_callback(model)
    candidates = torch.randn(2 * directions, model.n_params)
    with torch.no_grad():
        returns = model.evaluate_candidates(candidates, callback, None)

    assert asked[0] == asked[0][:episodes] * 2 * directions
    logged = np.sum(seen.rewards, axis=0).reshape(-1, episodes).mean(axis=1)
    np.testing.assert_allclose(logged, returns, atol=1e-5)  # what comes after a crash does not count
    assert seen.ends == 2 * directions * episodes
    alone = GANVectorEnv(episodes, autoreset_mode=AutoresetMode.DISABLED, split="train", **env)
    crashes = 0
    for weights, found in zip(candidates, returns, strict=True):
        model.policy.load_from_vector(weights.numpy())
        obs, _ = alone.reset(seed=asked[0][:episodes])
        total, playing = np.zeros(episodes), np.ones(episodes, bool)
        while playing.any():
            action, _ = SB3Policy(model, vec_env).predict(obs)
            obs, reward, ended, _, infos = alone.step(action)
            crashes += int((playing & infos["crashed"]).sum())
            total += playing * reward
            playing &= ~ended
        assert total.mean() == pytest.approx(float(found), abs=1e-3)
    assert 0 < crashes < 12


def test_ars_learns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toy with a known optimum: with the reward replaced by r1's coordinate, the policy must raise r1."""
    term = RewardTerm("a test's term", lambda m: m.coordinates[:, 2] - 0.5, each_decision(-1, 1))
    monkeypatch.setattr("gan_env.mdp.rewards.REWARDS", {"log_improvement": term})
    agent = {"rows": 16, "rollouts": 12, "directions": 8, "top": 4, "step": 0.3, "hidden": []}
    policy = train_in(tmp_path, "ars", tiny("ars", agent, seed=0))
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, split="test", **ENV)
    learned = run_episodes(policy, env, range(8))
    still = run_episodes(TablePolicy(env, {}), env, range(8))
    assert learned.rewards.sum(axis=1).mean() > still.rewards.sum(axis=1).mean() + 0.5
