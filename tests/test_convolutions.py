import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.functional import conv2d, conv_transpose2d

from gan_env.gan.convolutions import FEW_CHANNELS, down, up


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


SIZES = pytest.mark.parametrize("channels", [2, FEW_CHANNELS])
ROWS = pytest.mark.parametrize("rows", [1, 3])  # the library's convolution, and a product of neighbourhoods


@ROWS
@SIZES
def test_down_is_the_librarys_convolution_of_each_row(rows: int, channels: int) -> None:
    x, kernel = random(rows, 2, channels, 8, 6), random(rows, 5, channels, 4, 4, seed=1)
    expected = torch.stack([conv2d(x[i], kernel[i], stride=2, padding=1) for i in range(rows)])
    torch.testing.assert_close(down(x, kernel), expected)


@ROWS
@SIZES
def test_up_is_the_librarys_transposed_convolution_of_each_row(rows: int, channels: int) -> None:
    y, kernel = random(rows, 2, 5, 4, 3), random(rows, 5, channels, 4, 4, seed=1)
    expected = torch.stack([conv_transpose2d(y[i], kernel[i], stride=2, padding=1) for i in range(rows)])
    torch.testing.assert_close(up(y, kernel), expected)


@ROWS
def test_up_is_the_adjoint_of_down(rows: int) -> None:
    x, y, kernel = random(rows, 2, 3, 8, 8), random(rows, 2, 5, 4, 4, seed=1), random(rows, 5, 3, 4, 4, seed=2)
    torch.testing.assert_close((down(x, kernel) * y).sum(), (x * up(y, kernel)).sum())


@ROWS
@SIZES
def test_gradients_are_those_of_finite_differences_twice_over(rows: int, channels: int) -> None:
    wide, narrow = random(rows, 1, channels, 4, 4), random(rows, 1, 2, 2, 2, seed=1)
    kernel = random(rows, 2, channels, 4, 4, seed=2)
    for function, x in ((down, wide), (up, narrow)):
        assert gradcheck(function, (x, kernel), fast_mode=True)
        assert gradgradcheck(function, (x, kernel), fast_mode=True)


@pytest.mark.parametrize("channels", [2, FEW_CHANNELS])
def test_a_row_alone_is_as_it_is_among_others(channels: int) -> None:
    x, y = random(3, 2, channels, 8, 8), random(3, 2, 5, 4, 4, seed=1)
    kernel = random(3, 5, channels, 4, 4, seed=2)
    torch.testing.assert_close(down(x, kernel)[1:2], down(x[1:2], kernel[1:2]))
    torch.testing.assert_close(up(y, kernel)[1:2], up(y[1:2], kernel[1:2]))
