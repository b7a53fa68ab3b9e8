"""Many vector environments as one Gymnasium vector environment, in this process or on Ray."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from gan_env.errors import ConfigError, require
from gan_env.files import save_checkpoint
from gan_env.fleet.infos import cut_options, join_infos
from gan_env.fleet.members import Call, LocalMembers, Members, checked_members
from gan_env.instance_lists import Instance
from gan_env.mdp.instances import InstanceSet
from gan_env.mdp.knobs import KnobSet
from gan_env.mdp.observation import Observer
from gan_env.mdp.resets import Seeds, checked_actions, checked_mode, checked_options, rows_to_reset, seeds_of_rows
from gan_env.records import Float32
from gan_env.resume import require_same
from gan_env.strict import to_dict
from gan_env.vector_env import GANVectorEnv


class Fleet(VectorEnv[Float32, Float32, Any]):
    """Members, each a `gan_env.GANVectorEnv` of its own options, as one vector environment.

    Members that are alike make one environment of as many rows, wherever they run: on CPUs of one kind a row's results
    are bit for bit those that it has in a single `GANVectorEnv`, however the rows are dealt out. Members that differ
    make a family on which one policy learns: they agree on the knobs, on how actions move them and on the names of the
    observation, and may differ in all else (data, networks, image size, horizon).

    Rows are those of the first member, then those of the second, and so on. Seeds, options, autoreset and infos are as
    `GANVectorEnv` documents them, for all rows; an index of an instance counts in each member's own set, and an info
    that only some members have is 0 and masked in the rows of the others. With `AutoresetMode.DISABLED`, a member whose
    rows have all ended waits for their reset: it repeats its last observation meanwhile, and has no infos.

    ## On Ray
    `placement="ray"` makes each member an actor of the cluster that runs, or of a Ray that is started on this machine.
    Actors step side by side, each with as many threads as it has CPUs. One that dies (killed, out of memory, its node
    gone) is started again and restored from its last snapshot, and the resets and steps since then are replayed: the
    run continues with the same bits. A member that dies `max_failures` times in the same call raises a `FleetError`;
    the state of the whole fleet before that call is then in `rescue_file`. Errors of a member itself pass at once.

    Args:
        members: for each member the arguments of its `GANVectorEnv`: `num_envs`, `preset` and fields of `EnvConfig`.
        placement: "local": in this process, one after the other, each on all cores. "ray": an actor each.
        autoreset_mode, render_mode: of all members.
        num_cpus, num_gpus: what Ray sets aside for each actor; fractions share one.
        snapshot_every: with Ray, decisions from one snapshot of all members to the next.
        max_failures: with Ray, how often in a row a member may die in the same call.
        rescue_file: with Ray, where the state is saved when a member has died too often. To continue, make the same
            fleet and call `set_state(gan_env.files.load_checkpoint(rescue_file))`.

    Attributes:
        config: the options of the first member, with the longest horizon of all.
        knobs, observer, instances: knob table, statistics and instance set of the first member.
        rows: the rows of each member, slices.
        observation_names, action_names: of each entry of an observation and of an action.

    Raises:
        ConfigError: an option is unknown or out of range, or members don't agree.
        PackageError: Ray is not installed.

    Example:
        >>> import gan_env
        >>> small = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
        >>> fleet = gan_env.Fleet([{"num_envs": 2, **small}, {"num_envs": 1, "losses": ["hinge"], **small}])
        >>> obs, infos = fleet.reset(seed=0)
        >>> obs, rewards, terminations, truncations, infos = fleet.step(fleet.action_space.sample())
        >>> rewards.shape
        (3,)
    """

    metadata: dict[str, Any] = GANVectorEnv.metadata

    def __init__(
        self,
        members: Sequence[Mapping[str, Any]],
        placement: Literal["local", "ray"] = "local",
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        num_cpus: float = 1,
        num_gpus: float = 0,
        snapshot_every: int = 10,
        max_failures: int = 3,
        rescue_file: str | Path = "fleet_rescue.pt",
    ) -> None:
        require(placement in ("local", "ray"), "placement", placement, "'local' or 'ray'")
        require(snapshot_every >= 1, "snapshot_every", snapshot_every, "at least 1")
        require(max_failures >= 1, "max_failures", max_failures, "at least 1")
        self.autoreset_mode, self.render_mode = checked_mode(autoreset_mode), render_mode
        common = {"autoreset_mode": self.autoreset_mode, "render_mode": render_mode}
        arguments, configs = checked_members(members, common)
        self.config = replace(configs[0], num_decisions=max(config.num_decisions for config in configs))
        self.knobs = KnobSet(self.config, torch.device("cpu"))
        self.observer = Observer(self.config.observation, self.config.knobs, self.config.losses)
        self.instances = InstanceSet(self.config, self.config.split)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        ends = list(accumulate(member["num_envs"] for member in arguments))
        self.rows = [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]
        self.num_envs = ends[-1]
        self.observation_names, self.action_names = list(self.observer.names), list(self.config.knobs)
        self.single_observation_space = self.observer.space
        self.single_action_space = Box(-1.0, 1.0, (len(self.config.knobs),), np.float32)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

        self._counts = [rows.stop - rows.start for rows in self.rows]
        made = zip(self._counts, configs, strict=True)
        alike = {str(index): {"num_envs": count, "env": to_dict(config)} for index, (count, config) in enumerate(made)}
        self._origin = {"autoreset_mode": self.autoreset_mode.name, "members": alike}  # plain: a file can hold it
        self._ended = np.ones(self.num_envs, bool)  # rows without a run, as in GANVectorEnv
        self._obs = np.zeros((self.num_envs, len(self.observer.names)), np.float32)  # the last one of every row
        self._members: Members
        if placement == "local":
            self._members = LocalMembers(arguments)
        else:
            from gan_env.fleet.ray_members import RayMembers  # needs the extra

            self._members = RayMembers(arguments, num_cpus, num_gpus, snapshot_every, max_failures, self._rescue)
            self._rescue_file = Path(rescue_file)

    # --- Gymnasium's interface ---

    def reset(self, *, seed: Seeds = None, options: dict[str, Any] | None = None) -> tuple[Float32, dict[str, Any]]:
        """Starts new runs in all rows, or in those of `options["reset_mask"]`; see `GANVectorEnv`.

        Raises:
            ConfigError: a seed or an option is unknown, of the wrong type or out of range. Nothing is changed.
        """
        self._require_open()
        options = checked_options(options)
        mask = rows_to_reset(options.pop("reset_mask", np.ones(self.num_envs, bool)), self.num_envs)
        seeds = seeds_of_rows(seed, self.num_envs)
        parts = cut_options(options, self.rows, self.num_envs)
        if not isinstance(seed, Sequence | np.ndarray):
            super().reset(seed=seeds[0])  # Gymnasium's own generator, and `np_random_seed`
        calls = {
            index: Call("reset", keywords={"seed": seeds[rows], "options": {**part, "reset_mask": mask[rows]}})
            for index, (rows, part) in enumerate(zip(self.rows, parts, strict=True))
            if mask[rows].any()
        }
        # A member checks its options and changes nothing if it refuses them, but others may have accepted theirs.
        before = self._members.get_state() if options and len(calls) > 1 else None
        try:
            results = self._members.call(calls)
        except ConfigError:
            if before is not None:
                self._members.set_state(before)
            raise
        self._ended &= ~mask
        for index, (obs, _) in results.items():
            self._obs[self.rows[index]] = obs
        return self._obs.copy(), self._joined({index: infos for index, (_, infos) in results.items()})

    def step(self, actions: Float32) -> tuple[Float32, Float32, NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Moves the knobs, trains every GAN for one interval and judges it.

        Args:
            actions: [N, K] in [-1, 1].

        Raises:
            ConfigError: no row has a run (call `reset` first), or actions are of another shape, or not finite.
            FleetError: a member died too often.
        """
        self._require_open()
        if self._ended.all():
            raise ConfigError(f"step: none of the {self.num_envs} rows has a run: call reset first")
        actions = checked_actions(actions, self.action_space.shape)
        running = {index: rows for index, rows in enumerate(self.rows) if not self._ended[rows].all()}
        results = self._members.call({index: Call("step", (actions[rows],)) for index, rows in running.items()})
        reward, terminated = np.zeros(self.num_envs, np.float32), np.ones(self.num_envs, bool)
        truncated = np.zeros(self.num_envs, bool)
        for index, rows in running.items():
            self._obs[rows], reward[rows], terminated[rows], truncated[rows] = results[index][:4]
        if self.autoreset_mode is AutoresetMode.DISABLED:
            self._ended |= terminated
        infos = self._joined({index: found[4] for index, found in results.items()})
        return self._obs.copy(), reward, terminated, truncated, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One picture a row, as `GANVectorEnv` draws them; None without a render mode."""
        pictures = self._ask("render")
        return None if self.render_mode is None else tuple(picture for part in pictures for picture in part)

    def close_extras(self, **kwargs: Any) -> None:
        """Ends all members."""
        self._members.close()

    # --- beyond Gymnasium, as `GANVectorEnv` has them ---

    def samples(self, count: int) -> NDArray[Any]:
        """Samples of every row's averaged generator from fixed latents: [N, count, *shape] in units of data.

        Where members have samples of different shapes: an object array [N] of arrays [count, *shape].
        """
        found = self._ask("samples", count)
        if len({part.shape[1:] for part in found}) == 1:
            return np.concatenate(found)
        rows = np.empty(self.num_envs, object)
        for own, part in zip(self.rows, found, strict=True):
            for row, samples in zip(range(own.start, own.stop), part, strict=True):
                rows[row] = samples
        return rows

    def coordinates(self) -> Float32:
        """The controlled knobs of every row: [N, K] in [0, 1]."""
        return np.concatenate(self._ask("coordinates"))

    @property
    def current_instances(self) -> list[Instance]:
        """What each row is training, N `Instance`s."""
        return [instance for part in self._ask("current_instances") for instance in part]

    @property
    def gan_updates(self) -> int:
        """GAN updates of all rows since the fleet was made."""
        return int(sum(self._ask("gan_updates")))

    def get_state(self) -> dict[str, Any]:
        """The complete state of all members. `gan_env.files.save_checkpoint` saves it."""
        return self._state(self._members.get_state())

    def set_state(self, state: dict[str, Any]) -> Float32:
        """Continues from what `get_state` gave or a rescue file holds, wherever its fleet ran.

        Returns:
            The observations of that moment, [N, F].

        Raises:
            ConfigError: the state is from a fleet with other members or options; nothing is changed.
        """
        fits = isinstance(state, dict) and state.keys() == {"origin", "members", "ended", "obs"}
        require(fits, "state", type(state).__name__, "what `get_state` of a fleet gave")
        require_same("the fleet of the state", state["origin"], self._origin, "Make the same fleet, or start anew")
        before = self._members.get_state()
        try:
            self._members.set_state(state["members"])
        except ConfigError:
            self._members.set_state(before)
            raise
        self._ended, self._obs = state["ended"].copy(), state["obs"].copy()
        return self._obs.copy()

    # --- inside ---

    def _require_open(self) -> None:
        if self.closed:
            raise ConfigError("the fleet is closed, so nothing can be done with it: make a new one")

    def _ask(self, name: str, *arguments: Any) -> list[Any]:
        """A method's result or an attribute of every member, in order."""
        return list(self._members.call({i: Call(name, arguments) for i in range(len(self.rows))}).values())

    def _joined(self, infos: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
        return join_infos([infos.get(index, {}) for index in range(len(self.rows))], self._counts)

    def _state(self, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
        own = {"ended": self._ended.copy(), "obs": self._obs.copy()}
        return {"origin": self._origin, "members": list(members), **own}

    def _rescue(self, members: Sequence[dict[str, Any]]) -> Path:
        """Saves the state of a fleet that can't continue; gives the file."""
        return save_checkpoint(self._rescue_file, self._state(members)).absolute()
