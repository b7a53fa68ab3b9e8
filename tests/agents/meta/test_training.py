"""Bilevel training: learning, what it counts, resuming, and what it saves. test_run_folder.py runs both scripts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.learning.controllers import load_controller
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.meta.hypergradient import Hypergradient
from agents.meta.training import Learner, MetaOptions, make_policy, train
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.saved_controller import DESCRIPTION, WEIGHTS

SMALL: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 2, "metric_samples": 32, "compile": False}
TINY: dict[str, Any] = {"rows": 4, "rollouts": 2, "every": 2, "hidden": (8,), "window": 2, "samples": 16}


def begun(path: Path, options: TrainOptions) -> RunFolder:
    """The folder of a training, with its options."""
    folder = RunFolder(path, "env")
    folder.begin("maml", options)
    return folder


# --- learning ---


def noisy(**given: Any) -> GANVectorEnv:
    """Runs that start under a noise nearly as wide as the data, which is the only knob."""
    rates = {"lr_g": (5e-3, 5e-3), "lr_d": (5e-3, 5e-3), "beta_1": (0.5, 0.5)}
    rates |= dict.fromkeys(("gain_g", "gain_d", "input_scale"), (1.0, 1.0))
    options: dict[str, Any] = {
        **SMALL, "updates_per_decision": 20, "ema_decay": 0.5, "metric_samples": 128, "datasets": ("ring",),
        "losses": ("non_saturating",), "action_mode": "absolute",
        "knobs": ("instance_noise",), "initial_knobs": {"instance_noise": 0.9},
        "instances": {"width_g": (16, 16), "width_d": (16, 16), "batch_size": (32, 32), **rates},
    }  # fmt: skip
    return GANVectorEnv(12, **options, **given)


def test_a_harmful_noise_learns_to_go_down() -> None:
    """And on the same new runs the validation loss and the metric end lower than with the untrained controller."""
    options = MetaOptions(rows=12, rollouts=5, every=1, hidden=(16,), window=10, samples=64, learning_rate=0.05)
    learner = Learner(noisy(), options, seed=0)
    learner.fit_normalisation()
    env = noisy(split="test", autoreset_mode=AutoresetMode.DISABLED)
    look = Hypergradient(env, options.window, 128)

    def play() -> tuple[float, float, float]:
        episodes = run_episodes(make_policy(learner.controller, env, options), env, range(50, 62))
        loss, _ = look(torch.from_numpy(env.coordinates()))
        return float(episodes.coordinates[:, -1].mean()), float(loss.mean()), float(episodes.final.mean())

    before = play()
    for _ in range(options.rollouts):
        learner.learn()
    noise, loss, metric = play()
    assert before[0] > 0.9
    assert noise < 0.4
    assert loss < before[1] - 0.1
    assert metric < before[2]


@pytest.mark.parametrize("changes", [{}, {"kind": "lstm"}, {"inner_steps": 1}, {"kind": "lstm", "inner_steps": 2}])
def test_every_scheme_moves_every_weight(changes: dict[str, Any]) -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**{**TINY, **changes}), seed=0)
    learner.fit_normalisation()
    learner.learn()
    before = {name: tensor.clone() for name, tensor in learner.controller.named_parameters()}
    learner.learn()
    for name, tensor in learner.controller.named_parameters():
        assert tensor.isfinite().all()
        assert not torch.equal(tensor, before[name]), name


def test_a_knob_without_a_slope_stays_where_it_starts() -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**{**TINY, "weight_decay": 1.0}), seed=0)  # type: ignore[arg-type]
    learner.fit_normalisation()
    learner.learn()
    coordinates = learner.env.knobs.initial
    wanted, _ = learner.policy.act(torch.randn(5, len(learner.env.observer.names)), learner.policy.blank(5))
    torch.testing.assert_close(wanted[:, 1], coordinates[1].expand(5))  # augment
    assert not torch.allclose(wanted[:, 2], coordinates[2].expand(5))


def test_updates_that_only_look_ahead_are_counted() -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**{**TINY, "inner_steps": 1}), seed=0)  # type: ignore[arg-type]
    learner.fit_normalisation()
    assert learner.gan_updates == 4 * 4 * 2
    learner.learn()
    assert learner.gan_updates == 2 * (4 * 4 * 2) + 2 * (4 * 4 * 2)


def test_the_learning_rate_falls_and_biases_do_not_decay() -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**TINY), seed=0)  # type: ignore[arg-type]
    learner.fit_normalisation()
    rates = []
    for _ in range(2):
        learner.learn()
        rates.append(learner.optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [5e-3, 5e-3 * 0.55])
    decays = {p: g["weight_decay"] for g in learner.optimizer.param_groups for p in g["params"]}
    assert {decays[p] > 0 for p in learner.controller.parameters() if p.dim() == 2} == {True}
    assert {decays[p] for p in learner.controller.parameters() if p.dim() == 1} == {0}


@pytest.mark.parametrize("changes", [{}, {"kind": "lstm", "inner_steps": 1}])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Controller, optimiser, GANs and memory all come back: the weights are the same bit by bit."""
    options = TrainOptions(MetaOptions(**{**TINY, "rollouts": 3, **changes}), SMALL, seed=3)
    costs = train(options, begun(tmp_path / "whole", options))

    class Killed(Exception):
        pass

    def die(learner: Learner) -> dict[str, float]:
        if learner.rollouts == 2:
            raise Killed
        return original(learner)

    original = Learner.learn
    monkeypatch.setattr(Learner, "learn", die)
    with pytest.raises(Killed):
        train(options, begun(tmp_path / "cut", options))
    monkeypatch.setattr(Learner, "learn", original)
    resumed_costs = train(options, RunFolder(tmp_path / "cut", "env"))
    assert resumed_costs["gan_updates"] == costs["gan_updates"]
    for name in (DESCRIPTION, WEIGHTS):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_tensorboard_has_loss_metric_and_knobs(tmp_path: Path) -> None:
    options = TrainOptions(MetaOptions(**TINY), SMALL)
    train(options, begun(tmp_path, options))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    wanted = {"meta/validation_loss", "meta/gradient_norm", "gan/final_log_metric", "knobs/r1_at_1"}
    assert wanted <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("meta/validation_loss")] == [1, 2]


@pytest.mark.parametrize("inner_steps", [0, 1])
def test_what_training_and_acting_cost_is_counted(inner_steps: int, tmp_path: Path) -> None:
    """A warm-up and two rollouts, those that only look ahead included."""
    options = TrainOptions(MetaOptions(**TINY, inner_steps=inner_steps), SMALL)
    costs = train(options, begun(tmp_path, options))
    updates = 4 * 4 * 2 * (3 + 2 * (1 + inner_steps))
    assert costs == {"gan_updates": updates, "adaptation_updates_a_decision": inner_steps * 2}


@pytest.mark.parametrize("inner_steps", [0, 1])
def test_a_saved_controller_acts_as_the_one_that_learned(
    inner_steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adaptation included."""
    options, learned = TrainOptions(MetaOptions(**TINY, inner_steps=inner_steps), SMALL), []
    original = RunFolder.save_controller
    monkeypatch.setattr(
        RunFolder, "save_controller", lambda self, made, *more: [learned.append(made), original(self, made, *more)]
    )
    train(options, begun(tmp_path, options))
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **SMALL)
    policies = make_policy(learned[0], env, options.agent), load_controller(tmp_path, env)
    first, second = (run_episodes(policy, env, range(2)).coordinates for policy in policies)
    np.testing.assert_array_equal(first, second)
