"""SAC of stable-baselines3 on four rows of one program: `python examples/libraries/sac_stable_baselines3.py`."""

from stable_baselines3 import SAC

from gan_env import GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3VecEnv

envs = SB3VecEnv(GANVectorEnv(4), seed=0)
model = SAC("MlpPolicy", envs, train_freq=10, gradient_steps=10, learning_starts=40)
model.learn(total_timesteps=160)
print(f"SAC learned from {model.replay_buffer.size() * envs.num_envs} decisions")
