import math

import pytest
import torch
from torch import Tensor

from gan_env.gan.augment import AUGMENTATIONS, POINT_SCALE, augment_images, augment_points

ROWS, BATCH = 3, 40


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


POINTS = 2 * random(ROWS, BATCH, 2) - 1
IMAGES = 2 * random(ROWS, BATCH, 1, 8, 8) - 1
KINDS = [pytest.param(POINTS, id="points"), pytest.param(IMAGES, id="images")]


def augment(x: Tensor, probability: float | list[float], seed: int = 1) -> Tensor:
    augmentation = AUGMENTATIONS[x.dim() - 2]
    strength = torch.tensor(probability).expand(len(x))
    return augmentation.apply(x, random(len(x), augmentation.draws, x.shape[1], seed=seed), strength)


# --- what holds for points and images ---


@pytest.mark.parametrize("x", KINDS)
def test_without_probability_the_inputs_pass_bit_by_bit(x: Tensor) -> None:
    assert torch.equal(augment(x, 0.0), x)


@pytest.mark.parametrize("x", KINDS)
def test_with_probability_one_every_sample_changes(x: Tensor) -> None:
    changed = (augment(x, 1.0) != x).flatten(2).any(dim=2)
    assert changed.all()


@pytest.mark.parametrize("x", KINDS)
def test_shape_and_type_are_kept(x: Tensor) -> None:
    result = augment(x, 0.5)
    assert result.shape == x.shape
    assert result.dtype == x.dtype


@pytest.mark.parametrize("x", KINDS)
def test_rows_have_a_strength_of_their_own(x: Tensor) -> None:
    result = augment(x, [0.0, 0.3, 1.0])
    assert torch.equal(result[0], x[0])
    for row, strength in ((1, 0.3), (2, 1.0)):
        assert torch.equal(result[row], augment(x, strength)[row])


@pytest.mark.parametrize("x", KINDS)
def test_a_row_is_the_same_alone(x: Tensor) -> None:
    augmentation, strength = AUGMENTATIONS[x.dim() - 2], torch.tensor([0.2, 0.6, 1.0])
    draws = random(ROWS, augmentation.draws, BATCH, seed=1)
    together = augmentation.apply(x, draws, strength)
    for i in range(ROWS):
        row = slice(i, i + 1)
        assert torch.equal(together[row], augmentation.apply(x[row], draws[row], strength[row]))


@pytest.mark.parametrize("x", KINDS)
def test_gradients_are_those_of_an_affine_map(x: Tensor) -> None:
    """For f(x) = A x + b, the difference f(x + h) - f(x) is J h exactly, however large h is."""
    step = random(*x.shape, seed=5)
    _, product = torch.autograd.functional.jvp(lambda y: augment(y, 0.7), x, step)
    torch.testing.assert_close(product, augment(x + step, 0.7) - augment(x, 0.7), rtol=0, atol=1e-5)
    assert product.abs().max() > 0.5


