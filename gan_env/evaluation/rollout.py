"""Paired evaluation: any policy, the same instances, the same GAN seeds; and the files that episodes are kept in."""

import inspect
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from gan_env import Fleet, GANVectorEnv, Instance
from gan_env.errors import ConfigError, require
from gan_env.files import load_arrays, save_arrays
from gan_env.policies.presets import PolicyOptions
from gan_env.policies.steering import Policy, State, start_of
from gan_env.records import Float32

COLUMNS = ("log_metric", "score", "coordinates", "rewards", "crashed")
"""Fields of `Episodes` that are arrays with an entry for each episode."""
PREDICTS = "a policy has `predict(observation, state, episode_start, deterministic)` and returns `(actions, state)`"


@dataclass(frozen=True)
class Episodes:
    """The course of E episodes of T decisions. After a crash the crash's values are repeated.

    Attributes:
        log_metric: [E, T + 1], from the untrained generator to the end, on the half of the held-out data that makes
            observations, rewards and all choices.
        score: [E, T + 1], the same on the other half, which nothing else sees: this is what is reported.
        coordinates: knobs during each interval, [E, T, K] in [0, 1].
        rewards: [E, T], 0 after the end.
        crashed: [E] bool.
        extras: other infos, the losses among them, [E, T] each (NaN after the end, and where an episode has none).
        gan_updates: number of GAN updates that all of them took.
    """

    log_metric: Float32
    score: Float32
    coordinates: Float32
    rewards: Float32
    crashed: NDArray[np.bool_]
    extras: dict[str, Float32]
    gan_updates: int

    @property
    def final(self) -> Float32:
        """The final score, which is reported: [E]."""
        return self.score[:, -1]

    @property
    def best(self) -> Float32:
        """The score at each episode's best moment, which is chosen by the log metric: [E]."""
        return np.take_along_axis(self.score, self.log_metric.argmin(axis=1, keepdims=True), axis=1)[:, 0]

    @property
    def validation(self) -> Float32:
        """The final log metric, by which everything is chosen (candidates, the best of several, the strongest): [E]."""
        return self.log_metric[:, -1]

    def take(self, which: slice | Sequence[int] | NDArray[np.int64]) -> "Episodes":
        """Some of the episodes, in that order; `gan_updates` remains the number for all of them."""
        columns = {name: getattr(self, name)[which] for name in COLUMNS}
        return Episodes(**columns, extras={k: v[which] for k, v in self.extras.items()}, gan_updates=self.gan_updates)

    @staticmethod
    def join(parts: "Sequence[Episodes]", gan_updates: int) -> "Episodes":
        """All episodes of the parts in their order, which took `gan_updates` in all."""
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        extras = {k: np.concatenate([p.extras[k] for p in parts]) for k in parts[0].extras}
        return Episodes(**columns, extras=extras, gan_updates=gan_updates)

    def save(self, path: Path) -> Path:
        """Writes all of it as NumPy's compressed format (`.npz`)."""
        columns = {name: getattr(self, name) for name in COLUMNS} | {"gan_updates": self.gan_updates}
        columns |= {f"extra.{name}": column for name, column in self.extras.items()}
        return save_arrays(path, columns)


def load_episodes(path: Path) -> Episodes:
    """Reads what `Episodes.save` wrote.

    Raises:
        DataError: the file is damaged.
    """

    def read(data: dict[str, Any]) -> Episodes:
        extras = {name.removeprefix("extra."): data[name] for name in data if name.startswith("extra.")}
        columns = {name: data[name] for name in COLUMNS}
        return Episodes(**columns, extras=extras, gan_updates=int(data["gan_updates"]))

    return load_arrays(path, read)


def kept_episodes(path: Path, run: Callable[[], Episodes]) -> Episodes:
    """The episodes in a file; where there is none, those that `run` gives, which are saved there.

    Raises:
        DataError: the file is damaged.
    """
    if path.exists():
        return load_episodes(path)
    episodes = run()
    episodes.save(path)
    return episodes


def run_episodes(
    policy: Policy,
    env: GANVectorEnv | Fleet,
    seeds: Sequence[int],
    instances: Sequence[int | Instance] | None = None,
    on_decision: Callable[[int, int], None] | None = None,
) -> Episodes:
    """Runs one episode per seed, `env.num_envs` at a time, deterministically.

    Args:
        policy: the policy; its attribute `start`, if there is one, says where the knobs start.
        env: with `AutoresetMode.DISABLED`; instances come from its split.
        seeds: GAN seeds, [E]. The same seed gives every policy the same initial weights, data and noise.
        instances: pinned instances, [E]; None: instance e of the set for seed e, so all policies meet the same.
        on_decision: called after each decision of each batch with (batch, decision), for progress or pictures.

    Raises:
        ConfigError: the policy's `predict` takes or returns something else; or the environment is a single one or has
            another mode, or there is no seed, or not one instance for each.
    """
    return run_batches(lambda _: policy, env, seeds, instances, on_decision)


