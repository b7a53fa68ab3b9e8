"""Bilinear maps that can be differentiated any number of times, among them the matrix products of many rows.

A product, the product with a transposed matrix and the matrix's gradient are three bilinear maps, and the derivatives
of each are the other two. Autograd's own derivatives are the same, but MKL is slow at many small products with a
transposed matrix: a copy of it costs less.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Map = Callable[[Tensor, Tensor], Tensor]
Slope = Callable[[Tensor, Tensor, Tensor], Tensor]


def bilinear(function: Map, by_first: Slope, by_second: Slope) -> Map:
    """A bilinear map whose derivatives are given, computed only where they are needed.

    Args:
        function: the map of two tensors.
        by_first: both tensors and the gradient of the result -> the gradient of the first tensor.
        by_second: likewise, of the second one.
    """

    class Bilinear(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
            ctx.save_for_backward(first, second)
            return function(first, second)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
            (first, second), needed = ctx.saved_tensors, ctx.needs_input_grad
            return (
                by_first(first, second, grad) if needed[0] else None,
                by_second(first, second, grad) if needed[1] else None,
            )

    return Bilinear.apply  # type: ignore[no-any-return]


def _multiply_transposed(y: Tensor, weight: Tensor) -> Tensor:
    copy = weight.mT.contiguous()
    return torch.bmm(y, copy.as_strided(copy.shape, copy.stride()))  # else a compiler copies in the old order


def _multiply_gradients(x: Tensor, y: Tensor) -> Tensor:
    return torch.bmm(x.mT, y)


product: Map = bilinear(torch.bmm, lambda x, w, g: _transposed(g, w), lambda x, w, g: _weight_gradient(x, g))
"""Each row's inputs times its weight: [N, B, I], [N, I, O] -> [N, B, O]."""

_transposed: Map = bilinear(_multiply_transposed, lambda y, w, g: product(g, w), lambda y, w, g: _weight_gradient(g, y))
"""Each row's outputs times its transposed weight: [N, B, O], [N, I, O] -> [N, B, I]."""

_weight_gradient: Map = bilinear(_multiply_gradients, lambda x, y, g: _transposed(y, g), lambda x, y, g: product(x, g))
"""Gradient of the sum of `product(x, weight) * y` by the weight: [N, B, I], [N, B, O] -> [N, I, O]."""
