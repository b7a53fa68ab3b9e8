"""Trains PPO with a memory (an LSTM) to turn the knobs, then compares it with annealing schedules.

    python agents/train_recurrent_ppo.py
    python agents/train_recurrent_ppo.py resume=logs/recurrent_ppo/gan_env-Points-v0_1

Any field of configs/ can be set on the command line, as in agent.lstm_units=32 env.num_decisions=20.
"""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig
from sb3_contrib import RecurrentPPO

from agents.learning.options import RunOptions
from agents.learning.run_folder import RunFolder, open_folder
from agents.learning.training import fit, train_once, training_env
from agents.study.closing import check_comparison, compare_training
from agents.train_ppo import PPOOptions
from baselines.options import register_presets, script
from gan_env.errors import require


@dataclass(frozen=True)
class RecurrentPPOOptions(PPOOptions):
    """Hyperparameters of PPO with an LSTM before the layers of the policy and one before those of the value function.

    Attributes:
        lstm_units: units of each LSTM.
    """

    lstm_units: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.lstm_units >= 1, "agent.lstm_units", self.lstm_units, "at least 1")

    def network(self) -> dict[str, Any]:
        """Arguments of the policy: PPO's, and the LSTM."""
        return {**super().network(), "lstm_hidden_size": self.lstm_units}

    def require_fit(self, decisions: int) -> None:
        """As PPO's, for the last minibatch too: RecurrentPPO normalises its advantages as well, and one gives NaN."""
        super().require_fit(decisions)
        parts = f"a number that cuts {self.rows * decisions} decisions into parts of two or more, the last one included"
        fits = self.rows * decisions % self.batch_size(decisions) != 1
        require(fits, "agent.minibatches", self.minibatches, parts)


def train(options: RunOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains RecurrentPPO, or continues from the folder's checkpoint."""
    agent, vec_env = options.agent, training_env(options)
    assert isinstance(agent, RecurrentPPOOptions)
    arguments = agent.arguments(vec_env)
    model = RecurrentPPO("MlpLstmPolicy", policy_kwargs=agent.network(), seed=options.seed, **arguments)
    return fit(model, options, folder, agent.callbacks())


@script("train_recurrent_ppo")
def main(config: DictConfig) -> None:
    """Trains, then compares."""
    options, folder = open_folder("recurrent_ppo", RunOptions(RecurrentPPOOptions()), config)
    check_comparison("recurrent_ppo", options, folder)
    costs = train_once(train, options, folder)
    compare_training("recurrent_ppo", options, folder, costs)


if __name__ == "__main__":
    register_presets()
    main()
