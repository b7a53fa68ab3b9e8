"""Collects as CleanRL's PPO does: `python examples/libraries/ppo_cleanrl.py`."""

import gymnasium as gym
import numpy as np
import torch

import gan_env  # registers its ids

envs = gym.wrappers.vector.RecordEpisodeStatistics(gym.make_vec("gan_env/Points-v1", num_envs=4))
policy = torch.nn.Linear(envs.single_observation_space.shape[0], envs.single_action_space.shape[0])
rollout = []
next_obs, _ = envs.reset(seed=1)
for _ in range(40):
    obs = next_obs
    action = torch.distributions.Normal(policy(torch.tensor(obs)), 1.0).sample().numpy()
    next_obs, reward, terminated, _, infos = envs.step(action)
    last_obs = np.where(terminated[:, None], infos.get("final_obs", next_obs), next_obs)
    rollout.append((obs, action, reward, last_obs, terminated))
print(f"{len(rollout)} steps of {envs.num_envs} rows, {envs.episode_count} runs to their end")
