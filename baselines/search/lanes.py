"""Rows of an environment that are started, steered, stopped and forked one by one, each by a table of its own.

Searches that stop runs early, or copy one onto another, play their candidates with this; a row that is free again takes
the next candidate while the others go on.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from gan_env import GANVectorEnv
from gan_env.policies.steering import Steering
from gan_env.records import Float32

Rows = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]
"""Columns of `gan_env.evaluation.runs.Runs`, of some runs."""
STATISTICS = ("loss_d", "loss_g", "collapse")
"""Infos that are kept."""


class Lanes:
    """N rows, and the course of the run in each.

    A crashed run stays in its row until its last decision, and repeats the crash's values.

    Args:
        env: with `AutoresetMode.DISABLED`.

    Attributes:
        free: rows without a run, bool [N].
        decision: decisions of the run in each row, int64 [N].
        tables: the coordinates that are wanted during each interval, [N, T, K] in [0, 1].
        course: name -> what was recorded, [N, T or T + 1, ...], NaN from the present on.
        about: name -> what the caller noted of the run in each row, [N].
    """

    def __init__(self, env: GANVectorEnv) -> None:
        rows, decisions, knobs = env.num_envs, env.config.num_decisions, len(env.config.knobs)
        self.env, self.steering, self.last = env, Steering(env, ["progress"]), decisions
        self.free, self.crashed, self.ended = np.ones(rows, bool), np.zeros(rows, bool), np.ones(rows, bool)
        self.decision = np.zeros(rows, np.int64)
        self.tables = np.zeros((rows, decisions, knobs), np.float32)
        shapes = {"knobs": (decisions, knobs), "log_metric": (decisions + 1,), "score": (decisions + 1,)}
        shapes |= dict.fromkeys(STATISTICS, (decisions,))
        self.course = {name: np.full((rows, *shape), np.nan, np.float32) for name, shape in shapes.items()}
        self.about = {name: np.zeros(rows, np.int64) for name in ("instance", "unit", "seed")}
        self._obs: Float32 = np.zeros((rows, len(env.observation_names)), np.float32)

    def start(self, rows: Rows, instances: ArrayLike, units: ArrayLike, seeds: ArrayLike, tables: Float32) -> None:
        """Starts runs in some free rows [n], steered by `tables` [n, T, K]."""
        for name, given in (("instance", instances), ("unit", units), ("seed", seeds)):
            self.about[name][rows] = given
        self.tables[rows] = tables
        mask = np.zeros(len(self.free), bool)
        mask[rows] = True
        row_seeds: list[int | None] = [
            int(seed) if fresh else None for seed, fresh in zip(self.about["seed"], mask, strict=True)
        ]
        options = {
            "instance": self.about["instance"],
            "knobs": self.env.knobs.starts(self.tables[:, 0]),
            "reset_mask": mask,
        }
        obs, infos = self.env.reset(seed=row_seeds, options=options)
        self._obs = obs
        for column in self.course.values():
            column[rows] = np.nan
        for name in ("log_metric", "score"):
            self.course[name][rows, 0] = infos[name][rows]
        self.decision[rows] = 0
        self.free[rows] = self.crashed[rows] = self.ended[rows] = False

    def step(self) -> None:
        """One decision of every row that has a run."""
        going = np.flatnonzero(~self.free)
        now = self.decision[going]
        infos: dict[str, Any] = {}
        if not self.ended[going].all():
            wanted = self.tables[np.arange(len(self.free)), np.minimum(self.decision, self.last - 1)]
            self._obs, _, ended, _, infos = self.env.step(self.steering.action(self._obs, wanted))
        held = self.ended[going]  # crashed before: their values are repeated
        for name in ("log_metric", "score"):
            column = self.course[name]
            column[going, now + 1] = np.where(held, column[going, now], infos[name][going] if infos else 0)
        for name in STATISTICS if infos else ():
            self.course[name][going, now] = np.where(held, np.nan, infos[name][going])
        before = self.course["knobs"][going, np.maximum(now - 1, 0)]
        self.course["knobs"][going, now] = np.where(held[:, None], before, self.env.coordinates()[going])
        if infos:
            self.crashed[going] |= ~held & infos["crashed"][going]
            self.ended[going] |= ended[going]
        self.decision[going] += 1

    def finished(self) -> Rows:
        """Rows whose runs have had their last decision and not been taken, [n]."""
        return np.flatnonzero(~self.free & (self.decision == self.last))

    def take(self, rows: Rows) -> Columns:
        """Frees some rows [n] and returns their runs, finished or not, as columns of `Runs`."""
        self.free[rows] = True
        columns: Columns = {**self.about, "crashed": self.crashed, "decisions": self.decision, **self.course}
        return {name: column[rows].copy() for name, column in columns.items()}

    def fork(self, onto: Rows, source: Rows) -> None:
        """Copies the runs of the rows `source` [n], with their course, onto the rows `onto` [n]; seed and unit stay."""
        places = np.arange(len(self.free))
        places[onto] = source
        state = self.env.get_state()
        kept = {"origin": state["origin"], "generators": state["generators"], "gan_updates": state["gan_updates"]}
        self.env.set_state(_moved(state, places) | kept)
        for column in (self.tables, self.crashed, self.ended, *self.course.values()):
            column[:] = column[places]
        self._obs = self._obs[places]


def _moved(state: Any, places: Rows) -> Any:
    """The rows of a state in other places."""
    if isinstance(state, dict):
        return {name: _moved(part, places) for name, part in state.items()}
    if isinstance(state, list):
        return [state[place] for place in places] if len(state) == len(places) else state
    rows = isinstance(state, torch.Tensor | np.ndarray) and tuple(state.shape[:1]) == (len(places),)
    return state[places] if rows else state
