"""PPO of skrl on four rows of one program: `python examples/libraries/ppo_skrl.py`."""

import gymnasium as gym
from skrl.agents.torch.ppo import PPO
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import SequentialTrainer
from skrl.utils.model_instantiators.torch import deterministic_model, gaussian_model

import gan_env  # registers its ids

env = wrap_env(gym.make_vec("gan_env/Points-v1", num_envs=4))
spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
network = [{"name": "net", "input": "OBSERVATIONS", "layers": [64, 64], "activations": "tanh"}]
policy = gaussian_model(**spaces, network=network, output="ACTIONS")
value = deterministic_model(**spaces, network=network, output="ONE")
memory = RandomMemory(memory_size=32, num_envs=env.num_envs, device=env.device)
agent = PPO(models={"policy": policy, "value": value}, memory=memory, cfg={"rollouts": 32}, **spaces)
SequentialTrainer(env=env, agents=agent, cfg={"timesteps": 32, "headless": True}).train()
print(f"PPO learned from {len(memory)} decisions")
