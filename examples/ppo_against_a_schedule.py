"""Trains PPO for less than a minute and plays it against a tuned schedule: `python examples/ppo_against_a_schedule.py`.

Both play the same ten runs with the same seeds, of kinds new to both. Ten pairs can show only a large difference;
`python agents/train_ppo.py` trains far longer and compares on hundreds of runs.
"""

import numpy as np
from stable_baselines3 import PPO

from gan_env import GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3VecEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.evaluation.seeds import EXAMPLES
from gan_env.policies import load_policy

ROWS, EPISODES, PAIRS = 96, 12, 10

envs = GANVectorEnv(ROWS, "points")
decisions = envs.config.num_decisions
model = PPO(
    "MlpPolicy", SB3VecEnv(envs, seed=0), n_steps=decisions, batch_size=ROWS * decisions // 4, learning_rate=1e-3,
    gamma=1.0, policy_kwargs={"net_arch": [128, 128], "log_std_init": -1.1}, seed=0, device="cpu",
)  # fmt: skip
model.learn(total_timesteps=EPISODES * ROWS * decisions)

test = GANVectorEnv(PAIRS, "points", split="test", autoreset_mode="Disabled")
seeds = range(EXAMPLES, EXAMPLES + PAIRS)
schedule = run_episodes(load_policy("tuned/points/schedule_0").make(test), test, seeds).final
ppo = run_episodes(model, test, seeds).final

print("pair  schedule     PPO    gain   (log sliced Wasserstein distance, lower is better)")
for pair in range(PAIRS):
    print(f"{pair:4} {schedule[pair]:9.3f} {ppo[pair]:7.3f} {schedule[pair] - ppo[pair]:+7.3f}")
gain = schedule - ppo
error = gain.std(ddof=1) / np.sqrt(PAIRS)
print(f"PPO is ahead in {(gain > 0).sum()} of {PAIRS} pairs; mean gain {gain.mean():+.3f}, standard error {error:.3f}")
