"""Your own policy and schedule, compared with a constant on the same runs: `python examples/own_policy.py`.

Programs play them as well: `PYTHONPATH=examples python baselines/run.py policy=random policy.kind=cautious
env.extensions=[own_policy]`.
"""

import numpy as np
from gymnasium.vector import AutoresetMode

import gan_env
from gan_env.evaluation.intervals import summarize
from gan_env.evaluation.rollout import run_episodes
from gan_env.evaluation.seeds import EXAMPLES
from gan_env.policies import PolicyOptions, load_policy


class Cautious:
    """Raises r1 where the discriminator tells training samples from held-out ones."""

    def __init__(self, env, threshold=0.1):
        self.column, self.threshold = env.observer.place("overfitting"), threshold
        self.knobs = env.config.knobs

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        """Observations [N, F] -> actions [N, K] in [-1, 1]."""
        actions = np.zeros((len(observation), len(self.knobs)), np.float32)
        actions[:, self.knobs.index("r1")] = np.where(observation[:, self.column] > self.threshold, 0.5, -0.1)
        return actions, state


def sawtooth(t, a, b, k):
    """From a to b along a line with k teeth."""
    return a + (b - a) * t + 0.2 * (b - a) * t * (1 - t) * np.sin(2 * np.pi * k * t)


gan_env.register_policy("cautious", Cautious)
gan_env.register_schedule("sawtooth", sawtooth, decay_rate=3.0)

if __name__ == "__main__":
    small = {"num_decisions": 8, "updates_per_decision": 25, "compile": False, "split": "test"}
    env = gan_env.GANVectorEnv(32, autoreset_mode=AutoresetMode.DISABLED, **small)
    policies = {
        "fixed": load_policy("fixed"),
        "cautious": PolicyOptions("cautious", rule={"threshold": 0.05}),
        "sawtooth": PolicyOptions(knobs={"r1": {"kind": "sawtooth", "initial": 3.0, "final": 0.1}}),
    }
    for name, options in policies.items():
        final = run_episodes(options.make(env), env, range(EXAMPLES, EXAMPLES + 32)).final
        print(f"{name:10} final log metric {summarize(final)['iqm']:.3f}")
