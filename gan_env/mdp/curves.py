"""The course of the run in each row so far, on the host: the log metric and the values of the knobs, by decision."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Curves:
    """What is drawn of N runs of at most T decisions.

    Attributes:
        log_metric: [N, T + 1], of the untrained generator and after each decision; NaN beyond where a run has got to.
        knobs: name -> its value during each interval, [N, T], NaN likewise.
        taken: decisions of each run so far, int64 [N].
        crashed: whether the run has, bool [N].
    """

    def __init__(self, rows: int, num_decisions: int, knobs: Sequence[str]) -> None:
        self.log_metric = np.full((rows, num_decisions + 1), np.nan, np.float32)
        self.knobs = {name: np.full((rows, num_decisions), np.nan, np.float32) for name in knobs}
        self.taken, self.crashed = np.zeros(rows, np.int64), np.zeros(rows, bool)

    def start(self, rows: NDArray[np.bool_], infos: Mapping[str, NDArray[Any]]) -> None:
        """Runs start in some rows (bool [N]); `infos` [N] are those of `reset`."""
        for curve in (self.log_metric, *self.knobs.values()):
            curve[rows] = np.nan
        self.taken[rows], self.crashed[rows] = 0, False
        self.log_metric[rows, 0] = infos["log_metric"][rows]

    def advance(self, rows: NDArray[np.bool_], infos: Mapping[str, NDArray[Any]]) -> None:
        """The runs in some rows (bool [N]) have come a decision further; `infos` [N] are those of `step`."""
        for name, curve in self.knobs.items():
            curve[rows, self.taken[rows]] = infos[f"knob_{name}"][rows]
        self.taken[rows] += 1
        self.log_metric[rows, self.taken[rows]] = infos["log_metric"][rows]
        self.crashed[rows] = infos["crashed"][rows]

    def get_state(self) -> dict[str, Any]:
        """A copy of everything that a run changes."""
        return {"log_metric": self.log_metric.copy(), "knobs": {k: v.copy() for k, v in self.knobs.items()},
                "taken": self.taken.copy(), "crashed": self.crashed.copy()}  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues from what `get_state` gave."""
        self.log_metric, self.taken, self.crashed = (state[key].copy() for key in ("log_metric", "taken", "crashed"))
        self.knobs = {name: curve.copy() for name, curve in state["knobs"].items()}
