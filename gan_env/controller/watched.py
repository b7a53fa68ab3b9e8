"""What an optimiser's steps show: hooks that read gradients and sizes of steps, and what is known of an optimiser."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from gan_env.controller.averages import mean_of_ranks
from gan_env.errors import require
from gan_env.mdp.steps import relative_rates


class Watched:
    """What the steps of one player show; see `Optimisers.watch`."""

    def __init__(self, player: str, observe: Callable[[dict[str, Tensor]], None], needed: Collection[str]) -> None:
        self.player, self.observe = player, observe
        self.aligned, self.sized = f"align_{player}" in needed, f"square_step_{player}" in needed
        self._weights: list[Tensor] = []

    @torch.no_grad()
    def before_step(self, optimiser: Optimizer, *_: Any) -> None:
        """Reads the gradients."""
        if self.sized:
            self._weights = [p.clone() for p in parameters_of(optimiser)]
        parameters = [p for p in parameters_of(optimiser) if p.grad is not None]
        if not parameters:  # with a closure there are none before the first step
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = get_total_norm(gradients).float()
        scale = getattr(optimiser, "grad_scale", None)  # of a fused optimiser under GradScaler
        self.observe({f"square_grad_{self.player}": (norm if scale is None else norm / scale).square()})
        if self.aligned:
            means = [self._mean(optimiser, parameter) for parameter in parameters]
            product = torch.stack([(g * m).sum() for g, m in zip(gradients, means, strict=True)]).sum()
            size = norm * get_total_norm(means)  # 0 before the first step
            self.observe({f"align_{self.player}": torch.where(size == 0, 0.0, product / size).float()})

    @torch.no_grad()
    def after_step(self, optimiser: Optimizer, *_: Any) -> None:
        """Compares the weights with those before; a step without any gradient is none."""
        if self._weights and any(p.grad is not None for p in parameters_of(optimiser)):
            steps = [p - before for p, before in zip(parameters_of(optimiser), self._weights, strict=True)]
            ratio = get_total_norm(steps) / get_total_norm(self._weights)
            skipped = getattr(optimiser, "found_inf", None)  # a fused optimiser under GradScaler skips on the device
            if skipped is not None:
                ratio = torch.where(skipped > 0, math.nan, ratio)
            self.observe({f"square_step_{self.player}": ratio.float().square()})
        self._weights = []

    def _mean(self, optimiser: Optimizer, parameter: Tensor) -> Tensor:
        """Adam's mean of a parameter's gradients.

        Raises:
            ConfigError: the optimiser keeps none.
        """
        state = optimiser.state.get(parameter, {})
        keeps = not state or "exp_avg" in state
        adams = f"one of Adam's kind: the controller observes align_{self.player}, which needs its state `exp_avg`"
        require(keeps, f"opt_{self.player}", type(optimiser).__name__, adams)
        return state["exp_avg"] if state else torch.zeros_like(parameter)


def parameters_of(optimiser: Optimizer) -> list[Tensor]:
    """Those of all groups."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def leaves(tensor: Tensor) -> set[int]:
    """The identities of the parameters that a tensor was computed from, as its graph says."""
    found, seen, left = set[int](), set[Any](), [tensor.grad_fn]
    while left:
        node = left.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found.add(id(getattr(node, "variable", None)))
            left += [following for following, _ in node.next_functions]
    return found


def age(optimiser: Optimizer) -> int:
    """Steps that it has taken, by its first weight, as far as it counts them: Adam and its kin do."""
    return int(next((state["step"] for state in optimiser.state.values() if "step" in state), 0))


def momentum_of(optimiser: Optimizer) -> float | None:
    """That of the first group; None: it has none."""
    group = optimiser.param_groups[0]
    momentum = group["betas"][0] if "betas" in group else group.get("momentum")
    return None if momentum is None else float(momentum)


def of_adam(optimiser: Optimizer) -> bool:
    """Whether its learning rate is about how far a step moves a weight: not Prodigy's, which has a factor `d`."""
    return "betas" in optimiser.defaults and "d" not in optimiser.param_groups[0]


def relative_rates_of(optimisers: Sequence[Optimizer], rates: Sequence[Sequence[float]]) -> Tensor:
    """Learning rates over the root mean square of all weights, [1, n]; 0 where an optimiser isn't of Adam's kind.

    Parameter groups may differ in their rates: what counts is the norm of the whole update. One copy to the host. Norms
    are means over the ranks of `torch.distributed`, each of which has to ask.

    Args:
        optimisers: of the players.
        rates: of their groups.
    """
    device = parameters_of(optimisers[-1])[0].device
    norms = [get_total_norm([p.detach() for p in parameters_of(o)]).float().to(device) for o in optimisers]
    relative = []
    for optimiser, norm, given in zip(optimisers, mean_of_ranks(torch.stack(norms)).cpu(), rates, strict=True):
        groups = zip(given, optimiser.param_groups, strict=True)
        sizes = [(lr, sum(p.numel() for p in group["params"])) for lr, group in groups]
        count = torch.tensor(float(sum(size for _, size in sizes)))
        rate = torch.tensor([lr**2 * size for lr, size in sizes]).sum().div(count).sqrt()  # rms over all weights
        relative.append(relative_rates(rate, norm, count) if of_adam(optimiser) else torch.zeros(()))
    return torch.stack(relative)[None]


def plain(key: str, given: Any) -> Optimizer:
    """The optimiser of torch in a wrapper of another library."""
    found = given
    while hasattr(found, "optimizer") and found.optimizer is not found:
        found = found.optimizer
    require(isinstance(found, Optimizer), key, type(given).__name__, "a torch.optim.Optimizer; one for each player")
    return found  # type: ignore[no-any-return]
