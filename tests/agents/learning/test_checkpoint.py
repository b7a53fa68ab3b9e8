"""Checkpoints: one file, of the algorithm that wrote it. test_training.py resumes each algorithm."""

from pathlib import Path
from typing import Any

import pytest

from agents import train_ppo, train_recurrent_ppo
from agents.learning.run_folder import RunFolder
from gan_env import ConfigError

ENV: dict[str, Any] = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


def test_another_algorithms_checkpoint_is_refused_with_help(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "env")
    agent = train_ppo.PPOOptions(rows=2, rollouts=1, minibatches=1, epochs=1)
    train_ppo.train(train_ppo.TrainOptions(agent=agent, env=ENV), folder)
    recurrent = train_recurrent_ppo.RecurrentPPOOptions(rows=2, rollouts=2, minibatches=1)
    with pytest.raises(ConfigError, match=r"resume='PPO'.*RecurrentPPO"):
        train_recurrent_ppo.train(train_recurrent_ppo.TrainOptions(agent=recurrent, env=ENV), folder)
