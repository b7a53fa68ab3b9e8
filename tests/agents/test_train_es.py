"""The evolution strategy: pairs of rows on the same run, a step by hand, and a training that continues."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from trainings import ENV

from agents.learning.controllers import load_controller, train, training_options
from agents.learning.members import Member
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.train_es import Learner
from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.files import load_checkpoint
from gan_env.mdp.rewards import RewardTerm, each_decision
from gan_env.policies.tables import TablePolicy

FAMILY = {"points": Member(4), "hinge": Member(2, {"losses": ["hinge"], "updates_per_decision": 2})}


def options(members: dict[str, Member] | None = None, **agent: Any) -> TrainOptions:
    own = {"rows": 6, "rollouts": 3, "hidden": [], **agent}
    return training_options("es", own, ENV, 3, members)


@pytest.mark.parametrize("members", [None, FAMILY], ids=["alone", "family"])
def test_both_rows_of_a_pair_play_the_same_run_and_others_another(members: dict[str, Member] | None) -> None:
    learner = Learner(options(members))
    for _ in range(2):
        learner.env.reset()
        instances = learner.env.current_instances
        assert all(instances[row] == instances[row + 1] for row in (0, 2, 4))
        assert instances[0] != instances[2]


def test_a_step_is_adams_on_the_mean_slope_of_the_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """With returns that are the sum of a row's weights, cut at `largest`."""
    learner = Learner(options(FAMILY, largest=0.3))
    learner.rollouts, played = 1, []

    def play(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
        played.append(weights)
        return weights.sum(dim=(1, 2)), torch.zeros(1, 1), {}

    monkeypatch.setattr(learner, "play", play)
    learner.learn()
    disturbed = played[0][0::2]  # the weights themselves are zero
    torch.testing.assert_close(played[0][1::2], -disturbed)
    gains = (2 * disturbed.sum(dim=(1, 2))).clamp(-0.3, 0.3)
    slopes = gains[:, None, None] * disturbed / (2 * 0.1**2)
    assert learner.weights.grad is not None
    torch.testing.assert_close(learner.weights.grad, (slopes[:2].mean(0) + slopes[2]) / 2)


def test_the_first_rollout_only_looks_at_the_statistics() -> None:
    learner = Learner(options())
    learner.learn()
    assert (learner.weights == 0).all()
    assert (learner.network.mean != 0).any()
    learner.learn()
    assert (learner.weights != 0).any()


@pytest.mark.parametrize("members", [None, FAMILY], ids=["alone", "family"])
def test_a_training_that_was_stopped_continues_to_where_it_would_have_ended(
    members: dict[str, Member] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = RunFolder(tmp_path / "whole", "env"), RunFolder(tmp_path / "cut", "env")
    updates = train("es", options(members), whole)["gan_updates"]
    original, calls = Learner.learn, iter(range(3))

    def learn(learner: Learner) -> dict[str, float]:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(learner)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Learner, "learn", learn)
        train("es", options(members), cut)
    assert train("es", options(members), cut)["gan_updates"] == updates
    for name in ("controller.json", "weights.safetensors"):
        assert (cut.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_is_saved_acts_as_what_was_trained(tmp_path: Path) -> None:
    train("es", options(), folder := RunFolder(tmp_path, "env"))
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **ENV)
    observation, _ = env.reset(seed=0)
    actions, _ = load_controller(tmp_path, env).predict(observation)
    learner = Learner(options())
    learner.set_state(load_checkpoint(folder.path / "checkpoint" / "state.pt"))
    x = ((torch.from_numpy(observation) - learner.network.mean) / learner.network.std).clamp(-5, 5)
    expected = (x @ learner.weights[:, :-1].T + learner.weights[:, -1]).clamp(-1, 1)
    np.testing.assert_allclose(actions, expected.detach().numpy(), atol=1e-6)


def test_it_learns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toy with a known optimum: with the reward replaced by r1's coordinate, the policy must raise r1."""
    term = RewardTerm("a test's term", lambda m: m.coordinates[:, 2] - 0.5, each_decision(-1, 1))
    monkeypatch.setattr("gan_env.mdp.rewards.REWARDS", {"log_improvement": term})
    train("es", options(rows=16, rollouts=12, learning_rate=0.1), RunFolder(tmp_path, "env"))
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, split="test", **ENV)
    learned = run_episodes(load_controller(tmp_path, env), env, range(8))
    still = run_episodes(TablePolicy(env, {}), env, range(8))
    assert learned.rewards.sum(axis=1).mean() > still.rewards.sum(axis=1).mean() + 0.5


def test_a_member_with_an_odd_number_of_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"members\.one\.rows=3 .*an even number"):
        options({"one": Member(3), "other": Member(3)})
