"""PPO of stable-baselines3 makes the environment by its id: `python examples/libraries/ppo_stable_baselines3.py`."""

from stable_baselines3 import PPO

import gan_env  # registers its ids

model = PPO("MlpPolicy", "gan_env/Points-v1", n_steps=64, batch_size=32)
model.learn(total_timesteps=64)
print(f"PPO learned from {model.num_timesteps} decisions")
