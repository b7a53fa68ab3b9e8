"""Learning rates: falling, adaptive by the divergence, and weight decay that acts."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.learning.learning_rate import HIGHEST, LOWEST, AdaptiveRate, Falling
from agents.learning.run_folder import RunFolder
from agents.train_ppo import PPOOptions, TrainOptions, train

ENV: dict[str, Any] = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


def test_a_falling_rate_falls_linearly_to_a_tenth() -> None:
    rate = Falling(2e-3)
    assert [rate(r) for r in (1.0, 0.5, 0.0)] == pytest.approx([2e-3, 1.1e-3, 2e-4])


def test_a_falling_rate_is_saved_by_its_name() -> None:
    """As bytecode, no other version of Python could load a trained model."""
    assert pickle.loads(pickle.dumps(Falling(2e-3))) == Falling(2e-3)


@given(st.floats(LOWEST, HIGHEST), st.floats(0, 1), st.floats(1e-3, 0.1))
def test_an_adaptive_rate_stays_in_its_bounds_and_goes_against_the_divergence(
    rate: float, kl: float, desired: float
) -> None:
    adapted = AdaptiveRate(desired).adapted(rate, kl)
    assert LOWEST <= adapted <= HIGHEST
    assert adapted <= rate if kl > 2 * desired else adapted >= rate
    if desired / 2 <= kl <= 2 * desired:
        assert adapted == rate


def rates(folder: Path, **agent: Any) -> tuple[list[float], float]:
    """The logged rates of updates 1 and 2 of three, and the rate that the optimiser ends with."""
    options = PPOOptions(rows=2, rollouts=3, minibatches=1, epochs=2, hidden=(4,), **agent)
    model, _, _ = train(TrainOptions(agent=options, env=ENV), RunFolder(folder, "env"))
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [e.value for e in events.Scalars("train/learning_rate")], model.policy.optimizer.param_groups[0]["lr"]


def test_ppo_adapts_its_rate(tmp_path: Path) -> None:
    """Against a desired divergence that no update reaches it rises each time, against a tiny one it falls."""
    logged, last = rates(tmp_path / "up", schedule="adaptive", desired_kl=1e3)
    assert [*logged, last] == pytest.approx([1e-3, 1.5e-3, 2.25e-3])
    logged, last = rates(tmp_path / "down", schedule="adaptive", desired_kl=1e-12)
    assert [*logged, last] == pytest.approx([1e-3, 1e-3 / 1.5, 1e-3 / 1.5**2])


def test_a_constant_rate_stays(tmp_path: Path) -> None:
    logged, last = rates(tmp_path, schedule="constant", learning_rate=5e-4)
    assert [*logged, last] == pytest.approx([5e-4] * 3)


def test_an_adapted_rate_comes_back_from_the_checkpoint(tmp_path: Path) -> None:
    """Two rollouts, then a third of the same folder: the rate goes on from where it was."""
    for rollouts in (2, 3):
        agent = PPOOptions(
            rows=2, rollouts=rollouts, minibatches=1, epochs=2, hidden=(4,), schedule="adaptive", desired_kl=1e3
        )
        model, _, _ = train(TrainOptions(agent=agent, env=ENV), RunFolder(tmp_path, "env"))
    assert model.policy.optimizer.param_groups[0]["lr"] == pytest.approx(1.5e-3)


def test_weight_decay_shrinks_the_weights(tmp_path: Path) -> None:
    """With so strong a decay that the gradients hardly count."""
    sizes = []
    for decay in (0.0, 0.9):
        agent = PPOOptions(
            rows=2, rollouts=3, minibatches=1, epochs=10, hidden=(4,), learning_rate=0.05, weight_decay=decay
        )
        model, _, _ = train(TrainOptions(agent=agent, env=ENV), RunFolder(tmp_path / str(decay), "env"))
        sizes.append(float(sum(p.detach().square().sum() for p in model.policy.mlp_extractor.parameters())))
    assert sizes[1] < 0.5 * sizes[0]
