"""Trains PPO with a memory (an LSTM) to turn the knobs, then compares it with annealing schedules.

    python agents/train_recurrent_ppo.py
    python agents/train_recurrent_ppo.py resume=logs/recurrent_ppo/gan_env-Points-v0_1

Any field of configs/ can be set on the command line, as in agent.lstm_units=32 env.num_decisions=20.
"""

from dataclasses import dataclass
from typing import Any

from sb3_contrib import RecurrentPPO

from agents.learning.options import RunOptions
from agents.learning.run_folder import RunFolder
from agents.learning.training import fit, training_env
from agents.study.training_script import training_script
from agents.train_ppo import PPOOptions
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


main = training_script("recurrent_ppo", RecurrentPPOOptions(), train)

if __name__ == "__main__":
    main()
