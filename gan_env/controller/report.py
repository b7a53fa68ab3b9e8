"""What a controller saw, did and why: a table for people, and a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_env.errors import needs
from gan_env.saved_controller import Network

ROWS = 25
"""Decisions that the table shows, at most."""
NAMED = 3
"""Statistics that are named as the reason of a decision."""


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        step: the update before which it fell.
        seen: statistic -> observed value, scaled as the policy sees it.
        values: knob -> its value from then on (in a dry run: what it would be).
        why: for people.
    """

    step: int
    seen: dict[str, float]
    values: dict[str, float]
    why: str


@dataclass(frozen=True)
class Report:
    """The decisions of a run so far; `print` shows a table of some of them, `save` writes the picture.

    Attributes:
        title: the policy's name, and how far the run has come.
        decisions: all of them.
    """

    title: str
    decisions: tuple[Decision, ...]

    def __str__(self) -> str:
        knobs = list(self.decisions[0].values)
        head = ["update", *knobs, "saw (among others)", "why"]
        last = len(self.decisions) - 1
        shown = [self.decisions[i] for i in sorted({round(row * last / (ROWS - 1)) for row in range(ROWS)})]
        rows = [[f"{d.step:,}", *(f"{d.values[k]:.4g}" for k in knobs), self._excerpt(d), d.why] for d in shown]
        lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
        return "\n".join([self.title, "", *lines])

    def _excerpt(self, decision: Decision) -> str:
        shown = ("loss_d", "loss_g", "grad_ratio", "sign_real", "log_metric")
        return ", ".join(f"{name} {decision.seen[name]:+.2f}" for name in shown if name in decision.seen)

    def save(self, path: str | Path) -> Path:
        """Draws knobs (left) and statistics (right) over the updates.

        Raises:
            PackageError: matplotlib is not installed.
        """
        with needs("study"):
            from matplotlib.figure import Figure
        steps = [decision.step for decision in self.decisions]
        panels = [*self.decisions[0].values, *(n for n in self.decisions[0].seen if not n.startswith("knob_"))]
        columns = 4
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(3.2 * columns, 2.0 * rows), layout="constrained")
        for index, name in enumerate(panels):
            axes = figure.add_subplot(rows, columns, index + 1)
            is_knob = name in self.decisions[0].values and index < len(self.decisions[0].values)
            values = [(d.values if is_knob else d.seen)[name] for d in self.decisions]
            axes.step(steps, values, where="post", color="tab:red" if is_knob else "tab:blue")
            axes.set_title(f"knob {name}" if is_knob else name, fontsize=9)
        figure.suptitle(self.title)
        figure.savefig(path, dpi=110)
        return Path(path)


def reasons(network: Network, names: tuple[str, ...], knob: int, seen: Tensor, memory: Any) -> str:
    """Which statistics had the largest effect on a knob: slope of the network's output x normalised statistic.

    Args:
        network: what acts.
        names: of the statistics, F.
        knob: the place of the output.
        seen: the observation, [1, F].
        memory: of the network before the decision.
    """
    with torch.enable_grad():
        x = network.normalised(seen).detach().requires_grad_()
        output, _ = network.run(x, memory)
        (slope,) = torch.autograd.grad(output[0, knob], x)
    shares = (slope * x)[0].detach()
    first = shares.abs().argsort(descending=True)[:NAMED].tolist()
    return ", ".join(f"{names[i]} {float(shares[i]):+.2f}" for i in first)
