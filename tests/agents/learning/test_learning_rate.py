"""Learning rates: falling, adaptive by the divergence, and weight decay that acts."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainings import kill_training, tiny, train_in, trained_state

from agents.learning.learning_rate import HIGHEST, LOWEST, AdaptiveRate
from agents.train_ppo import PPOOptions


def test_a_falling_rate_falls_linearly_to_a_tenth() -> None:
    rate = PPOOptions(learning_rate=2e-3).rate()
    assert callable(rate) and [rate(r) for r in (1.0, 0.5, 0.0)] == pytest.approx([2e-3, 1.1e-3, 2e-4])


def test_a_falling_rate_is_saved_by_its_name() -> None:
    """As bytecode, no other version of Python could load a trained model."""
    assert b"LinearSchedule" in pickle.dumps(PPOOptions().rate())


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
    train_in(folder, "ppo", tiny("ppo", {"rows": 2, "minibatches": 1, **agent}, num_decisions=2))
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [e.value for e in events.Scalars("train/learning_rate")], last_rate(folder)


def last_rate(folder: Path) -> float:
    """The rate that the optimiser of a training ends with."""
    return float(trained_state(folder)["parameters"]["policy.optimizer"]["param_groups"][0]["lr"])


def test_ppo_adapts_its_rate(tmp_path: Path) -> None:
    """Against a desired divergence that no update reaches it rises each time, against a tiny one it falls."""
    logged, last = rates(tmp_path / "up", schedule="adaptive", desired_kl=1e3)
    assert [*logged, last] == pytest.approx([1e-3, 1.5e-3, 2.25e-3])
    logged, last = rates(tmp_path / "down", schedule="adaptive", desired_kl=1e-12)
    assert [*logged, last] == pytest.approx([1e-3, 1e-3 / 1.5, 1e-3 / 1.5**2])


def test_a_constant_rate_stays(tmp_path: Path) -> None:
    logged, last = rates(tmp_path, schedule="constant", learning_rate=5e-4)
    assert [*logged, last] == pytest.approx([5e-4] * 3)


def test_an_adapted_rate_comes_back_from_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the third rollout: the rate continues from where it was."""
    agent = {"rows": 2, "minibatches": 1, "schedule": "adaptive", "desired_kl": 1e3}
    options = tiny("ppo", agent, num_decisions=2)
    kill_training(tmp_path, "ppo", options, 6, monkeypatch)
    train_in(tmp_path, "ppo", options)
    assert last_rate(tmp_path) == pytest.approx(2.25e-3)


def test_weight_decay_shrinks_the_weights(tmp_path: Path) -> None:
    """With so strong a decay that the gradients hardly count."""
    sizes = []
    for decay in (0.0, 0.9):
        agent = {"rows": 2, "minibatches": 1, "epochs": 10, "learning_rate": 0.05, "weight_decay": decay}
        train_in(tmp_path / str(decay), "ppo", tiny("ppo", agent, num_decisions=2))
        trained = trained_state(tmp_path / str(decay))["parameters"]["policy"]
        sizes.append(float(sum(w.square().sum() for name, w in trained.items() if name.startswith("mlp_extractor"))))
    assert sizes[1] < 0.5 * sizes[0]
