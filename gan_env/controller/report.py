"""What a controller saw, did and why: a table for people, and a picture."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_env.errors import needs
from gan_env.saved_controller import Network

ROWS = 25
"""Decisions that the table shows, at most."""
FIRST = (
    *("loss_d", "loss_g", "grad_ratio", "sign_real", "log_metric"),
    *("balanced_g", "balanced_d", "limited_g", "limited_d", "separation", "walk_g", "walk_d", "step_g", "step_d"),
)
"""Statistics that the table shows of a policy that sees many, in this order."""
SEEN = 5
"""Statistics that it shows, at most."""
NAMED = 3
"""Statistics that are named as the reason of a decision."""


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        step: the update before which it fell.
        seen: statistic -> observed value, scaled as the policy sees it.
        values: knob -> its value from then on (in a dry run: what it would be).
        why: the knob that a trained controller moved most -> the `reasons` for that; empty for schedules and rules.
        kept: why no decision could be taken and the knobs stayed, for people; "" where it was taken.
    """

    step: int
    seen: dict[str, float]
    values: dict[str, float]
    why: dict[str, dict[str, float]]
    kept: str


@dataclass(frozen=True)
class Report:
    """The decisions of a run so far; `print` shows a table of some of them, `save` writes the picture.

    Attributes:
        title: the policy's name, and how far the run has come.
        decisions: all of them.
        rates: `lr_g` and `lr_d` -> the learning rate that the knob is a factor on; table and picture show the product.
    """

    title: str
    decisions: tuple[Decision, ...]
    rates: dict[str, float]

    def __str__(self) -> str:
        last = len(self.decisions) - 1
        shown = [self.decisions[i] for i in sorted({round(row * last / (ROWS - 1)) for row in range(ROWS)})]
        columns = {"update": [f"{decision.step:,}" for decision in shown]}
        columns |= {knob: [f"{self._value(d, knob):.3g}" for d in shown] for knob in shown[0].values}
        columns |= {"saw": [_excerpt(decision) for decision in shown], "why": [_explained(d) for d in shown]}
        columns = {head: cells for head, cells in columns.items() if any(cells)}
        rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
        return "\n".join([self.title, "", *("| " + " | ".join(row) + " |" for row in rows)])

    def _value(self, decision: Decision, knob: str) -> float:
        return decision.values[knob] * self.rates.get(knob, 1.0)

    def save(self, path: str | Path) -> Path:
        """Draws over the updates: knobs, statistics, and what a trained controller's moves of each knob came from.

        Raises:
            PackageError: matplotlib is not installed.
        """
        with needs("study"):
            from matplotlib.figure import Figure
        steps = [decision.step for decision in self.decisions]
        panels = [*self.decisions[0].values, *(n for n in self.decisions[0].seen if not n.startswith("knob_"))]
        why = _shares(self.decisions)
        columns = 4
        rows = -(-(len(panels) + len(why)) // columns)
        figure = Figure(figsize=(3.2 * columns, 2.0 * rows), layout="constrained")
        for index, name in enumerate(panels):
            axes = figure.add_subplot(rows, columns, index + 1)
            is_knob = index < len(self.decisions[0].values)
            values = [self._value(d, name) if is_knob else d.seen[name] for d in self.decisions]
            axes.step(steps, values, where="post", color="tab:red" if is_knob else "tab:blue")
            axes.set_title(f"knob {name}" if is_knob else name, fontsize=9)
        for index, (knob, shares) in enumerate(why.items(), len(panels)):
            axes = figure.add_subplot(rows, columns, index + 1)
            for name in sorted(shares, key=lambda name: -len(shares[name]))[:NAMED]:  # those named most often
                axes.plot(*zip(*shares[name], strict=True), ".", markersize=3, label=name)
            axes.set_title(f"why {knob}: shares", fontsize=9)
            axes.legend(fontsize=6)
        figure.suptitle(self.title)
        figure.savefig(path, dpi=110)
        return Path(path)


def _shares(decisions: Iterable[Decision]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Knob -> statistic -> update and share of each decision that names it as a reason for the knob's move."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for decision in decisions:
        for knob, shares in decision.why.items():
            for name, share in shares.items():
                found.setdefault(knob, {}).setdefault(name, []).append((decision.step, share))
    return found


def _explained(decision: Decision) -> str:
    """Why the knobs moved or stayed, for people."""
    if decision.kept:
        return f"kept: {decision.kept}"
    named = {k: ", ".join(f"{name} {share:+.2f}" for name, share in why.items()) for k, why in decision.why.items()}
    return "; ".join(f"{knob}: {shares}" for knob, shares in named.items())


def _excerpt(decision: Decision) -> str:
    """Some of what a policy saw, besides progress, knobs and learning rates, which the table has."""
    seen = decision.seen
    names = [name for name in seen if name not in ("progress", *decision.values) and not name.startswith("knob_")]
    if len(names) > SEEN:
        names = ([name for name in FIRST if name in names] or names)[:SEEN]
    return ", ".join(f"{name} {seen[name]:+.3g}" for name in names)


def reasons(network: Network, names: tuple[str, ...], knob: int, seen: Tensor, memory: Any) -> dict[str, float]:
    """Which statistics had the largest effect on a knob: slope of the network's output x normalised statistic.

    Args:
        network: what acts.
        names: of the statistics, F.
        knob: the place of the output.
        seen: the observation, [1, F].
        memory: of the network before the decision.

    Returns:
        Statistic -> its share, signed; the largest ones, in falling order of size.
    """
    with torch.enable_grad():
        x = network.normalised(seen).detach().requires_grad_()
        output, _ = network.run(x, memory)
        (slope,) = torch.autograd.grad(output[0, knob], x)
    shares = (slope * x)[0].detach()
    first = shares.abs().argsort(descending=True)[:NAMED].tolist()
    return {names[i]: float(shares[i]) for i in first}
