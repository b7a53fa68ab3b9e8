"""PPO of RLlib on four rows of one program: `python examples/libraries/ppo_rllib.py`."""

import gymnasium as gym
from ray.rllib.algorithms.ppo import PPOConfig

import gan_env  # registers its ids

config = PPOConfig().environment("gan_env/Points-v1", env_config={"autoreset_mode": "NextStep"})
config.env_runners(num_env_runners=0, num_envs_per_env_runner=4)
config.env_runners(gym_env_vectorize_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT)
config.training(train_batch_size_per_learner=80, minibatch_size=40, num_epochs=1)
algorithm = config.build_algo()
result = algorithm.train()
print(f"PPO collected {result['env_runners']['num_env_steps_sampled_lifetime']:.0f} decisions")
