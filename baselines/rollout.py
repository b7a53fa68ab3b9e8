"""Paired evaluation: any policy, the same instances, the same GAN seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from baselines.policies import Policy, State
from gan_env import GANVectorEnv, Instance
from gan_env.config import require

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Episodes:
    """What E episodes of T decisions did. After a crash the crash's values are repeated.

    Attributes:
        log_metric: [E, T + 1], from the untrained generator to the end.
        coordinates: knobs during each interval, [E, T, K] in [0, 1].
        rewards: [E, T], 0 after the end.
        crashed: [E] bool.
        extras: other infos, [E, T] each (NaN after the end).
        gan_updates: GAN updates that were run.
    """

    log_metric: Floats
    coordinates: Floats
    rewards: Floats
    crashed: NDArray[np.bool_]
    extras: dict[str, Floats]
    gan_updates: int

    @property
    def final(self) -> Floats:
        """The final log metric, [E]."""
        return self.log_metric[:, -1]


def run_episodes(
    policy: Policy,
    env: GANVectorEnv,
    seeds: Sequence[int],
    instances: Sequence[int | Instance] | None = None,
    on_decision: Callable[[int, int], None] | None = None,
) -> Episodes:
    """Runs one episode a seed, `env.num_envs` at a time, deterministically.

    Args:
        policy: what acts; its attribute `start`, if there is one, says where the knobs start.
        env: with `AutoresetMode.DISABLED`; the split that it was made with decides where instances come from.
        seeds: GAN seeds, [E]. The same seed gives every policy the same initial weights, data and noise.
        instances: pinned instances, [E]; None: instance e of the set for seed e, so all policies meet the same.
        on_decision: called after each decision of each batch with (batch, decision), for progress or pictures.
    """
    disabled = env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    require(disabled, "env", env.metadata["autoreset_mode"], "an environment made with AutoresetMode.DISABLED")
    if instances is None:
        instances = [i % len(env.instances) for i in range(len(seeds))]
    require(len(instances) == len(seeds) > 0, "instances", len(instances), f"one a seed ({len(seeds)})")
    before, parts = env.gan_updates, []
    for batch, first in enumerate(range(0, len(seeds), env.num_envs)):
        rows = [(first + i) % len(seeds) for i in range(env.num_envs)]  # the last batch is filled up
        used = min(env.num_envs, len(seeds) - first)
        watch = (lambda t, b=batch: on_decision(b, t)) if on_decision else None
        parts.append(_run_batch(policy, env, [seeds[r] for r in rows], [instances[r] for r in rows], used, watch))
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Episodes)[:4]}
    extras = {k: np.concatenate([p.extras[k] for p in parts]) for k in parts[0].extras}
    return Episodes(**joined, extras=extras, gan_updates=env.gan_updates - before)


def _run_batch(
    policy: Policy,
    env: GANVectorEnv,
    seeds: list[int],
    instances: list[int | Instance],
    used: int,
    watch: Callable[[int], None] | None,
) -> Episodes:
    """One batch of episodes; the first `used` rows are kept."""
    obs, infos = env.reset(seed=seeds, options={"instance": instances, "knobs": getattr(policy, "start", {})})
    metrics: list[Floats] = [infos["log_metric"]]
    moves: list[Floats] = []
    rewards: list[Floats] = []
    extras: list[dict[str, Floats]] = []
    alive, crashed = np.ones(env.num_envs, bool), np.zeros(env.num_envs, bool)
    state: State = None
    for decision in range(env.config.num_decisions):
        action, state = policy.predict(obs, state, np.full(env.num_envs, decision == 0), deterministic=True)
        obs, reward, ended, _, infos = env.step(action)
        metrics.append(np.where(alive, infos["log_metric"], metrics[-1]))
        moves.append(env.coordinates() if not moves else np.where(alive[:, None], env.coordinates(), moves[-1]))
        rewards.append(np.where(alive, reward, 0))
        shown = {k: v for k, v in infos.items() if k[0] != "_" and k not in ("log_metric", "crashed")}
        extras.append({k: np.where(alive, v, np.nan) for k, v in shown.items()})
        crashed |= alive & infos["crashed"]
        alive &= ~ended
        if watch:
            watch(decision)
    stacked = {k: np.stack([e[k] for e in extras], axis=1)[:used].astype(np.float32) for k in extras[0]}
    columns = [np.stack(column, axis=1)[:used] for column in (metrics, moves, rewards)]
    return Episodes(columns[0], columns[1], columns[2], crashed[:used], stacked, 0)
