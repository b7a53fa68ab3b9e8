from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gan_env.gan.fast.products import product

ROWS, BATCH, INPUTS, OUTPUTS = 3, 4, 2, 5


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, WEIGHT = random(ROWS, BATCH, INPUTS, seed=0), random(ROWS, INPUTS, OUTPUTS, seed=1)


def test_a_product_is_each_rows_own() -> None:
    for x, weight, y in zip(X, WEIGHT, product(X, WEIGHT), strict=True):
        torch.testing.assert_close(y, x @ weight)


def test_derivatives_match_finite_differences_twice() -> None:
    """The second time is what R1 needs."""
    inputs = (X.clone().requires_grad_(), WEIGHT.clone().requires_grad_())
    assert torch.autograd.gradcheck(product, inputs)
    assert torch.autograd.gradgradcheck(product, inputs)


def test_the_third_derivative_is_autograds_own() -> None:
    """Looking ahead through updates with R1 takes it; none of the three maps is left out."""

    def third(multiply: Callable[[Tensor, Tensor], Tensor]) -> tuple[Tensor, ...]:
        x, weight = X.clone().requires_grad_(), WEIGHT.clone().requires_grad_()
        by_x = torch.autograd.grad(multiply(x, weight).square().sum(), x, create_graph=True)[0]
        by_weight = torch.autograd.grad(by_x.square().sum(), weight, create_graph=True)[0]
        return torch.autograd.grad(by_weight.square().sum(), (x, weight))

    for ours, theirs in zip(third(product), third(torch.bmm), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("of", ["x", "weight"])
def test_only_what_is_asked_for_has_a_gradient(of: str) -> None:
    """A generator's step asks for no gradient of the discriminator's weights, nor pays for it."""
    x, weight = X.clone().requires_grad_(of == "x"), WEIGHT.clone().requires_grad_(of == "weight")
    product(x, weight).sum().backward()
    assert ((x.grad is None), (weight.grad is None)) == ((of != "x"), (of != "weight"))


def test_a_row_of_nan_stays_alone() -> None:
    x = X.clone().requires_grad_()
    poisoned = WEIGHT.clone()
    poisoned[0] = float("nan")
    (grad,) = torch.autograd.grad(product(x, poisoned).sum(), x)
    assert not grad[0].isfinite().any()
    assert torch.equal(grad[1:], torch.autograd.grad(product(x, WEIGHT).sum(), x)[0][1:])
