"""Snapshots and copies of the vector environment: everything that a run changes, out and in."""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

from gan_env.config import EnvConfig
from gan_env.errors import ConfigError, require
from gan_env.files import from_bytes, to_bytes
from gan_env.gan.population import Population
from gan_env.instance_lists import Instance
from gan_env.mdp.curves import Curves
from gan_env.mdp.instances import InstanceSet
from gan_env.mdp.progress import Progress
from gan_env.records import Float32, to_host
from gan_env.resume import require_same, require_same_form
from gan_env.strict import to_dict
from gan_env.workers import torch_defaults

SPACES = ("observation_space", "action_space", "single_observation_space", "single_action_space")
"""Attributes whose random state a copy takes over."""


class Snapshots:
    """What `GANVectorEnv` can do with its state; the attributes are the environment's."""

    num_envs: int
    config: EnvConfig
    instances: InstanceSet
    population: Population
    current_instances: list[Instance]
    gan_updates: int
    _progress: Progress
    _curves: Curves
    _generators: list[np.random.Generator]
    _pinned: list[Instance | None]
    _ended: NDArray[np.bool_]
    _own_names: frozenset[str]
    _make_again: Callable[[], Any]

    def get_state(self) -> dict[str, Any]:
        """The complete state: weights, moments, seeds, statistics, knobs. `gan_env.files.save_checkpoint` saves it."""
        return {
            "origin": {"num_envs": self.num_envs, "env": to_dict(self.config)},
            "population": self.population.get_state(),
            "progress": self._progress.get_state(),
            "curves": self._curves.get_state(),
            "generators": [generator.bit_generator.state for generator in self._generators],
            "instances": [vars(instance) for instance in self.current_instances],
            "pinned": [instance is not None for instance in self._pinned],
            "ended": self._ended.copy(),
            "gan_updates": self.gan_updates,
        }

    @torch_defaults()
    def set_state(self, state: dict[str, Any]) -> Float32:
        """Continues from what `get_state` gave, as if nothing had happened since.

        Returns:
            The observations of that moment, [N, F].

        Raises:
            ConfigError: the state is from an environment with other rows, options or version; nothing is changed.
        """
        own, again = self.get_state(), "Make the same environment, or start the run anew"
        require(isinstance(state, dict), "state", type(state).__name__, "what `get_state` gave")
        if isinstance(state.get("origin"), dict):
            require_same("the run of the snapshot", state["origin"], own["origin"], again)
            own["origin"] = state["origin"]  # some options may differ
        require_same_form("snapshot", state, own)
        instances = [self.instances.pin(fields) for fields in state["instances"]]
        generators = [np_random(0)[0] for _ in range(self.num_envs)]
        try:
            for generator, saved in zip(generators, state["generators"], strict=True):
                generator.bit_generator.state = saved
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise ConfigError(f"snapshot.generators can't be used ({error}): it is damaged. {again}") from error
        # Nothing is refused from here on.
        self.population.set_state(state["population"])
        self._progress.set_state(state["progress"])
        self._progress.parameters = self.population.parameters()
        self._curves.set_state(state["curves"])
        self._generators, self.current_instances = generators, instances
        self._pinned = [one if pinned else None for one, pinned in zip(instances, state["pinned"], strict=True)]
        self._ended = state["ended"].copy()
        self.gan_updates = state["gan_updates"]
        return to_host({"obs": self._progress.observation})["obs"]

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()], dict[str, Any]]:
        """For `pickle` and `copy.deepcopy`: make the same environment and continue there; data are read anew.

        The run is bytes, since `multiprocessing` would share tensors, which are gone when a spawned process reads them.
        """
        kept = {name: value for name, value in vars(self).items() if name not in self._own_names or name in SPACES}
        return self._make_again, (), {"run": to_bytes(self.get_state()), "paired": self.population.paired, **kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes over what `__reduce__` gave."""
        self.set_state(from_bytes(state.pop("run")))
        self.population.paired = state.pop("paired")
        vars(self).update(state)
