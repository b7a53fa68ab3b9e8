"""TorchRL's collector on four rows of one program: `python examples/libraries/rows_torchrl.py`."""

import gymnasium as gym
from torchrl.collectors import Collector
from torchrl.envs import GymWrapper

import gan_env  # registers its ids

envs = GymWrapper(gym.make_vec("gan_env/Points-v1", num_envs=4, autoreset_mode="Disabled"))
collector = Collector(envs, policy=None, frames_per_batch=80, total_frames=160)  # None: random actions
batches = list(collector)  # TensorDicts [4, 20]
print(f"{sum(batch.numel() for batch in batches)} decisions in batches of shape {tuple(batches[0].shape)}")
