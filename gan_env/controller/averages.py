"""What a loop shows, averaged over a decision interval on the loop's device: one copy to the host a decision."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed

from gan_env.records import MEANS

LATEST = ("clean_train", "clean_held_out", "metric", "spread")
"""Of these the latest value counts, however long ago it was shown."""
SHOWN = (*MEANS, *LATEST)


class Logits(NamedTuple):
    """All logits of a run: the lowest (at most 0), the highest (at least 0); the size of the largest batch."""

    lowest: float
    highest: float
    most: int


class Averages:
    """Sums over an interval, and the latest values; what isn't finite is left out.

    Attributes:
        offered: how often each was shown in this interval, finite or not.
        ever: everything that was ever shown on this rank.
        most: logits in the largest batch since a restart.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.sums, self.counts = torch.zeros(2, len(MEANS), device=device)  # [S] each
        self.latest = torch.full((len(LATEST),), torch.nan, device=device)
        self.extremes = torch.zeros(2, device=device)  # lowest and highest logit
        self.offered, self.ever = dict.fromkeys(SHOWN, 0), set[str]()
        self.most = 0
        self._pending: dict[str, Tensor] = {}  # of the update that runs: what is shown in parts is added up at once
        self._nothing = torch.tensor(torch.nan, device=device)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Takes in some of `MEANS` and of `LATEST`, a number [] each."""
        if not values.keys().isdisjoint(self._pending):
            self._add_up()
        self._pending.update(values)
        self.ever.update(values)
        for name in values:
            self.offered[name] += 1

    @torch.no_grad()
    def _add_up(self) -> None:
        """Adds what is pending."""
        if not self._pending.keys().isdisjoint(MEANS):
            new = self._stacked(MEANS)
            self.sums += new.nan_to_num(0, 0, 0)
            self.counts += new.isfinite()
        if not self._pending.keys().isdisjoint(LATEST):
            new = self._stacked(LATEST)
            self.latest = torch.where(new.isfinite(), new, self.latest)
        self._pending = {}

    @torch.no_grad()
    def add_range(self, logits: Tensor) -> None:
        """Remembers the largest batch, and of all logits the lowest and the highest, but not of batches with a NaN."""
        self.most = max(self.most, logits.numel())
        lowest, highest = (end.to(self.device, non_blocking=True) for end in logits.aminmax())
        self.extremes = torch.stack([self.extremes[0].fmin(lowest), self.extremes[1].fmax(highest)])

    def _stacked(self, names: tuple[str, ...]) -> Tensor:
        shown = (self._pending.get(name, self._nothing) for name in names)
        return torch.stack([number.to(self.device, non_blocking=True) for number in shown])

    def take(self) -> tuple[dict[str, Tensor], Logits]:
        """The mean over the interval and all ranks of what was shown, [1] each, and what this rank's logits are like.

        Then the next interval begins. Names without any finite value are left out.
        """
        self._add_up()
        known = self.latest.isfinite()
        sums = torch.stack([torch.cat([self.sums, self.latest.nan_to_num(0)]), torch.cat([self.counts, known.float()])])
        _add_ranks(sums)
        total, count, extremes = torch.cat([sums.flatten(), self.extremes]).cpu().split([len(SHOWN), len(SHOWN), 2])
        for tensor in (self.sums, self.counts):
            tensor.zero_()
        self.offered = dict.fromkeys(SHOWN, 0)
        means = dict(zip(SHOWN, (total / count)[:, None], strict=True))
        lowest, highest = extremes.tolist()
        return {name: mean for name, mean in means.items() if mean.isfinite()}, Logits(lowest, highest, self.most)

    def known(self) -> set[str]:
        """Everything that was ever shown on any rank, each of which has to ask."""
        flags = torch.tensor([float(name in self.ever) for name in SHOWN], device=self.device)
        _add_ranks(flags)
        return {name for name, flag in zip(SHOWN, flags.tolist(), strict=True) if flag}

    def get_state(self) -> dict[str, Any]:
        """A copy of everything that changes."""
        self._add_up()
        tensors = {name: getattr(self, name).clone() for name in ("sums", "counts", "latest", "extremes")}
        return {**tensors, "offered": dict(self.offered), "ever": sorted(self.ever)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `get_state` gave."""
        self._pending = {}
        for name in ("sums", "counts", "latest", "extremes"):
            setattr(self, name, state[name].to(self.device).clone())
        self.offered, self.ever = dict(state["offered"]), set(state["ever"])


def mean_of_ranks(numbers: Tensor) -> Tensor:
    """The mean over all ranks, each of which has to ask."""
    both = torch.stack([numbers, torch.ones_like(numbers)])
    _add_ranks(both)
    return both[0] / both[1]


def _add_ranks(sums: Tensor) -> None:
    """Adds up over all ranks, if there are several."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(sums)
