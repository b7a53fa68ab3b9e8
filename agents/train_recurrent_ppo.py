"""Trains PPO with a memory (an LSTM) to turn the knobs, then compares it with tuned and usual schedules.

    python agents/train_recurrent_ppo.py
    python agents/train_recurrent_ppo.py resume=logs/recurrent_ppo/gan_env-Points-v1_1

Any field of configs/ can be set on the command line, as in agent.lstm_units=32 env.num_decisions=20.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from sb3_contrib import RecurrentPPO

from agents.learning.training import train_sb3
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
        require(not self.imitates, "agent.imitates", self.imitates, "nothing: train_ppo.py alone can imitate a policy")

    def network(self) -> dict[str, Any]:
        """Arguments of the policy: PPO's, and the LSTM."""
        return {**super().network(), "lstm_hidden_size": self.lstm_units}


train = partial(train_sb3, RecurrentPPO, policy="MlpLstmPolicy")
main = training_script("recurrent_ppo", RecurrentPPOOptions(), train, __doc__)

if __name__ == "__main__":
    main()
