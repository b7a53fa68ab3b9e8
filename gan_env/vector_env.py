"""The environment: N GAN training runs as N episodes, natively batched. It calls the other parts in order."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import logger
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch import Tensor

from gan_env.config import env_config, find_device
from gan_env.data.bank import DataBank
from gan_env.errors import ConfigError, require
from gan_env.gan.population import Population
from gan_env.gan.trainer import train_interval
from gan_env.gan.update import PopulationConfig
from gan_env.instance_lists import Instance
from gan_env.mdp.curves import Curves
from gan_env.mdp.infos import joined, masked
from gan_env.mdp.instances import InstanceSet, as_columns
from gan_env.mdp.knobs import RATES, KnobSet
from gan_env.mdp.observation import Observer
from gan_env.mdp.progress import Progress
from gan_env.mdp.rendering import POINTS, draw_run, shown
from gan_env.mdp.resets import (
    Seeds,
    checked_actions,
    checked_mode,
    checked_options,
    checked_rows,
    rows_to_reset,
    seeds_of_rows,
)
from gan_env.mdp.rewards import Reward
from gan_env.mdp.steps import relative_rates
from gan_env.metrics.judge import make_judge
from gan_env.records import Float32, TrainStats, to_host
from gan_env.snapshots import Snapshots
from gan_env.strict import to_dict
from gan_env.workers import torch_defaults


class GANVectorEnv(Snapshots, VectorEnv[Float32, Float32, Any]):
    """N GAN training runs, one a row; `gan_env.GANEnv` documents the decision process.

    A row depends only on its own seed, instance and actions, not on the other rows: to the last bit on a CPU with two
    or more rows. Single rows, and rows on a GPU, may round differently.

    ## Seeds and options
    `reset(seed=s)` gives row i the seed s + i (a sequence gives each its own): from it the row draws an instance of the
    instance set and a GAN seed, and at each later reset the next ones. `reset(options=...)` takes

    | key | value |
    |---|---|
    | `"instance"` | an index, an `Instance`, a mapping of fields that differ from instance 0, or None; or a list of N |
    | `"knobs"` | a mapping knob -> value (a number, or one a row) at which the controlled knobs start |
    | `"reset_mask"` | bool [N]: which rows to reset (with `AutoresetMode.DISABLED`) |

    An instance stays with its row, through autoreset and later resets, until the row is given another; with None it
    draws again. A reset that is refused changes nothing; but where a metric of your own has no finite value for a new
    generator, rows are left without a run.

    ## Autoreset
    The three modes of Gymnasium, step by step those of its `SyncVectorEnv`, infos included. A value in `infos` is 0 and
    its mask False where a row has none; a key that no row has is left out.

    - SAME_STEP (default): a row that ends is reset in the same step. Observation and infos are those of its new run;
      the last ones of the old run are in `infos["final_obs"]` ([N, F], valid where `infos["_final_obs"]`) and
      `infos["final_info"]`.
    - NEXT_STEP: it is reset in the next step, which ignores its action and rewards it with 0.
    - DISABLED: its reward is 0 and its termination stays True; its other outputs mean nothing until it is reset.

    SAME_STEP is the default because then every action and every reward counts. While others continue, a row that has
    ended still trains, to no effect; a step in which all are reset trains none. A step is refused when no row has a run
    and none is about to be reset.

    ## Rendering
    `render_mode="rgb_array"`: `render()` gives a picture a row, uint8 [432, 768, 3]: samples (points over the data,
    images as a grid) beside the curves of the metric and the knobs so far.

    ## Copies, snapshots and the end
    `pickle` and `copy.deepcopy` make an environment that continues bit for bit; so does `set_state(get_state())`
    in another environment with the same options. A copy has the attributes that you added; an attribute of the
    environment that you replaced, such as `judge`, is made anew. After `close()` it can't be used. It works in
    processes that are forked, such as those of `AsyncVectorEnv`; where the parent has used a GPU, they need
    `context="spawn"`.

    Args:
        num_envs: N.
        preset: a name in `gan_env.PRESETS`, such as "points" or "cifar10".
        autoreset_mode: an `AutoresetMode`, its name or its value: "SAME_STEP" and "SameStep" are one.
        max_episode_steps: what `gymnasium.make_vec` passes; episodes end by themselves, so it has to be None.
        render_mode: None or "rgb_array".
        **overrides: fields of `EnvConfig`.

    Attributes:
        config: the resolved options; `autoreset_mode`, `render_mode`: those of the environment.
        observation_names, action_names: of the entries of an observation and of an action.
        current_instances: what each row is training, N `Instance`s.
        gan_updates: GAN updates of all rows since the environment was made.
        instances: the instance set of the split; `knobs`, `observer`, `judge`: knob table, statistics, metric.

    Raises:
        ConfigError: an option is out of range, or unknown (that is a `TypeError` as well).
        DataError: a data set is unavailable.

    Example:
        >>> import gymnasium as gym, gan_env
        >>> envs = gym.make_vec("gan_env/Points-v1", num_envs=4, num_decisions=2, updates_per_decision=1, compile=False)
        >>> obs, infos = envs.reset(seed=0)
        >>> obs, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
        >>> rewards.shape
        (4,)
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

    @torch_defaults()
    def __init__(
        self,
        num_envs: int = 1,
        preset: str = "points",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **overrides: Any,
    ) -> None:
        before = vars(self).keys() - getattr(self, "_own_names", set())  # what a subclass has set
        self.config = config = env_config(preset, **overrides)
        num_envs = checked_rows(num_envs)
        self.autoreset_mode, self.render_mode = checked_mode(autoreset_mode), render_mode
        require(render_mode in (None, "rgb_array"), "render_mode", render_mode, "None or 'rgb_array'")
        ends = "None: an episode ends after num_decisions, which is part of the task"
        require(max_episode_steps is None, "max_episode_steps", max_episode_steps, ends)
        self._make_again = partial(
            _make, type(self), num_envs, preset, autoreset_mode, None, render_mode, **to_dict(config)
        )
        self.num_envs = num_envs
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.device = find_device(config.device)

        self.knobs = KnobSet(config, self.device)
        self.observer = Observer(config.observation, config.knobs, config.losses)
        reward = Reward(config.reward, config.crash_penalty)
        coordinates = self.knobs.initial.repeat(num_envs, 1)
        self._progress = Progress(self.observer, reward, config, coordinates)
        self._curves = Curves(num_envs, config.num_decisions, config.knobs)
        self.instances = InstanceSet(config, config.split)
        self.bank = DataBank(config.datasets, config.data_root, config.image_size, self.device)
        self.bank.require_held_out(config.metric_samples)
        self.judge = make_judge(self.bank.datasets, config.metric_samples, config.metric)
        sizes = PopulationConfig.of(config, self.knobs.active)
        self.population = Population(self.bank, sizes, num_envs, config.compile)

        self.observation_names, self.action_names = list(self.observer.names), list(config.knobs)
        self.single_observation_space = self.observer.space
        self.single_action_space = Box(-1.0, 1.0, (len(config.knobs),), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self.gan_updates = 0
        self._ended = np.ones(num_envs, bool)  # rows without a run: it has ended, or none was ever started
        self._generators = [np_random(None)[0] for _ in range(num_envs)]
        self._pinned: list[Instance | None] = [None] * num_envs
        self.current_instances: list[Instance] = [self.instances[0]] * num_envs
        self._own_names = frozenset(vars(self).keys() - before | {"_own_names"})

    # --- Gymnasium's interface ---

    @torch_defaults()
    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Float32, dict[str, Any]]:
        """Starts new runs in all rows, or in those of `options["reset_mask"]`; see the class.

        Raises:
            ConfigError: a seed or an option is unknown, of the wrong type or out of range, or it is closed.
        """
        self._require_open()
        options, rows = checked_options(options), self.num_envs
        mask = rows_to_reset(options.pop("reset_mask", np.ones(rows, bool)), rows)
        seeds = seeds_of_rows(seed, rows)
        pins = self.instances.pin_rows(options.pop("instance"), rows) if "instance" in options else self._pinned
        start = self.knobs.starting_at(options.pop("knobs", {}), rows)
        require(not options, "options", options, "the keys 'instance', 'knobs' and 'reset_mask'")
        # From here on only a metric without a value is refused.
        if not isinstance(seed, Sequence | np.ndarray):
            super().reset(seed=seeds[0])  # Gymnasium's own generator, and `np_random_seed`
        for row in np.flatnonzero(mask):
            if seeds[row] is not None:
                self._generators[row] = np_random(seeds[row])[0]
        self._pinned = [new if fresh else old for new, old, fresh in zip(pins, self._pinned, mask, strict=True)]
        obs, infos = self._start(mask, start)
        return obs, masked(infos, mask)

    @torch_defaults()
    def step(self, actions: Float32) -> tuple[Float32, Float32, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Moves the knobs, trains every GAN for one interval and judges it.

        Args:
            actions: [N, K] in [-1, 1].

        Raises:
            ConfigError: no row has a run (call `reset` first), actions are of another shape or not finite, the
                environment is closed, or the metric of a new run has no value.
        """
        self._require_open()
        over, mode = self._ended.copy(), self.autoreset_mode
        resets_alone = mode is AutoresetMode.NEXT_STEP and bool(self._curves.taken.any())  # there were runs
        if over.all() and not resets_alone:
            raise ConfigError(f"step: none of the {self.num_envs} rows has a run: call reset first")
        actions = checked_actions(actions, self.action_space.shape)
        nobody = np.zeros(self.num_envs, bool)
        if over.all():  # nothing to train
            obs, fresh = self._start(over, self.knobs.initial)
            return obs, nobody.astype(np.float32), nobody.copy(), nobody, masked(fresh, over)

        obs, reward, ended, columns = self._train(torch.from_numpy(actions).to(self.device))
        self._curves.advance(~over, columns)
        reward[over] = 0
        ended |= over
        self._ended = ended.copy()
        resets = {AutoresetMode.SAME_STEP: ended, AutoresetMode.NEXT_STEP: over, AutoresetMode.DISABLED: nobody}[mode]
        infos = masked(columns, ~resets)
        if resets.any():
            last = obs
            obs, fresh = self._start(resets, self.knobs.initial)
            infos = joined(infos, masked(fresh, resets))
            if mode is AutoresetMode.SAME_STEP:
                infos |= masked({"final_obs": last, "final_info": columns}, ended)
            else:
                ended &= ~over
        return obs, reward, ended, nobody, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One picture a row, uint8 [H, W, 3]: samples beside the curves so far; None without a render mode."""
        self._require_open()
        if self.render_mode is None:
            logger.warn("render: there is no render mode: give render_mode='rgb_array' when you make the environment")
            return None
        samples, curves, total = self.samples(shown(self.bank.sample_shape)), self._curves, self.config.num_decisions
        pictures = []
        for row, instance in enumerate(self.current_instances):
            held_out = self.bank.datasets[self.instances.datasets.index(instance.dataset)].held_out
            points = held_out[:POINTS].cpu().numpy() if held_out.dim() == 2 else None
            knobs = {name: (self.knobs.table[name], values[row]) for name, values in curves.knobs.items()}
            state = f"decision {curves.taken[row]}/{total}{', crashed' if curves.crashed[row] else ''}"
            pictures.append(draw_run(instance.title(), state, samples[row], points, curves.log_metric[row], knobs))
        return tuple(pictures)

    # --- beyond Gymnasium ---

    @torch_defaults()
    def samples(self, count: int) -> Float32:
        """Samples of every row's averaged generator from fixed latents: [N, count, *shape] in units of data."""
        self._require_open()
        require(count >= 1, "count", count, "at least 1")
        drawn = self.population.sample(max(count, self.config.metric_samples))  # batch normalisation looks at them all
        return drawn[:, :count].contiguous().cpu().numpy()  # type: ignore[no-any-return]  # without those left out

    def coordinates(self) -> Float32:
        """The controlled knobs of every row: [N, K] in [0, 1]."""
        return self._progress.coordinates.cpu().numpy().copy()  # type: ignore[no-any-return]

    def training_values(self, knobs: dict[str, Tensor], rows: Tensor | slice = slice(None)) -> dict[str, Tensor]:
        """What an interval trains with, [n] by knob: the values of the knobs, rates times the factors of the rule.

        Args:
            knobs: value by knob, [n], as `knobs.values` gives them.
            rows: which rows of the environment these are.
        """
        return knobs | {rate: knobs[rate] * self._progress.bases[rows, i] for i, rate in enumerate(RATES)}

    # --- inside ---

    def _require_open(self) -> None:
        if self.closed:
            raise ConfigError("the environment is closed, so nothing can be done with it: make a new one")

    def _train(self, moves: Tensor) -> tuple[Float32, Float32, NDArray[np.bool_], dict[str, NDArray[Any]]]:
        """Moves the knobs of all rows by actions [N, K], trains them for an interval and judges them.

        Returns:
            On the host: observations [N, F], rewards, ends and infos, [N] each.
        """
        progress = self._progress
        progress.coordinates = self.knobs.move(progress.coordinates, moves, progress.decision == 0, progress.steps)
        knobs = self.knobs.values(progress.coordinates)
        values = self.training_values(knobs)
        stats = train_interval(self.population, values, self.config.updates_per_decision)
        self.gan_updates += self.num_envs * self.config.updates_per_decision
        quality = self.population.judge(self.judge, self.config.metric_samples)
        rates = self._rates(values, progress.parameters)
        columns = progress.advance(stats, quality, self.population.settings, *rates)
        columns |= {f"knob_{name}": knobs[name] for name in self.config.knobs}
        host: dict[str, NDArray[Any]] = {**to_host(columns)}
        host["crashed"] = host["crashed"].astype(bool)
        return host.pop("obs"), host.pop("reward"), host.pop("ended").astype(bool), host

    def _rates(self, values: dict[str, Tensor], parameters: Tensor) -> tuple[Tensor, Tensor]:
        """`relative_rates` of both players and their factors on the instance's rates, by numbers of weights, [N, 2]."""
        settings, factors = self.population.settings, torch.stack([values[rate] for rate in RATES], dim=1)
        rates = torch.stack([settings.lr_g, settings.lr_d], dim=1) * factors
        return relative_rates(rates, self.population.weights(), parameters), factors

    def _start(self, mask: NDArray[np.bool_], start: Tensor) -> tuple[Float32, dict[str, Any]]:
        """Draws the instance (unless one is pinned) and the GAN seed of some rows and starts their runs.

        Args:
            mask: the rows to start, bool [N].
            start: where the knobs start, [N, K] or [K] in [0, 1].

        Returns:
            On the host: observations of all rows [N, F], and infos [N] that hold for the rows that were started.
        """
        drawn, gan_seeds = [], np.zeros(self.num_envs, np.int64)
        for row in np.flatnonzero(mask).tolist():
            index, gan_seed = self._generators[row].integers([len(self.instances), 2**62]).tolist()
            gan_seeds[row] = gan_seed
            self.current_instances[row] = self._pinned[row] or self.instances[index]
            drawn.append((gan_seed, self.current_instances[row]))
        rows = torch.from_numpy(np.flatnonzero(mask)).to(self.device)
        self.population.reset(rows, self.instances.settings(drawn, self.bank.sizes_host, self.device))
        fresh = torch.from_numpy(mask).to(self.device)
        self._progress.coordinates = torch.where(fresh[:, None], start, self._progress.coordinates)
        values = self.knobs.values(self._progress.coordinates)
        stats = TrainStats.untrained(*self.population.clean_logits(values))
        quality = self.population.judge(self.judge, self.config.metric_samples)
        settings, parameters = self.population.settings, self.population.parameters()
        rates = self._rates(values, parameters)
        infos: dict[str, Any] = {**to_host(self._progress.start(fresh, stats, quality, settings, parameters, *rates))}
        first = infos["log_metric"][mask]
        expected = "a finite number, with which the later ones are compared"
        require(bool(np.isfinite(first).all()), "the log metric of untrained generators", first.tolist(), expected)
        self._ended[mask] = False
        self._curves.start(mask, infos)
        return infos.pop("obs"), infos | {"gan_seed": gan_seeds, "instance": as_columns(self.current_instances)}


def _make(kind: type[GANVectorEnv], *arguments: Any, **options: Any) -> GANVectorEnv:
    """An environment for a copy. The `__init__` of a subclass isn't called; a copy gets the attributes it set."""
    env = kind.__new__(kind)
    GANVectorEnv.__init__(env, *arguments, **options)
    return env
