import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from gan_env.gan.fast import convolutions
from gan_env.gan.fast.compiler import compile_program
from gan_env.gan.fast.convolutions import FEW_CHANNELS, bilinear_down, bilinear_up, conv, down, nearest_up, pool, up

ROWS, BATCH, CHANNELS, OUTPUTS = 3, 2, 4, 6


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X = random(ROWS, BATCH, CHANNELS, 6, 4)
CONV = [pytest.param(side, groups, id=f"{side}x{side}-{groups}") for side in (1, 3) for groups in (1, 2)]


def kernel(side: int, groups: int) -> Tensor:
    return random(ROWS, OUTPUTS, CHANNELS // groups, side, side, seed=1)


@pytest.fixture(params=[0, convolutions.FEW_NUMBERS], ids=["library", "product"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row as a convolution of the library, and as a product."""
    monkeypatch.setattr(convolutions, "FEW_NUMBERS", request.param)


@pytest.mark.parametrize(("side", "groups"), CONV)
def test_conv_of_a_row_is_torchs(side: int, groups: int) -> None:
    weight = kernel(side, groups)
    result = conv(X, weight, groups)
    for i in range(ROWS):
        torch.testing.assert_close(result[i], functional.conv2d(X[i], weight[i], padding="same", groups=groups))


@pytest.mark.parametrize(("side", "groups"), CONV)
def test_conv_of_one_row_is_that_of_many(side: int, groups: int) -> None:
    weight = kernel(side, groups)
    for i in range(ROWS):
        row = slice(i, i + 1)
        torch.testing.assert_close(conv(X[row], weight[row], groups), conv(X, weight, groups)[row])


def test_a_row_of_nan_stays_alone() -> None:
    poisoned = X.clone()
    poisoned[0] = float("nan")
    assert torch.equal(conv(poisoned, kernel(3, 2), 2)[1:], conv(X, kernel(3, 2), 2)[1:])


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("channels", [2, FEW_CHANNELS])
@pytest.mark.parametrize("name", ["conv", "down", "up"])
@pytest.mark.usefixtures("either_way")
def test_derivatives_match_finite_differences_twice(name: str, channels: int, rows: int) -> None:
    """The second time is what R1 needs."""
    side, inside = 3 if name == "conv" else 4, 2 if name == "up" else channels
    x, weight = random(rows, 1, inside, 4, 4), random(rows, 2, channels, side, side, seed=1)
    function = {"conv": conv, "down": down, "up": up}[name]
    inputs = (x.requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("rows", [1, ROWS])
def test_up_is_the_adjoint_of_down(rows: int) -> None:
    x, y, weight = random(rows, 2, 3, 8, 8), random(rows, 2, 5, 4, 4, seed=1), random(rows, 5, 3, 4, 4, seed=2)
    torch.testing.assert_close((down(x, weight) * y).sum(), (x * up(y, weight)).sum())


@pytest.mark.parametrize("rows", [1, ROWS])
@pytest.mark.parametrize("channels", [1, 8])
@pytest.mark.usefixtures("either_way")
def test_down_and_up_of_a_row_are_torchs(channels: int, rows: int) -> None:
    """Few and many channels, one row and many take different ways."""
    x, y = random(rows, BATCH, channels, 8, 8), random(rows, BATCH, OUTPUTS, 4, 4, seed=2)
    weight = random(rows, OUTPUTS, channels, 4, 4, seed=1)
    for i in range(rows):
        torch.testing.assert_close(down(x, weight)[i], functional.conv2d(x[i], weight[i], stride=2, padding=1))
        torch.testing.assert_close(up(y, weight)[i], functional.conv_transpose2d(y[i], weight[i], stride=2, padding=1))


@pytest.mark.parametrize(("name", "library"), [("down", "conv2d"), ("up", "conv_transpose2d")])
def test_the_numbers_and_pixels_of_the_larger_images_decide(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    larger, smaller, weight = random(1, BATCH, 8, 8, 6), random(1, BATCH, OUTPUTS, 4, 3), random(1, OUTPUTS, 8, 4, 4)
    asked = []
    original = getattr(functional, library)
    monkeypatch.setattr(convolutions, library, lambda *given, **more: asked.append(1) or original(*given, **more))
    numbers, pixels = larger.numel(), 8 * 6
    for few_numbers, few_pixels, calls in ((numbers, pixels, 0), (numbers - 1, pixels, 1), (numbers, pixels - 1, 2)):
        monkeypatch.setattr(convolutions, "FEW_NUMBERS", few_numbers)
        monkeypatch.setattr(convolutions, "FEW_PIXELS", few_pixels)
        (down if name == "down" else up)(larger if name == "down" else smaller, weight)
        assert len(asked) == calls


@pytest.mark.parametrize("name", ["down", "up"])
def test_a_compiled_product_of_one_row_is_torchs(name: str) -> None:
    weight = random(1, OUTPUTS, 8, 4, 4).float()
    x = random(1, BATCH, *((8, 8, 6) if name == "down" else (OUTPUTS, 4, 3))).float()
    assert x.numel() <= convolutions.FEW_NUMBERS
    function, library = (down, functional.conv2d) if name == "down" else (up, functional.conv_transpose2d)
    found = compile_program(function, [x, weight])(x, weight)[0]
    torch.testing.assert_close(found, library(x[0], weight[0], stride=2, padding=1), rtol=1e-4, atol=1e-4)


def test_resampling_up_is_torchs() -> None:
    for i in range(ROWS):
        nearest = functional.interpolate(X[i], scale_factor=2, mode="nearest")
        bilinear = functional.interpolate(X[i], scale_factor=2, mode="bilinear", align_corners=False)
        assert torch.equal(nearest_up(X)[i], nearest)
        torch.testing.assert_close(bilinear_up(X)[i], bilinear)


def test_pooling_is_torchs() -> None:
    for i in range(ROWS):
        torch.testing.assert_close(pool(X)[i], functional.avg_pool2d(X[i], 2))


@given(seed=st.integers(0, 1000))
def test_bilinear_down_is_the_adjoint_of_bilinear_up(seed: int) -> None:
    large, small = random(1, 1, 1, 8, 6, seed=seed), random(1, 1, 1, 4, 3, seed=seed + 1)
    torch.testing.assert_close((bilinear_up(small) * large).sum(), 4 * (small * bilinear_down(large)).sum())


@given(seed=st.integers(0, 1000))
def test_resampling_keeps_the_mean(seed: int) -> None:
    x = random(1, 2, 3, 6, 8, seed=seed)
    for resample in (nearest_up, pool, bilinear_down):
        torch.testing.assert_close(resample(x).mean(dim=(-2, -1)), x.mean(dim=(-2, -1)))


def test_bilinear_down_inside_is_one_three_three_one() -> None:
    line = torch.zeros(1, 1, 1, 8, 8, dtype=torch.float64)
    line[..., 4, :] = 1.0
    torch.testing.assert_close(bilinear_down(line)[0, 0, 0, :, 0], torch.tensor([0, 1, 3, 0]).double() / 8)


@pytest.mark.parametrize("resample", [bilinear_up, bilinear_down, nearest_up, pool])
def test_resampling_keeps_constants(resample: object) -> None:
    assert callable(resample)
    torch.testing.assert_close(resample(0 * X + 2.5).unique(), torch.tensor([2.5]).double())


@pytest.mark.parametrize(("height", "width"), [(4, 4), (2, 4)])
def test_a_kernel_that_is_written_out_gives_torchs_convolutions(height: int, width: int) -> None:
    """Many channels of images of at most 4x4."""
    x, weight = random(ROWS, BATCH, 8, height, width), random(ROWS, OUTPUTS, 8, 4, 4, seed=1)
    y = random(ROWS, BATCH, OUTPUTS, height // 2, width // 2, seed=2)
    for i in range(ROWS):
        torch.testing.assert_close(down(x, weight)[i], functional.conv2d(x[i], weight[i], stride=2, padding=1))
        back = functional.conv_transpose2d(y[i], weight[i], stride=2, padding=1)
        torch.testing.assert_close(up(y, weight)[i], back)
