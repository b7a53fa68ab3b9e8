"""Matrix products of many rows, differentiable any number of times.

A product, the product with a transposed matrix and the matrix's gradient are three bilinear maps, and the derivative of
each is the other two. Autograd's own derivatives are the same, but MKL is slow at many small products with a transposed
matrix: a copy of it costs less.
"""

from typing import Any

import torch
from torch import Tensor


def product(x: Tensor, weight: Tensor) -> Tensor:
    """Each row's inputs times its weight: [N, B, I], [N, I, O] -> [N, B, O]."""
    return _Product.apply(x, weight)  # type: ignore[no-any-return, no-untyped-call]


def _transposed_product(y: Tensor, weight: Tensor) -> Tensor:
    """Each row's outputs times its transposed weight: [N, B, O], [N, I, O] -> [N, B, I]."""
    return _TransposedProduct.apply(y, weight)  # type: ignore[no-any-return, no-untyped-call]


def _weight_gradient(x: Tensor, y: Tensor) -> Tensor:
    """Of the sum of `product(x, weight) * y` by the weight: [N, I, O]."""
    return _WeightGradient.apply(x, y)  # type: ignore[no-any-return, no-untyped-call]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.bmm(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        by_x, by_weight = ctx.needs_input_grad
        return _transposed_product(grad, weight) if by_x else None, _weight_gradient(x, grad) if by_weight else None


class _TransposedProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(y, weight)
        copy = weight.mT.contiguous()
        return torch.bmm(y, copy.as_strided(copy.shape, copy.stride()))  # else a compiler copies in the old order

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        y, weight = ctx.saved_tensors
        by_y, by_weight = ctx.needs_input_grad
        return product(grad, weight) if by_y else None, _weight_gradient(grad, y) if by_weight else None


class _WeightGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return torch.bmm(x.mT, y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, y = ctx.saved_tensors
        by_x, by_y = ctx.needs_input_grad
        return _transposed_product(y, grad) if by_x else None, product(x, grad) if by_y else None
