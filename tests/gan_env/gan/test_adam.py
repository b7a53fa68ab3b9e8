"""Adam of many rows is torch's of each; cosines and sizes of steps by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gan_env.gan.adam import BETA_2, EPSILON, adam, bias_corrections, cosine, square_step


def test_adam_is_torchs_adam_with_a_rate_and_momentum_a_row() -> None:
    rates, momenta = torch.tensor([1e-3, 1e-2]), torch.tensor([0.0, 0.9])
    start = torch.randn(2, 5)
    ours, first, second = start.clone(), torch.zeros(2, 5), torch.zeros(2, 5)
    theirs = [nn.Parameter(row.clone()) for row in start]
    optimizers = [
        torch.optim.Adam([p], lr.item(), (beta_1.item(), BETA_2), EPSILON)
        for p, lr, beta_1 in zip(theirs, rates, momenta, strict=True)
    ]
    corrections = torch.zeros(2), torch.zeros(2)
    for _ in range(4):
        grad = torch.randn(2, 5)
        corrections = bias_corrections(corrections, momenta)
        ours, first, second = adam(ours, grad, first, second, rates, momenta, corrections)
        for row, (parameter, optimizer) in enumerate(zip(theirs, optimizers, strict=True)):
            parameter.grad = grad[row]
            optimizer.step()
    torch.testing.assert_close(ours, torch.stack([p.detach() for p in theirs]), rtol=1e-5, atol=1e-6)


@given(beta_1=st.floats(0, 0.99), updates=st.integers(1, 600))
def test_bias_corrections_are_one_less_a_power(beta_1: float, updates: int) -> None:
    found = torch.zeros(1), torch.zeros(1)
    for _ in range(updates):
        found = bias_corrections(found, torch.tensor([beta_1]))
    assert found[0].item() == pytest.approx(1 - beta_1**updates, rel=1e-4)
    assert found[1].item() == pytest.approx(1 - BETA_2**updates, rel=1e-4)


def test_a_cosine_is_that_of_the_angle_and_zero_without_one() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    b = torch.tensor([[2.0, 0.0], [-3.0, -3.0], [1.0, 2.0]])
    assert cosine(a, b).tolist() == pytest.approx([1.0, -1.0, 0.0])


def test_a_step_is_measured_beside_the_weights() -> None:
    before, after = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[3.0, 5.0], [0.0, 2.0]])
    assert square_step(before, after).tolist() == pytest.approx([1 / 25, 0.0])
