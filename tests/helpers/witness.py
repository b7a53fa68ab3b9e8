"""A witness of what happened in every environment, to be compared with what a library learns from."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from gan_env import GANVectorEnv

Array = NDArray[Any]


@dataclass(frozen=True)
class Transition:
    """One decision of one row. A library may have no use for an action or an observation: None.

    Attributes:
        obs: before it, [F].
        action: [K]; what lies outside [-1, 1] is clipped by the environment.
        reward: what it brought.
        next_obs: after it, [F]; where the run ended, the last observation of that run.
        terminated: whether the run ended.
    """

    obs: Array
    action: Array | None
    reward: float
    next_obs: Array | None
    terminated: bool


class Watched:
    """One environment: its present observations [N, F], the rows that have a run, and what happened in each row."""

    def __init__(self, env: GANVectorEnv) -> None:
        self.env = env
        self.obs = np.zeros(env.observation_space.shape, np.float32)
        self.running = np.zeros(env.num_envs, bool)
        self.rows: list[list[Transition]] = [[] for _ in range(env.num_envs)]


class Witness:
    """Keeps every transition of each `GANVectorEnv` in this process; a `GANEnv` is one with a single row.

    It sees what passes between the environment and its user, and knows what each autoreset mode means.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.crashes = self.regular_ends = 0
        self._watched: list[Watched] = []
        self._reset, self._step = GANVectorEnv.reset, GANVectorEnv.step
        monkeypatch.setattr(GANVectorEnv, "reset", lambda env, **given: self._on_reset(env, **given))
        monkeypatch.setattr(GANVectorEnv, "step", lambda env, actions: self._on_step(env, actions))

    @property
    def rows(self) -> list[list[Transition]]:
        """The transitions of every row that was stepped, environment by environment."""
        assert self.crashes and self.regular_ends, "proves little: runs have to crash, and others to end in time"
        return [row for watched in self._watched for row in watched.rows if row]

    def forget(self) -> None:
        """Forgets what happened so far: what a library tries before it collects anything."""
        for watched in self._watched:
            watched.rows = [[] for _ in watched.rows]

    def _of(self, env: GANVectorEnv) -> Watched:
        found = next((watched for watched in self._watched if watched.env is env), None)
        if found is None:
            self._watched.append(found := Watched(env))
        return found

    def _on_reset(self, env: GANVectorEnv, **given: Any) -> Any:
        result = self._reset(env, **given)
        mask = (given.get("options") or {}).get("reset_mask", np.ones(env.num_envs, bool))
        watched = self._of(env)
        watched.obs[mask], watched.running[mask] = result[0][mask], True
        return result

    def _on_step(self, env: GANVectorEnv, actions: Array) -> Any:
        result = obs, rewards, terminated, truncated, infos = self._step(env, actions)
        assert not truncated.any()
        watched, mode = self._of(env), env.metadata["autoreset_mode"]
        for row in np.flatnonzero(watched.running):
            at_end = infos if mode is not AutoresetMode.SAME_STEP else infos.get("final_info", infos)
            last = infos["final_obs"] if mode is AutoresetMode.SAME_STEP and terminated[row] else obs
            happened = watched.obs[row].copy(), np.array(actions[row]), float(rewards[row]), last[row].copy()
            watched.rows[row].append(Transition(*happened, bool(terminated[row])))
            if terminated[row]:
                self.crashes += int(at_end["crashed"][row])
                self.regular_ends += int(not at_end["crashed"][row])
        watched.obs[:] = obs
        # SAME_STEP: every row has a run again. NEXT_STEP: rows that ended get one in the next step, which is no
        # transition, and rows that had ended have it now. DISABLED: only a reset gives a row a run.
        if mode is AutoresetMode.NEXT_STEP:
            watched.running = ~terminated
        elif mode is AutoresetMode.DISABLED:
            watched.running &= ~terminated
        return result


def by_row(obs: Any, actions: Any, rewards: Any, next_obs: Any, terminated: Any) -> list[list[Transition]]:
    """Transitions [N][T] from arrays or tensors [N, T, ...]; `actions` and `next_obs` may be None."""
    rows, steps = np.asarray(rewards).shape[:2]
    columns = [None if c is None else np.asarray(c) for c in (obs, actions, rewards, next_obs, terminated)]

    def transition(n: int, t: int) -> Transition:
        o, a, r, x, e = (None if c is None else c[n, t] for c in columns)
        assert o is not None and r is not None and e is not None
        return Transition(o, a, float(r.item()), x, bool(e.item()))

    return [[transition(n, t) for t in range(steps)] for n in range(rows)]


def without_last_obs(rows: Sequence[Sequence[Transition]]) -> list[list[Transition]]:
    """The same without `next_obs` where runs end."""
    return [[dataclasses.replace(t, next_obs=None) if t.terminated else t for t in row] for row in rows]


def runs(row: Sequence[Transition]) -> list[list[Transition]]:
    """The transitions of a row, run by run; a run may have been cut by a reset."""
    cut: list[list[Transition]] = []
    for i, transition in enumerate(row):
        if i == 0 or row[i - 1].terminated or not np.array_equal(row[i - 1].next_obs, transition.obs):  # type: ignore[arg-type]
            cut.append([])
        cut[-1].append(transition)
    return cut


def assert_same(learned: Sequence[Sequence[Transition]], happened: Sequence[Sequence[Transition]]) -> None:
    """Every transition of every row has arrived once, in order, with its true last observation."""
    assert len(learned) == len(happened), f"{len(learned)} rows arrived of {len(happened)}"
    for row, (got, true) in enumerate(zip(learned, happened, strict=True)):
        for i, (a, b) in enumerate(zip(got, true, strict=False)):
            for field in ("obs", "action", "reward", "next_obs", "terminated"):
                mine, other = getattr(a, field), getattr(b, field)
                if field == "action" and mine is not None:  # the environment clips
                    mine, other = np.clip(mine, -1, 1), np.clip(other, -1, 1)
                same = mine is None or np.allclose(mine, other, rtol=1e-5, atol=1e-6)
                assert same, f"row {row}, transition {i}: {field} is {mine}, was {other}"
        assert len(got) == len(true), f"row {row}: {len(got)} transitions arrived of {len(true)}"
