"""Forks a run in its middle and tries three futures: `python examples/fork_a_run.py`."""

import numpy as np

import gan_env

DECISIONS, HALF = 12, 6
FUTURES = {"rates stay": 0.0, "rates fall": -0.3, "rates rise": 0.3}

env = gan_env.GANVectorEnv(1, knobs=("lr_g", "lr_d"), num_decisions=DECISIONS, compile=False, autoreset_mode="Disabled")
ring = {"dataset": "ring", "num_samples": 10_000, "lr_g": 3e-3, "lr_d": 3e-3, "beta_1": 0.5}


def play(action, decisions):
    """Takes the same action [K] again and again; returns the metric at the end."""
    for _ in range(decisions):
        *_, infos = env.step(np.full((1, 2), action, np.float32))
    return float(np.exp(infos["log_metric"][0]))


env.reset(seed=0, options={"instance": ring, "knobs": {"lr_g": 1.0, "lr_d": 1.0}})
print(f"{'in the middle':14} {env.judge.metric_name} {play(0.0, HALF):.4f}")
middle = env.get_state()  # weights, optimisers, random generators: all of the run

for name, action in FUTURES.items():
    env.set_state(middle)
    print(f"{name:14} {env.judge.metric_name} {play(action, DECISIONS - HALF):.4f}")

env.set_state(middle)
first = play(0.0, 1)
env.set_state(middle)
print(f"the same future twice ends the same: {first == play(0.0, 1)}")
