"""Random actions: the baseline that shows what luck alone does."""

import numpy as np

from gan_env.errors import require
from gan_env.policies.steering import EpisodeStart, State, Steerable
from gan_env.records import Float32


class RandomPolicy:
    """Uniform random actions, each held for `hold` decisions (the held action is the policy's state).

    Raises:
        ConfigError: nothing is held, or the environment does not observe the progress of a run.
    """

    def __init__(self, env: Steerable, seed: int = 0, hold: int = 1) -> None:
        require(hold >= 1, "hold", hold, "at least 1")
        self.rng = np.random.default_rng(seed)
        self.hold, self.decisions, self.knobs = hold, env.config.num_decisions, len(env.config.knobs)
        self.column = env.observer.place("progress")

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """A new action where a hold ends or an episode starts, else the held one."""
        action = self.rng.uniform(-1, 1, (len(observation), self.knobs)).astype(np.float32)
        if state is not None:
            decision = np.rint(observation[:, self.column] * self.decisions).astype(int)
            action = np.where((decision % self.hold == 0)[:, None], action, state[0])
        return action, (action,)
