"""`python agents/train_meta.py` and `train_maml.py`: learning, resuming, and the whole job on a tiny budget."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.learning.run_folder import RunFolder
from agents.meta.controller import MetaController
from agents.meta.hypergradient import Hypergradient
from agents.meta.training import Learner, MetaOptions, TrainOptions, make_policy, train
from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import run_episodes

ROOT = Path(__file__).resolve().parents[3]
SMALL: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 2, "metric_samples": 32, "compile": False}
TINY = {"rows": 4, "rollouts": 2, "every": 2, "hidden": (8,), "window": 2, "samples": 16}
ARGUMENTS = [
    *(f"env.{key}={str(value).lower()}" for key, value in SMALL.items()),
    *(f"agent.{key}={list(value) if isinstance(value, tuple) else value}" for key, value in TINY.items()),
    "comparison.rows=32", "comparison.episodes=8", "comparison.search_episodes=1", "comparison.policies=[fixed]",
]  # fmt: skip


class Silent:
    """A progress bar that shows nothing."""

    def update(self, count: int) -> None:
        """Nothing to show."""


# --- learning ---


def noisy(**given: Any) -> GANVectorEnv:
    """Runs that start under a noise nearly as wide as the data, which is the only knob."""
    rates = {"lr_g": (5e-3, 5e-3), "lr_d": (5e-3, 5e-3), "beta_1": (0.5, 0.5)}
    options: dict[str, Any] = {
        **SMALL, "updates_per_decision": 20, "ema_decay": 0.5, "metric_samples": 128, "datasets": ("ring",),
        "action_mode": "absolute", "knobs": ("instance_noise",), "initial_knobs": {"instance_noise": 0.9},
        "instances": {"width": (16, 16), "batch_size": (32, 32), **rates},
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
        episodes = run_episodes(make_policy(learner.controller, look, options), env, range(50, 62))
        loss, _ = look(torch.from_numpy(env.coordinates()))
        return float(episodes.coordinates[:, -1].mean()), float(loss.mean()), float(episodes.final.mean())

    before = play()
    for _ in range(options.rollouts):
        learner.learn(Silent())
    noise, loss, metric = play()
    assert before[0] > 0.9
    assert noise < 0.4
    assert loss < before[1] - 0.1
    assert metric < before[2]


@pytest.mark.parametrize("changes", [{}, {"kind": "lstm"}, {"inner_steps": 1}, {"kind": "lstm", "inner_steps": 2}])
def test_every_scheme_moves_every_weight(changes: dict[str, Any]) -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**{**TINY, **changes}), seed=0)
    learner.fit_normalisation()
    learner.learn(Silent())
    before = {name: tensor.clone() for name, tensor in learner.controller.named_parameters()}
    learner.learn(Silent())
    for name, tensor in learner.controller.named_parameters():
        assert tensor.isfinite().all()
        assert not torch.equal(tensor, before[name]), name


def test_a_knob_without_a_slope_stays_where_it_starts() -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**{**TINY, "weight_decay": 1.0}), seed=0)  # type: ignore[arg-type]
    learner.fit_normalisation()
    learner.learn(Silent())
    coordinates = learner.env.knobs.initial
    wanted, _ = learner.controller(torch.randn(5, learner.controller.arguments["state_dim"]))
    torch.testing.assert_close(wanted[:, 1], coordinates[1].expand(5))  # augment
    assert not torch.allclose(wanted[:, 2], coordinates[2].expand(5))


def test_updates_that_only_look_ahead_are_counted() -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**{**TINY, "inner_steps": 1}), seed=0)  # type: ignore[arg-type]
    learner.fit_normalisation()
    assert learner.gan_updates == 4 * 4 * 2
    learner.learn(Silent())
    assert learner.gan_updates == 2 * (4 * 4 * 2) + 2 * (4 * 4 * 2)


def test_the_learning_rate_falls_and_biases_do_not_decay() -> None:
    learner = Learner(GANVectorEnv(4, **SMALL), MetaOptions(**TINY), seed=0)  # type: ignore[arg-type]
    learner.fit_normalisation()
    rates = []
    for _ in range(2):
        learner.learn(Silent())
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
    options = TrainOptions(agent=MetaOptions(**{**TINY, "rollouts": 3, **changes}), env=SMALL, seed=3)
    whole, costs = train(options, RunFolder(tmp_path / "whole", "env"))

    class Killed(Exception):
        pass

    def die(learner: Learner, bar: Any) -> dict[str, float]:
        if learner.rollouts == 2:
            raise Killed
        return original(learner, bar)

    original = Learner.learn
    monkeypatch.setattr(Learner, "learn", die)
    with pytest.raises(Killed):
        train(options, RunFolder(tmp_path / "cut", "env"))
    monkeypatch.setattr(Learner, "learn", original)
    resumed, resumed_costs = train(options, RunFolder(tmp_path / "cut", "env"))
    assert resumed_costs["gan_updates"] == costs["gan_updates"]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("option", "message"),
    [({"rollouts": 0}, "at least 1"), ({"learning_rate": 0.0}, "more than 0"), ({"inner_steps": -1}, "at least 0")],
)
def test_bad_options_are_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MetaOptions(**option)


# --- the jobs ---


def job(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "agents" / f"{script}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module", params=["meta", "maml"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the whole job."""
    logs = tmp_path_factory.mktemp("logs")
    done = job(f"train_{request.param}", f"logs={logs}", *ARGUMENTS)
    assert done.returncode == 0, done.stderr
    assert f"{request.param} against the best schedule" in done.stdout
    return logs / request.param / "gan_env-Points-v0_1"


