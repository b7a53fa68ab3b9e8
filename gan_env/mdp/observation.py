"""Turns what is measured into observations, by the groups of statistics that are observed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gan_env.errors import require
from gan_env.mdp.probe import require_row_by_row
from gan_env.mdp.statistics import statistics
from gan_env.records import Moment

if TYPE_CHECKING:
    from gymnasium.spaces import Box


class Observer:
    """Turns moments into observations, by the groups of statistics that are observed.

    Attributes:
        names: name of each entry of the observation.
        low, high: bounds of each entry, [F] float32.

    Raises:
        ConfigError: an unknown group.
    """

    def __init__(self, groups: Sequence[str], knob_names: Sequence[str], losses: Sequence[str]) -> None:
        table = statistics(knob_names, losses)
        known = list(dict.fromkeys(s.group for s in table))
        for group in groups:
            require(group in known, "observation", group, f"one of {known}")
        require(len(groups) > 0, "observation", groups, f"at least one of {known}")
        self.statistics = [s for s in table if s.group in groups]
        self.names = [s.name for s in self.statistics]
        self.low = np.array([s.low for s in self.statistics], np.float32)
        self.high = np.array([s.high for s in self.statistics], np.float32)
        self._groups = {s.name: s.group for s in table}
        self._low, self._high = torch.from_numpy(self.low), torch.from_numpy(self.high)

    def check(self, knobs: int) -> None:
        """Raises a `ConfigError` where a statistic can't be computed, or isn't one value a row, of that row alone."""
        for statistic in self.statistics:
            require_row_by_row(f"the statistic {statistic.name!r}", statistic.compute, knobs)

    @property
    def space(self) -> "Box":
        """The space of an observation, [F] float32; imported here, since a controller in a loop needs no Gymnasium."""
        from gymnasium.spaces import Box

        return Box(self.low, self.high, dtype=np.float32)

    def place(self, name: str) -> int:
        """The index of a statistic in the observation.

        Raises:
            ConfigError: there is none of this name, or it is not observed.
        """
        require(name in self._groups, "the policy's statistic", name, f"one of {sorted(self._groups)}")
        lacking = f"the statistic {name!r}, which the policy acts on: add the group {self._groups[name]!r}"
        require(name in self.names, "observation", self.names, lacking)
        return self.names.index(name)

    def __call__(self, moment: Moment) -> Tensor:
        """The observation of every row, [N, F] float32; NaN counts as 0."""
        values = torch.stack([s.compute(moment) for s in self.statistics], dim=1).nan_to_num()
        return values.clamp(self._low.to(values.device), self._high.to(values.device))
