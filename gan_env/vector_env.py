"""The environment: N GAN training runs as N episodes, natively batched. It calls the other parts in order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from gan_env.config import env_config, find_device, to_dict
from gan_env.data.bank import DataBank
from gan_env.errors import ConfigError, require
from gan_env.gan.population import Population
from gan_env.gan.trainer import train_interval, untrained
from gan_env.gan.update import PopulationConfig
from gan_env.mdp.instances import Instance, InstanceSet
from gan_env.mdp.knobs import KnobSet
from gan_env.mdp.observation import Observer
from gan_env.mdp.progress import Progress
from gan_env.mdp.resets import Seeds, rows_to_reset, seeds_of_rows
from gan_env.mdp.rewards import Reward
from gan_env.metrics.judge import make_judge
from gan_env.records import to_host
from gan_env.resume import require_same, require_same_form

Array = NDArray[np.float32]


class GANVectorEnv(VectorEnv[Array, Array, Any]):
    """N GAN training runs, one a row; `gan_env.GANEnv` documents the decision process.

    A row depends only on its own seed, instance and actions: not on the other rows nor, except for rounding, on N.

    ## Seeds and options
    `reset(seed=s)` gives row i the seed s + i (a sequence gives each its own): the row draws an instance from the
    instance set and a GAN seed from it, and draws the next ones at each later reset. `reset(options=...)` takes

    | key | value |
    |---|---|
    | `"instance"` | an index, an `Instance`, a mapping of fields that differ from instance 0, or a list of N of these |
    | `"knobs"` | a mapping knob -> value (a number, or one a row) at which the controlled knobs start |
    | `"reset_mask"` | bool [N]: which rows to reset (with `AutoresetMode.DISABLED`) |

    A reset that is refused changes nothing.

    ## Autoreset
    SAME_STEP: a row that ends is reset in the same step, and infos are those of Gymnasium's `SyncVectorEnv`. The last
    observation and infos of the rows that ended are in `infos["final_obs"]` ([N, F], valid where `infos["_final_obs"]`)
    and `infos["final_info"]`, while `log_metric` and `score` of such a row are those of its new run. A value is 0 and
    its mask False where a row has none; a key that no row has is left out.

    DISABLED: a row that has ended stays so until it is reset. While others continue it still trains, but that means
    nothing: its reward is 0, its termination stays True. A step is refused when no row has a run.

    Args:
        num_envs: N.
        preset: a name in `gan_env.PRESETS`, such as "points" or "cifar10".
        autoreset_mode: SAME_STEP or DISABLED.
        max_episode_steps: what `gymnasium.make_vec` passes; episodes end by themselves, so it has to be None.
        **overrides: fields of `EnvConfig`.

    Attributes:
        config: the resolved options.
        current_instances: what each row is training, N `Instance`s.
        gan_updates: GAN updates of all rows since the environment was made.
        instances: the instance set of the split; `knobs`, `observer`, `judge`: knob table, statistics, metric.

    Raises:
        ConfigError: an option is unknown or out of range.
        DataError: a data set can't be had.

    Example:
        >>> import gymnasium as gym, gan_env
        >>> envs = gym.make_vec("gan_env/Points-v0", num_envs=4, num_decisions=2, updates_per_decision=1, compile=False)
        >>> obs, infos = envs.reset(seed=0)
        >>> obs, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
        >>> rewards.shape
        (4,)
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        preset: str = "points",
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        **overrides: Any,
    ) -> None:
        self.config = config = env_config(preset, **overrides)
        whole = isinstance(num_envs, int | np.integer) and num_envs >= 1
        require(whole, "num_envs", num_envs, "a whole number, at least 1")
        modes = (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED)
        require(autoreset_mode in modes, "autoreset_mode", autoreset_mode, " or ".join(map(str, modes)))
        ends = "None: an episode ends after num_decisions, which is part of the task"
        require(max_episode_steps is None, "max_episode_steps", max_episode_steps, ends)
        self.num_envs = num_envs
        self.metadata = {**type(self).metadata, "autoreset_mode": autoreset_mode}
        self.device = find_device(config.device)

        self.knobs = KnobSet(config, self.device)
        self.observer = Observer(config.observation, list(config.knobs))
        reward = Reward(config.reward, config.crash_penalty)
        coordinates = self.knobs.initial.repeat(num_envs, 1)
        self._progress = Progress(self.observer, reward, config.num_decisions, coordinates)
        self.instances = InstanceSet(config, config.split)
        self.bank = DataBank(config.datasets, config.data_root, config.image_size, self.device)
        self.bank.require_held_out(config.metric_samples)
        self.judge = make_judge(self.bank.datasets, config.metric_samples)
        sizes = PopulationConfig(
            latent_dim=config.latent_dim,
            width=max(config.instances.width_g[1], config.instances.width_d[1]),
            depth=config.depth,
            batch_size=config.instances.batch_size[1],
            ema_decay=config.ema_decay,
            knobs=self.knobs.active,
            losses=config.losses,
            architecture=config.architecture,
        )
        self.population = Population(self.bank, sizes, num_envs, config.compile)

        self.single_observation_space = self.observer.space
        self.single_action_space = Box(-1.0, 1.0, (len(config.knobs),), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self.gan_updates = 0
        self._ended = np.ones(num_envs, bool)  # rows without a run: it has ended, or none was ever started
        self._generators = [np_random(None)[0] for _ in range(num_envs)]
        self.current_instances: list[Instance] = [self.instances[0]] * num_envs

    # --- Gymnasium's interface ---

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Starts new runs in all rows, or in those of `options["reset_mask"]`; see the class.

        Raises:
            ConfigError: a seed or an option is unknown, of the wrong type or out of range.
        """
        options, rows = dict(options or {}), self.num_envs
        mask = rows_to_reset(options.pop("reset_mask", np.ones(rows, bool)), rows)
        seeds = seeds_of_rows(seed, rows)
        pinned = self.instances.pin_rows(options.pop("instance", None), rows)
        start = self.knobs.starting_at(options.pop("knobs", {}), rows)
        require(not options, "options", options, "the keys 'instance', 'knobs' and 'reset_mask'")
        # Nothing is refused from here on.
        for row in np.flatnonzero(mask):
            if seeds[row] is not None:
                self._generators[row] = np_random(seeds[row])[0]
        obs, infos = self._start(mask, pinned, start)
        return obs, masked(infos, mask)

    def step(self, actions: Array) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Moves the knobs, trains every GAN for one interval and judges it.

        Args:
            actions: [N, K] in [-1, 1].

        Raises:
            ConfigError: no row has a run (call `reset` first), or actions are of another shape, or not finite.
        """
        if self._ended.all():
            raise ConfigError(f"step: none of the {self.num_envs} rows has a run: call reset first")
        actions = np.asarray(actions, np.float32)
        shape = self.action_space.shape
        require(actions.shape == shape, "actions.shape", actions.shape, str(shape))
        require(bool(np.isfinite(actions).all()), "actions", actions, "finite numbers")
        moves, progress = torch.from_numpy(actions).to(self.device), self._progress
        progress.coordinates = self.knobs.move(progress.coordinates, moves, first=progress.decision == 0)
        values = self.knobs.values(progress.coordinates)
        stats = train_interval(self.population, values, self.config.updates_per_decision)
        self.gan_updates += self.num_envs * self.config.updates_per_decision
        quality = self.population.judge(self.judge, self.config.metric_samples)
        columns = progress.advance(stats, quality, self.population.settings)
        columns |= {f"knob_{name}": values[name] for name in self.config.knobs}
        host = to_host(columns)

        obs, reward = host.pop("obs"), host.pop("reward")
        ended = host.pop("ended").astype(bool) | self._ended
        reward[self._ended] = 0
        self._ended = ended.copy()
        host["crashed"] = host["crashed"].astype(bool)
        infos = masked(host, np.ones(self.num_envs, bool))
        if ended.any() and self.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP:
            final = {"final_obs": obs, "final_info": masked(host, ended)}
            final |= {"_final_obs": ended.copy(), "_final_info": ended.copy()}
            obs, fresh = self._start(ended, [None] * self.num_envs, self.knobs.starting_at({}, self.num_envs))
            started = {name: np.where(ended, column, host[name]) for name, column in fresh.items()}
            infos = masked(host, ~ended) | masked(started, np.ones(self.num_envs, bool)) | final
        return obs, reward, ended, np.zeros(self.num_envs, bool), infos

    # --- beyond Gymnasium ---

    def samples(self, count: int) -> NDArray[np.float32]:
        """Samples of every row's averaged generator from fixed latents: [N, count, *shape] in units of data."""
        drawn = self.population.sample(max(count, self.config.metric_samples))[:, :count]  # that many are compiled
        return drawn.cpu().numpy()  # type: ignore[no-any-return]

    def coordinates(self) -> NDArray[np.float32]:
        """The controlled knobs of every row: [N, K] in [0, 1]."""
        return self._progress.coordinates.cpu().numpy().copy()  # type: ignore[no-any-return]

    def get_state(self) -> dict[str, Any]:
        """The complete state: weights, moments, seeds, statistics, knobs. Save it with `torch.save`."""
        return {
            "origin": {"num_envs": self.num_envs, "env": to_dict(self.config)},
            "population": self.population.get_state(),
            "progress": self._progress.get_state(),
            "generators": [generator.bit_generator.state for generator in self._generators],
            "instances": [vars(instance) for instance in self.current_instances],
            "ended": self._ended.copy(),
            "gan_updates": self.gan_updates,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave, as if nothing had happened since.

        Raises:
            ConfigError: the state is from an environment with other rows, options or version; nothing is changed.
        """
        own, again = self.get_state(), "Make the same environment, or start the run anew"
        require(isinstance(state, dict), "state", type(state).__name__, "what `get_state` gave")
        if isinstance(state.get("origin"), dict):
            require_same("the run of the snapshot", state["origin"], own["origin"], again)
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
        self._generators, self.current_instances = generators, instances
        self._ended = state["ended"].copy()
        self.gan_updates = state["gan_updates"]

    # --- inside ---

    def _start(
        self, mask: NDArray[np.bool_], pinned: Sequence[Instance | None], start: Tensor
    ) -> tuple[Array, dict[str, Array]]:
        """Draws the instance (unless one is pinned) and the GAN seed of some rows and starts their runs.

        Args:
            mask: the rows to start, bool [N].
            pinned: the pinned instance of each row, [N].
            start: where the knobs start, [N, K] in [0, 1].

        Returns:
            On the host: observations of all rows [N, F], and infos [N] that hold for the rows that were started.
        """
        drawn = []
        for row in np.flatnonzero(mask).tolist():
            index, gan_seed = self._generators[row].integers([len(self.instances), 2**62]).tolist()
            self.current_instances[row] = pinned[row] or self.instances[index]
            drawn.append((gan_seed, self.current_instances[row]))
        rows = torch.from_numpy(np.flatnonzero(mask)).to(self.device)
        self.population.reset(rows, self.instances.settings(drawn, self.bank.sizes_host, self.device))
        fresh = torch.from_numpy(mask).to(self.device)
        self._progress.coordinates = torch.where(fresh[:, None], start, self._progress.coordinates)
        self._ended[mask] = False
        stats = untrained(self.population, self.knobs.values(self._progress.coordinates))
        quality = self.population.judge(self.judge, self.config.metric_samples)
        infos = to_host(self._progress.start(fresh, stats, quality, self.population.settings))
        return infos.pop("obs"), infos


def masked(columns: Mapping[str, NDArray[Any]], mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Gymnasium's vector infos: each column, 0 where the mask is False, and the mask; empty if the mask is False."""
    infos: dict[str, Any] = {}
    for name, column in columns.items() if mask.any() else ():
        infos |= {name: np.where(mask, column, np.zeros_like(column)), f"_{name}": mask.copy()}
    return infos