def test_the_run_folder_has_everything(finished: Path) -> None:
    algorithm, name = finished.parent.name, "gan_env-Points-v0"
    summary = json.loads((finished / "summary.json").read_text())
    assert set(summary["policies"]) == {algorithm, "replay", "best_schedule", "fixed"}
    inner = {"meta": 0, "maml": 1}[algorithm]
    assert summary["adaptation_updates_a_decision"] == inner * 2
    assert summary["gan_updates"] == 4 * 4 * 2 * (3 + 2 * (1 + inner))  # a warm-up and two rollouts; looking ahead
    for path in (f"{name}/config.yml", f"{name}.safetensors", "table.txt", "knobs.png", "metric.png", "samples.png"):
        assert (finished / path).stat().st_size > 0, path
    assert not list(finished.rglob(".part-*"))


def test_tensorboard_has_loss_metric_and_knobs(finished: Path) -> None:
    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    wanted = {"meta/validation_loss", "meta/gradient_norm", "gan/final_log_metric", "knobs/r1_at_1"}
    assert wanted <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("meta/validation_loss")] == [1, 2]


def test_it_is_trained_on_training_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever split was asked for."""
    seen: list[str] = []

    def learner(env: GANVectorEnv, *_: Any) -> Learner:
        seen.append(env.config.split)
        raise InterruptedError

    monkeypatch.setattr("agents.meta.training.Learner", learner)
    with pytest.raises(InterruptedError):
        train(TrainOptions(env={**SMALL, "split": "test"}), RunFolder(tmp_path, "run"))
    assert seen == ["train"]


def test_a_saved_controller_acts_as_it_did(finished: Path) -> None:
    """Its file and the options give the comparison's own numbers, adaptation included."""
    env = GANVectorEnv(32, autoreset_mode=AutoresetMode.DISABLED, split="test", **SMALL)
    options = MetaOptions(**{**TINY, "inner_steps": {"meta": 0, "maml": 1}[finished.parent.name]})  # type: ignore[arg-type]
    controller = MetaController.load(finished / "gan_env-Points-v0.safetensors")
    policy = make_policy(controller, Hypergradient(env, options.window, options.samples), options)
    again = run_episodes(policy, env, range(3_000_000, 3_000_008)).final
    saved = np.load(finished / f"evaluations/{finished.parent.name}.npz")["log_metric"][:, -1]
    np.testing.assert_allclose(again, saved, atol=1e-4)


def test_resuming_a_finished_run_does_nothing_again(finished: Path) -> None:
    algorithm = finished.parent.name
    before = (finished / f"evaluations/{algorithm}.npz").stat().st_mtime_ns
    done = job(f"train_{algorithm}", f"resume={finished}")
    assert done.returncode == 0, done.stderr
    assert (finished / f"evaluations/{algorithm}.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize(("argument", "message"), [("agent.windows=3", "window"), ("agent.kind=gru", "lstm")])
def test_bad_arguments_are_refused_with_help(argument: str, message: str, tmp_path: Path) -> None:
    done = job("train_meta", argument, *ARGUMENTS[:4], f"logs={tmp_path}")
    assert done.returncode != 0
    assert message in done.stderr
