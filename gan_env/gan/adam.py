"""Adam for N rows at once, and what its steps are measured by."""

import torch
from torch import Tensor

BETA_2, EPSILON = 0.99, 1e-8  # Adam (Kingma and Ba 2015, arXiv:1412.6980)
TINY = 1e-32  # its root is negligible against EPSILON


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Of the angle between vectors [N, P] each: [N]; 0 where one is zero."""
    return (a * b).sum(dim=1) / (a.square().sum(dim=1) * b.square().sum(dim=1) + TINY).sqrt()


def square_step(before: Tensor, after: Tensor) -> Tensor:
    """|step|^2 / |weights|^2, from weights [N, P] before and after: [N]."""
    return (after - before).square().sum(dim=1) / (before.square().sum(dim=1) + TINY)


def bias_corrections(before: tuple[Tensor, Tensor], beta_1: Tensor) -> tuple[Tensor, Tensor]:
    """What Adam divides its two moments by: 1 - beta^t, [N] each, from those of the update before (zeros at first).

    They are the moments of a gradient that is always 1. Powers would be fused, and computed anew for each weight.
    """
    ones = torch.ones_like(beta_1)
    return torch.lerp(before[0], ones, 1 - beta_1), torch.lerp(before[1], ones, 1 - BETA_2)


def adam(
    weights: Tensor,
    grad: Tensor,
    first: Tensor,
    second: Tensor,
    rate: Tensor,
    beta_1: Tensor,
    corrections: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Adam: [N, P] each, and for each row [N] its learning rate, momentum and bias corrections."""
    first = torch.lerp(first, grad, 1 - beta_1[:, None])
    second = torch.lerp(second, grad.square(), 1 - BETA_2)
    size, unbiased = rate / corrections[0], second / corrections[1][:, None]
    if unbiased.requires_grad:  # weights beyond a row's width have zero moments, where the root's slope is infinite
        unbiased = unbiased.clamp(min=TINY)
    root = torch.sqrt(unbiased) + EPSILON
    return weights - size[:, None] * first / root, first, second
