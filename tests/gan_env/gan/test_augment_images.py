"""Each part of the augmentation of images, with draws that are chosen."""

import pytest
import torch
from torch import Tensor

from gan_env.gan.augment import PARTS, augment_images


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


SIDE = 16
PICTURE = 2 * random(1, 1, 2, SIDE, SIDE, seed=3) - 1
PHOTO = 2 * random(1, 1, 3, SIDE, SIDE, seed=3) - 1
AMOUNTS = {
    "rotate": ("turn",),
    "flip": ("mirror",),
    "translate": ("down", "right"),
    "color": ("light", "saturation", "contrast"),
    "cutout": ("center_y", "center_x"),
}


def chosen(*names: str, picture: Tensor = PICTURE, strength: float = 1.0, **amounts: float) -> Tensor:
    """Augments with the named parts alone; amounts not given are in the middle, where most have no effect."""
    order = [0.0 if part in names else 0.9 for part in PARTS]
    for part in PARTS:
        order += [amounts.get(name, 0.5) for name in AMOUNTS[part]]
    draws, even = torch.tensor(order).view(1, -1, 1), dict.fromkeys(PARTS, torch.tensor([0.5]))
    return augment_images(picture, draws, even, torch.tensor([strength]))


def test_images_that_no_part_is_chosen_for_pass_bit_by_bit() -> None:
    for picture in (PICTURE, PHOTO):
        result = chosen(
            picture=picture, turn=0.3, mirror=0.0, down=1.0, right=0.0, light=1.0, saturation=1.0, contrast=0.0
        )
        assert torch.equal(result, picture)


@pytest.mark.parametrize(("turn", "quarters"), [(0.0, 0), (0.24, 0), (0.26, 1), (0.5, 2), (0.99, 3)])
def test_a_rotation_is_by_quarter_turns(turn: float, quarters: int) -> None:
    assert torch.equal(chosen("rotate", turn=turn), torch.rot90(PICTURE, quarters, dims=(-2, -1)))


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_rotation_comes_before_a_flip(quarters: int) -> None:
    expected = torch.rot90(PICTURE, quarters, dims=(-2, -1)).flip(-1)
    assert torch.equal(chosen("rotate", "flip", turn=quarters / 4, mirror=0.2), expected)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turn_and_the_turn_back_are_no_turn(quarters: int) -> None:
    there = chosen("rotate", turn=quarters / 4)
    assert torch.equal(chosen("rotate", picture=there, turn=(4 - quarters) % 4 / 4), PICTURE)


def test_a_flip_twice_is_no_flip() -> None:
    assert torch.equal(chosen("flip", picture=chosen("flip", mirror=0.2), mirror=0.2), PICTURE)


def test_a_flip_mirrors_left_and_right() -> None:
    assert torch.equal(chosen("flip", mirror=0.2), PICTURE.flip(-1))


def test_half_of_the_flips_leave_the_image() -> None:
    """The mirror image is as likely as the image."""
    assert torch.equal(chosen("flip", mirror=0.8), PICTURE)


def test_a_shift_downwards_leaves_an_empty_upper_edge() -> None:
    expected = torch.roll(PICTURE, 2, dims=-2)
    expected[..., :2, :] = 0
    assert torch.equal(chosen("translate", down=1.0), expected)  # an eighth of sixteen pixels


def test_a_shift_upwards_leaves_an_empty_lower_edge() -> None:
    expected = torch.roll(PICTURE, -2, dims=-2)
    expected[..., -2:, :] = 0
    assert torch.equal(chosen("translate", down=0.0), expected)


def test_a_shift_sideways_leaves_an_empty_edge() -> None:
    expected = torch.roll(PICTURE, 1, dims=-1)
    expected[..., :1] = 0
    assert torch.equal(chosen("translate", right=0.75), expected)


def test_a_flip_comes_before_a_shift() -> None:
    expected = torch.roll(PICTURE.flip(-1), (2, -2), dims=(-2, -1))
    expected[..., :2, :] = 0
    expected[..., -2:] = 0
    assert torch.equal(chosen("flip", "translate", mirror=0.2, down=1.0, right=0.0), expected)


@pytest.mark.parametrize(("light", "amount"), [(0.0, -0.5), (0.5, 0.0), (1.0, 0.5)])
def test_brightness_is_added(light: float, amount: float) -> None:
    torch.testing.assert_close(chosen("color", light=light), PICTURE + amount)


def luminance(x: Tensor) -> Tensor:
    return x.mean(dim=2, keepdim=True)


@pytest.mark.parametrize(("saturation", "factor"), [(0.0, 0.0), (0.5, 1.0), (0.75, 1.5), (1.0, 2.0)])
def test_saturation_scales_the_distance_from_grey(saturation: float, factor: float) -> None:
    expected = luminance(PHOTO) + factor * (PHOTO - luminance(PHOTO))
    torch.testing.assert_close(chosen("color", picture=PHOTO, saturation=saturation), expected)


@pytest.mark.parametrize(("contrast", "factor"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
def test_contrast_scales_the_distance_from_the_mean(contrast: float, factor: float) -> None:
    expected = PHOTO.mean() + factor * (PHOTO - PHOTO.mean())
    torch.testing.assert_close(chosen("color", picture=PHOTO, contrast=contrast), expected)


def test_a_cutout_empties_a_square_of_half_the_side() -> None:
    expected = PICTURE.clone()
    expected[..., 4:12, 4:12] = 0
    assert torch.equal(chosen("cutout"), expected)


def test_half_the_strength_is_half_the_size() -> None:
    """Half of the shift, of the brightness, of the way from grey and from the mean, and of the cutout's side."""
    assert torch.equal(chosen("translate", down=1.0, strength=0.5), chosen("translate", down=0.75))
    torch.testing.assert_close(chosen("color", light=1.0, strength=0.5), PICTURE + 0.25)
    less = chosen("color", picture=PHOTO, saturation=1.0, contrast=0.0, strength=0.5)
    torch.testing.assert_close(less, chosen("color", picture=PHOTO, saturation=0.75, contrast=0.25))
    expected = PICTURE.clone()
    expected[..., 6:10, 6:10] = 0
    assert torch.equal(chosen("cutout", strength=0.5), expected)


def test_a_cutout_in_the_corner_empties_what_lies_inside() -> None:
    expected = PICTURE.clone()
    expected[..., :4, 12:] = 0
    assert torch.equal(chosen("cutout", center_y=0.0, center_x=1.0), expected)
