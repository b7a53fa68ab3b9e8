"""skrl learns from every transition, and not from the observation that it takes for the last of a run."""

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from witness import Transition, Witness, assert_same, by_row, without_last_obs

pytest.importorskip("skrl", reason="skrl is not installed: gan_env[libraries] brings it")

import skrl
import torch
from skrl.agents.torch.sac import SAC
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import SequentialTrainer
from skrl.utils.model_instantiators.torch import deterministic_model, gaussian_model

Program = Callable[..., dict[str, Any]]
NAMES = ("observations", "actions", "rewards", "next_observations", "terminated")


skrl.logger.handlers.clear()  # it writes when Python ends, to a stream that pytest has closed by then


def transitions(memory: Any, steps: int, names: tuple[str, ...] = NAMES) -> list[list[Transition]]:
    columns = {name: memory.get_tensor_by_name(name)[:steps].swapaxes(0, 1) for name in names}
    return by_row(*(columns.get(name) for name in NAMES))


def train_sac(env: Any, steps: int) -> SAC:
    """SAC that has collected for so many steps and not learned yet."""
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    state = [{"name": "net", "input": "OBSERVATIONS", "layers": [16], "activations": "tanh"}]
    both = [{"name": "net", "input": "concatenate([OBSERVATIONS, ACTIONS])", "layers": [16], "activations": "tanh"}]
    models = {"policy": gaussian_model(**spaces, network=state, output="ACTIONS")}
    for name in ("critic_1", "critic_2", "target_critic_1", "target_critic_2"):
        models[name] = deterministic_model(**spaces, network=both, output="ONE")
    memory = RandomMemory(memory_size=steps, num_envs=env.num_envs, device=env.device)
    cfg = {"random_timesteps": steps, "learning_starts": steps, "batch_size": 64}
    agent = SAC(models=models, memory=memory, cfg=cfg, **spaces)
    SequentialTrainer(env=env, agents=agent, cfg={"timesteps": steps, "headless": True}).train()
    return agent


def test_ppo_learns_from_every_transition(run_program: Program, witness: Witness) -> None:
    memory = run_program("ppo_skrl")["memory"]
    assert_same(transitions(memory, 32, tuple(name for name in NAMES if name != "next_observations")), witness.rows)


def test_sac_on_a_single_environment_gets_every_transition(witness: Witness) -> None:
    agent = train_sac(wrap_env(gym.make("gan_env/Points-v1")), 60)
    assert_same(transitions(agent.memory, 60), witness.rows)


def parameters_after_an_update(agent: SAC) -> dict[str, torch.Tensor]:
    twin = copy.deepcopy(agent)
    torch.manual_seed(1)
    twin.update(timestep=0, timesteps=1)
    return {f"{name}.{key}": value for name, model in twin.models.items() for key, value in model.state_dict().items()}


def test_sac_learns_nothing_from_the_observation_behind_an_end(witness: Witness) -> None:
    """Of a vector environment all else is right, and whatever stands there the networks become the same."""
    agent = train_sac(wrap_env(gym.make_vec("gan_env/Points-v1", num_envs=4)), 30)
    learned = transitions(agent.memory, 30)
    assert_same(without_last_obs(learned), witness.rows)
    with pytest.raises(AssertionError, match="next_obs"):
        assert_same(learned, witness.rows)
    expected = parameters_after_an_update(agent)
    next_obs, ended = (agent.memory.get_tensor_by_name(name) for name in ("next_observations", "terminated"))
    next_obs[ended[..., 0]] = 5.0
    assert all(torch.equal(value, expected[name]) for name, value in parameters_after_an_update(agent).items())
    next_obs[~ended[..., 0]] = 5.0
    assert not all(torch.equal(value, expected[name]) for name, value in parameters_after_an_update(agent).items())
