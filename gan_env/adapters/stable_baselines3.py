"""Our vector environment as a stable-baselines3 `VecEnv`, and a trained model as a policy of ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from gan_env import Fleet, GANVectorEnv
from gan_env.errors import needs, require
from gan_env.policies.steering import EpisodeStart, State
from gan_env.records import Float32

with needs("sb3"):
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn


class SB3VecEnv(VecEnv):
    """Our vector environment with stable-baselines3's interface: one `done`, and infos as a list of dicts.

    Args:
        env: with SAME_STEP autoreset, or `reset` refuses it.
        seed: seed of the first reset, or one for each row. A model that is made with a seed of its own overrides it.
    """

    def __init__(self, env: GANVectorEnv | Fleet, seed: int | Sequence[int]) -> None:
        many = "many rows: a gan_env.GANVectorEnv; a single environment needs no adapter"
        require(isinstance(env, VectorEnv), "env", type(env).__name__, many)
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.seed(seed)

    def seed(self, seed: int | Sequence[int] | None = None) -> Sequence[int | None]:
        """Seeds of the next reset: row i gets seed + i, or the i-th of a sequence."""
        if not isinstance(seed, Sequence):
            return super().seed(seed)
        require(len(seed) == self.num_envs, "seed", seed, f"one seed, or a sequence of {self.num_envs}")
        self._seeds = list(seed)
        return self._seeds

    def set_options(self, options: Any = None) -> None:
        """Options of the next reset: one mapping for all rows, as `GANVectorEnv.reset` takes it."""
        fits = options is None or isinstance(options, dict)
        require(fits, "options", options, "one mapping for all rows, as GANVectorEnv.reset takes it")
        super().set_options(options)

    def reset(self) -> VecEnvObs:
        """Starts all rows; what the last calls of `seed` and `set_options` gave is used once."""
        mode = self.env.metadata["autoreset_mode"]
        same_step = mode is AutoresetMode.SAME_STEP
        require(same_step, "env", mode, "an environment made with AutoresetMode.SAME_STEP, which is the default")
        observation, _ = self.env.reset(seed=list(self._seeds), options=self._options[0])
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Steps all rows."""
        obs, rewards, terminated, _, infos = self.env.step(self._actions)
        listed: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(terminated):
            final = {k: v[row] for k, v in infos["final_info"].items() if k[0] != "_"}
            listed[row] = {"terminal_observation": infos["final_obs"][row], "TimeLimit.truncated": False, **final}
        return obs, rewards, terminated, listed

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture a row, or None without a render mode."""
        return list(self.env.render() or [None] * self.num_envs)

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's attribute, once a row."""
        return [getattr(self.env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Rows share one environment, so an attribute is set for all of them."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Calls a method of the environment once and gives its result for each row."""
        result = getattr(self.env, method_name)(*args, **kwargs)
        return [result for _ in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """No row is wrapped."""
        return [False for _ in self._get_indices(indices)]


class SB3Policy:
    """A stable-baselines3 model with its normalisation, as one of our policies: observations come in raw."""

    def __init__(self, model: BaseAlgorithm, normalize: VecNormalize) -> None:
        self.model, self.normalize = model, normalize

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """The model's action for raw observations [N, F].

        A recurrent model's state is a pair of [layers, N, units]; rows where an episode starts forget theirs.
        """
        normalized = self.normalize.normalize_obs(observation)
        action, state = self.model.predict(normalized, state, episode_start, deterministic)  # type: ignore[arg-type, assignment]
        return action, state