@pytest.mark.parametrize("x", KINDS)
def test_the_penalty_can_be_differentiated_through_it(x: Tensor) -> None:
    """R1 is taken on the undisturbed inputs: it needs gradients of gradients."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(augment(x, 0.5).square().sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.flatten(2).norm(dim=2).min() > 0


# --- points ---


def test_point_gradients_match_finite_differences() -> None:
    x = POINTS[:, :4].double().requires_grad_()
    draws = random(ROWS, 3, 4, seed=1).double()
    strength = torch.tensor([0.3, 0.6, 1.0])
    assert torch.autograd.gradcheck(lambda y: augment_points(y, draws, strength), x)


def test_points_are_scaled_within_bounds() -> None:
    ratio = augment(POINTS, 1.0).norm(dim=2) / POINTS.norm(dim=2)
    assert ratio.max() <= math.exp(POINT_SCALE) * (1 + 1e-5)
    assert ratio.min() >= math.exp(-POINT_SCALE) * (1 - 1e-5)
    assert ratio.max() > math.exp(POINT_SCALE / 2)  # and use them
    assert ratio.min() < math.exp(-POINT_SCALE / 2)


def test_points_are_rotated_without_being_mirrored_or_sheared() -> None:
    """A quarter turn before is a quarter turn after: only rotations and scalings do that."""

    def quarter(x: Tensor) -> Tensor:
        return torch.stack([-x[..., 1], x[..., 0]], dim=-1)

    torch.testing.assert_close(augment(quarter(POINTS), 1.0), quarter(augment(POINTS, 1.0)))


def test_points_are_rotated_by_all_angles() -> None:
    before, after = POINTS, augment(POINTS, 1.0)
    turned = (torch.atan2(after[..., 1], after[..., 0]) - torch.atan2(before[..., 1], before[..., 0])) % (2 * math.pi)
    assert set((turned // (math.pi / 2)).flatten().tolist()) == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize(("turn", "expected"), [(0.5, (0.6, 0.0)), (0.75, (0.0, 0.6)), (0.25, (0.0, -0.6))])
def test_a_chosen_rotation(turn: float, expected: tuple[float, float]) -> None:
    draws = torch.tensor([0.0, turn, 0.5]).view(1, 3, 1)  # chosen, angle (turn - 0.5) * 2 pi, scale 1
    result = augment_points(torch.tensor([[[0.6, 0.0]]]), draws, torch.ones(1))
    torch.testing.assert_close(result[0, 0], torch.tensor(expected))


@pytest.mark.parametrize(("size", "factor"), [(0.0, math.exp(-POINT_SCALE)), (0.5, 1.0), (1.0, math.exp(POINT_SCALE))])
def test_a_chosen_scale(size: float, factor: float) -> None:
    draws = torch.tensor([0.0, 0.5, size]).view(1, 3, 1)
    result = augment_points(torch.tensor([[[0.6, -0.3]]]), draws, torch.ones(1))
    torch.testing.assert_close(result[0, 0], factor * torch.tensor([0.6, -0.3]))


def test_points_change_with_the_given_probability() -> None:
    x = torch.ones(2, 4000, 2)
    changed = (augment(x, [0.3, 0.8]) != x).any(dim=2).float().mean(dim=1)
    torch.testing.assert_close(changed, torch.tensor([0.3, 0.8]), rtol=0, atol=0.03)


# --- images ---

SIDE = 16
PICTURE = 2 * random(1, 1, 2, SIDE, SIDE, seed=3) - 1
CHOICES = ("flip", "shift", "brighten", "cut")


def chosen(*names: str, **amounts: float) -> Tensor:
    """Augments `PICTURE` with the named transforms alone; amounts not given are in the middle, without effect."""
    order = [*(0.0 if name in names else 0.9 for name in CHOICES)]
    order += [amounts.get(name, 0.5) for name in ("mirror", "down", "right", "light", "center_y", "center_x")]
    return augment_images(PICTURE, torch.tensor(order).view(1, 10, 1), torch.tensor([0.5]))


def test_images_that_no_transform_is_chosen_for_pass_bit_by_bit() -> None:
    result = chosen(mirror=0.0, down=1.0, right=0.0, light=1.0)
    assert torch.equal(result, PICTURE)


def test_a_flip_mirrors_left_and_right() -> None:
    assert torch.equal(chosen("flip", mirror=0.2), PICTURE.flip(-1))


def test_half_of_the_flips_leave_the_image() -> None:
    """The mirror image is as likely as the image."""
    assert torch.equal(chosen("flip", mirror=0.8), PICTURE)


def test_a_shift_downwards_leaves_an_empty_upper_edge() -> None:
    expected = torch.roll(PICTURE, 2, dims=-2)
    expected[..., :2, :] = 0
    assert torch.equal(chosen("shift", down=1.0), expected)  # an eighth of sixteen pixels


def test_a_shift_upwards_leaves_an_empty_lower_edge() -> None:
    expected = torch.roll(PICTURE, -2, dims=-2)
    expected[..., -2:, :] = 0
    assert torch.equal(chosen("shift", down=0.0), expected)


def test_a_shift_sideways_leaves_an_empty_edge() -> None:
    expected = torch.roll(PICTURE, 1, dims=-1)
    expected[..., :1] = 0
    assert torch.equal(chosen("shift", right=0.75), expected)


def test_a_flip_comes_before_a_shift() -> None:
    expected = torch.roll(PICTURE.flip(-1), (2, -2), dims=(-2, -1))
    expected[..., :2, :] = 0
    expected[..., -2:] = 0
    assert torch.equal(chosen("flip", "shift", mirror=0.2, down=1.0, right=0.0), expected)


@pytest.mark.parametrize(("light", "amount"), [(0.0, -0.5), (0.5, 0.0), (1.0, 0.5)])
def test_brightness_is_added(light: float, amount: float) -> None:
    torch.testing.assert_close(chosen("brighten", light=light), PICTURE + amount)


def test_a_cutout_empties_a_square_of_half_the_side() -> None:
    expected = PICTURE.clone()
    expected[..., 4:12, 4:12] = 0
    assert torch.equal(chosen("cut"), expected)


def test_a_cutout_in_the_corner_empties_what_lies_inside() -> None:
    expected = PICTURE.clone()
    expected[..., :4, 12:] = 0
    assert torch.equal(chosen("cut", center_y=0.0, center_x=1.0), expected)


def test_each_transform_has_the_given_probability_by_itself() -> None:
    """A grey image is changed by brightness alone, so the share of changed samples is brightness' own."""
    x = torch.zeros(2, 2000, 1, 4, 4)
    changed = augment(x, [0.3, 0.8]).flatten(2).any(dim=2).float().mean(dim=1)
    torch.testing.assert_close(changed, torch.tensor([0.3, 0.8]), rtol=0, atol=0.04)
