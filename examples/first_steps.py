"""The environment from scratch: `python examples/first_steps.py`. The site shows it as a notebook with its output."""

# %% [markdown]
# # First steps
# A GAN is trained from scratch, and you turn its knobs while it trains. One training run is one *episode*, cut into
# *decisions*. This one is short and not compiled, so that it starts at once.

# %%
import numpy as np
from PIL import Image

import gan_env
from gan_env.evaluation import run_episodes
from gan_env.evaluation.seeds import EXAMPLES
from gan_env.policies import load_policy

short = {"num_decisions": 8, "updates_per_decision": 100, "compile": False}
env = gan_env.GANEnv("points", render_mode="rgb_array", **short)

# %% [markdown]
# ## What can be turned, and what is seen
# Each *knob* is one number of the action. The observation is made of statistics that any training run has.

# %%
print("knobs:", ", ".join(env.action_names))
print(len(env.observation_names), "statistics:", ", ".join(env.observation_names[:12]), "...")

# %% [markdown]
# ## A run begins
# `reset` draws what kind of run it is, the *instance*: data, learning rates, sizes of both networks. A policy is not
# told. Here some of it is pinned, with learning rates that are larger than is good; the rest is that of the first
# instance of the set.

# %%
ring = {"dataset": "ring", "num_samples": 10_000, "lr_g": 1e-2, "lr_d": 1e-2, "width_g": 32, "width_d": 32}
observation, info = env.reset(seed=0, options={"instance": ring})
untrained = info["log_metric"]
print("of that one:", {name: value for name, value in info["instance"].items() if name in ("loss", "batch_size")})

# %% [markdown]
# ## Turning knobs
# An action of 0 leaves a knob where it is; 1 and -1 move it up and down by a fifth of its range. The very first action
# may move it anywhere, since it chooses where the knob starts. Let both learning rates fall in the second half.


# %%
def action(**moves):
    """These knobs move, the others stay."""
    return np.array([moves.get(name, 0.0) for name in env.action_names], np.float32)


rewards = []
for decision in range(8):
    turn = action(lr_g=-0.5, lr_d=-0.5) if decision >= 4 else action()
    observation, reward, ended, _, info = env.step(turn)
    rewards.append(reward)
    print(f"decision {decision}: distance to the data {np.exp(info['log_metric']):.4f}, reward {reward:+.2f}")

Image.fromarray(env.render())

# %% [markdown]
# Left: samples of the GAN over the data. Right: the distance to the data as it falls, and the knobs.
#
# ## The reward
# A decision is rewarded by how much the logarithm of the distance fell. So a run's rewards add up to what it gained.

# %%
print(f"sum of rewards {sum(rewards):.3f}, fall of the log distance {untrained - info['log_metric']:.3f}")

# %% [markdown]
# ## Policies
# A policy has `predict(observation, state, episode_start, deterministic)` and returns `(actions, state)`. Compare two,
# and moves at random, on the same eight runs: instances that are kept for tests, and the same seeds for all. All eight
# GANs are trained side by side.

# %%
envs = gan_env.GANVectorEnv(8, "points", split="test", autoreset_mode="Disabled", **short)
for name in ("fixed", "cosine_rates", "random"):
    episodes = run_episodes(load_policy(name).make(envs), envs, range(EXAMPLES, EXAMPLES + 8))
    print(f"{name:12} mean log distance at the end {episodes.final.mean():.3f}, {episodes.crashed.sum()} runs crashed")