def run_batches(
    policy_of: Callable[[list[int]], Policy],
    env: GANVectorEnv | Fleet,
    seeds: Sequence[int],
    instances: Sequence[int | Instance] | None = None,
    on_decision: Callable[[int, int], None] | None = None,
) -> Episodes:
    """As `run_episodes`, with another policy in each batch: `policy_of` makes it, given the episode of each row."""
    many = not isinstance(env, gym.Env)
    require(many, "env", type(env).__name__, "many rows: a gan_env.GANVectorEnv with AutoresetMode.DISABLED")
    disabled = env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    require(disabled, "env", env.metadata["autoreset_mode"], "an environment made with AutoresetMode.DISABLED")
    if instances is None:
        instances = [i % len(env.instances) for i in range(len(seeds))]
    require(len(seeds) > 0, "seeds", seeds, "one at least")
    require(len(instances) == len(seeds), "instances", len(instances), f"one per seed ({len(seeds)})")
    before, parts = env.gan_updates, []
    for batch, first in enumerate(range(0, len(seeds), env.num_envs)):
        rows = [(first + i) % len(seeds) for i in range(env.num_envs)]  # the last batch is filled up
        used = min(env.num_envs, len(seeds) - first)
        rollout = Rollout(policy_of(rows), env, [seeds[r] for r in rows], [instances[r] for r in rows])
        for decision in range(env.config.num_decisions):
            rollout.step()
            if on_decision:
                on_decision(batch, decision)
        parts.append(rollout.episodes(used))
    return Episodes.join(parts, env.gan_updates - before)


class Rollout:
    """A batch of episodes, one in each row of `env`, that can be saved between two decisions; see `run_episodes`.

    Attributes:
        decision: the number of decisions taken.
        alive, crashed: rows that have not ended, rows that have crashed, [N].
    """

    def __init__(
        self, policy: Policy, env: GANVectorEnv | Fleet, seeds: Sequence[int], instances: Sequence[int | Instance]
    ) -> None:
        made = not isinstance(policy, PolicyOptions)
        require(made, "policy", policy, "what acts: these are a policy's options, of which `.make(env)` makes it")
        self.policy, self.env = policy, env
        options = {"instance": list(instances), "knobs": start_of(policy)}
        self._obs, self._infos = env.reset(seed=list(seeds), options=options)
        self._reward = np.zeros(env.num_envs, np.float32)
        self._policy_state: State = None
        first = {"observations": self._obs, **{name: self._infos[name] for name in ("log_metric", "score")}}
        self._columns: dict[str, list[Float32]] = {name: [column] for name, column in first.items()}
        self.decision = 0
        self.alive, self.crashed = np.ones(env.num_envs, bool), np.zeros(env.num_envs, bool)

    def step(self) -> None:
        """One decision of every row."""
        alive = self.alive
        if alive.any():
            start = np.full(self.env.num_envs, self.decision == 0)
            action, self._policy_state = self._predict(start)
            self._obs, self._reward, ended, _, self._infos = self.env.step(action)
            self.crashed = self.crashed | (alive & self._infos["crashed"])
            self.alive = alive & ~ended
        self.decision += 1

        def append(name: str, column: Float32, otherwise: Any) -> None:
            has = alive & self._infos.get(f"_{name}", alive)
            shown = np.where(has if column.ndim == 1 else has[:, None], column, otherwise)
            before = [np.full_like(shown, np.nan)] * (self.decision - 1)  # where an info is new
            self._columns.setdefault(name, before).append(shown)

        infos = {name: column for name, column in self._infos.items() if name[0] != "_" and name != "crashed"}
        held = {name: infos.pop(name) for name in ("log_metric", "score")} | {"coordinates": self.env.coordinates()}
        for name, column in held.items():  # rows that have ended repeat their last values
            append(name, column, self._columns.get(name, [column])[-1])
        append("rewards", self._reward, 0)
        for name, column in {"observations": self._obs, **infos}.items():
            append(name, column, np.nan)
        for parts in self._columns.values():
            if len(parts) < self.decision:  # an info that no row has any more
                parts.append(np.full_like(parts[-1], np.nan))

    def _predict(self, start: NDArray[np.bool_]) -> tuple[Float32, State]:
        given = (self._obs, self._policy_state, start)
        if self.decision > 0:
            return self.policy.predict(*given, deterministic=True)
        try:  # the first call shows whether it is a policy
            inspect.signature(self.policy.predict).bind(*given, deterministic=True)
        except (AttributeError, TypeError) as error:
            raise ConfigError(f"policy={type(self.policy).__name__!r} can't be used ({error}): {PREDICTS}") from error
        found = self.policy.predict(*given, deterministic=True)
        pair = isinstance(found, tuple) and len(found) == 2
        require(pair, f"what {type(self.policy).__name__} returns", type(found).__name__, f"a pair: {PREDICTS}")
        return found

    def episodes(self, used: int) -> Episodes:
        """The episodes of the first `used` rows, up to the last decision taken."""
        columns = {name: np.stack(parts, axis=1)[:used] for name, parts in self._columns.items()}
        del columns["observations"]
        main = {name: columns.pop(name) for name in ("log_metric", "score", "coordinates", "rewards")}
        extras = {name: column.astype(np.float32) for name, column in columns.items()}
        return Episodes(**main, crashed=self.crashed[:used], extras=extras, gan_updates=0)

    def observations(self) -> Float32:
        """What the policy saw, and the last observation: [N, decisions + 1, F], NaN after a row's end."""
        return np.stack(self._columns["observations"], axis=1)

    def get_state(self) -> dict[str, Any]:
        """The whole rollout: the record, the environment, and the random generator of a policy that has one (`rng`)."""
        record = {name: deepcopy(value) for name, value in vars(self).items() if name not in ("policy", "env")}
        rng = getattr(self.policy, "rng", None)
        return {"record": record, "env": self.env.get_state(), "rng": rng and rng.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave, which stays as it is and may be used again."""
        self.env.set_state(state["env"])  # first, since it may refuse
        for name, value in state["record"].items():
            setattr(self, name, deepcopy(value))
        if state["rng"] is not None:
            self.policy.rng.bit_generator.state = state["rng"]  # type: ignore[attr-defined]
