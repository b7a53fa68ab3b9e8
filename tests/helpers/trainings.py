"""Tiny trainings by every script, and the scripts' command lines in this process, without the comparison."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agents.learning.controllers import load_controller, train, training_options
from agents.learning.options import TrainOptions
from agents.learning.run_folder import CHECKPOINT, RunFolder
from gan_env import GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3VecEnv
from gan_env.files import load_checkpoint
from gan_env.policies.steering import Policy

ENV: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
SB3: dict[str, dict[str, Any]] = {  # what makes each algorithm's training tiny
    "ppo": {"minibatches": 2, "epochs": 2},
    "recurrent_ppo": {"minibatches": 2, "epochs": 2, "lstm_units": 4},
    "sac": {"warmup": 1, "updates": 2, "batch_size": 8},
    "tqc": {"warmup": 2, "updates": 2, "batch_size": 8, "quantiles": 4, "dropped": 1},
    "ars": {"directions": 2, "top": 1},
}
OWN: dict[str, dict[str, Any]] = {**SB3, "es": {"hidden": []}}
META: dict[str, Any] = {"every": 2, "window": 2, "samples": 16}
ON_COMMAND_LINE = [f"env.{key}={str(value).lower()}" for key, value in ENV.items()]


class Killed(Exception):
    """Stands for a kill in the middle of training."""


def module(script: str) -> Any:
    return importlib.import_module(f"agents.train_{script}")


def tiny(script: str, agent: dict[str, Any] | None = None, seed: int = 3, **env: Any) -> TrainOptions:
    """Four rows, three rollouts."""
    own = {"rows": 4, "rollouts": 3, "hidden": [4], **OWN.get(script, META), **(agent or {})}
    return training_options(script, own, {**ENV, **env}, seed)


def fields(script: str) -> list[str]:
    """The same on a command line."""
    agent = {"rows": 4, "rollouts": 3, "hidden": "[4]", **OWN.get(script, META)}
    return [*ON_COMMAND_LINE, *(f"agent.{key}={value}" for key, value in agent.items())]


def train_in(folder: Path, script: str, options: TrainOptions) -> Policy:
    """The controller that a training saved."""
    train(script, options, RunFolder(folder, "env"))
    return load_controller(folder, GANVectorEnv(1, **{**options.env}))


def trained_state(folder: Path) -> dict[str, Any]:
    """The last checkpoint of a training by stable-baselines3."""
    state: dict[str, Any] = load_checkpoint(folder / CHECKPOINT)
    return state


def weights(folder: Path) -> torch.Tensor:
    """Every weight of a trained model, targets and entropy coefficient included, and the normalisation."""
    state = trained_state(folder)
    found = [tensor.detach().flatten() for tensor in state["parameters"]["policy"].values()]
    own = [state["attributes"][name] for name in ("log_ent_coef",) if name in state["attributes"]]
    statistics = [torch.from_numpy(state["normalize"][name]).float() for name in ("mean", "var")]
    return torch.cat([*found, *(tensor.detach() for tensor in own), *statistics])


def command(script: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[tuple[Any, ...]]:
    """Runs the script's command line; the arguments of the comparisons that it asked for."""
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr("agents.study.training_script.compare_training", lambda *given: asked.append(given))
    monkeypatch.setattr(sys, "argv", [f"agents/train_{script}.py", *arguments])
    module(script).main()
    return asked


def killing_at(step: int) -> Callable[[SB3VecEnv], Any]:
    """`SB3VecEnv.step_wait` that is killed at its `step`-th call."""
    original, calls = SB3VecEnv.step_wait, iter(range(1, step + 1))

    def step_wait(env: SB3VecEnv) -> Any:
        if next(calls) == step:
            raise Killed
        return original(env)

    return step_wait


def kill_training(folder: Path, script: str, options: TrainOptions, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that is killed at its `step`-th decision."""
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SB3VecEnv, "step_wait", killing_at(step))
        train(script, options, RunFolder(folder, "env"))
