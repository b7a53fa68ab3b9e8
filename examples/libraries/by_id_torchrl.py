"""TorchRL makes the environment by its id: `python examples/libraries/by_id_torchrl.py`."""

from torchrl.envs import GymEnv

import gan_env  # registers its ids

env = GymEnv("gan_env/Points-v1")
episodes = [env.rollout(max_steps=100) for _ in range(12)]  # each ends where the run does
print(f"{len(episodes)} runs of {[len(episode) for episode in episodes]} decisions")
