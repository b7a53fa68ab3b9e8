"""Labelled sets as data sets: resized, shuffled, without their labels."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gan_env.data.labelled import LabelledImages, resize_images, unlabelled


def pictures(count: int, channels: int = 1, seed: int = 0) -> torch.Tensor:
    shape = (count, channels, 28, 28)
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def test_images_of_the_right_size_are_not_touched() -> None:
    images = pictures(2)
    assert resize_images(images, 28) is images


@pytest.mark.parametrize("size", [8, 16, 32])
def test_resizing_gives_bytes_of_the_size(size: int) -> None:
    resized = resize_images(pictures(2), size)
    assert resized.shape == (2, 1, size, size)
    assert resized.dtype == torch.uint8


@pytest.mark.parametrize("value", [0, 77, 255])
def test_resizing_keeps_a_constant_image(value: int) -> None:
    assert (resize_images(torch.full((1, 1, 28, 28), value, dtype=torch.uint8), 16) == value).all()


def test_resizing_is_antialiased() -> None:
    """Half the size of a fine chequerboard is grey, not black or white."""
    board = (torch.arange(28)[:, None] + torch.arange(28)) % 2 * 255
    resized = resize_images(board.byte()[None, None], 14).float()[..., 2:-2, 2:-2]
    assert (resized - 127.5).abs().max() < 20


def test_resizing_in_parts_gives_what_resizing_at_once_gives() -> None:
    images = pictures(3 * 1024 + 1)
    at_once = torch.nn.functional.interpolate(images.float(), size=(8, 8), mode="bilinear", antialias=True)
    assert torch.equal(resize_images(images, 8), at_once.round().clamp(0, 255).byte())


def test_resizing_makes_floats_of_a_part_alone() -> None:
    """They take four times the memory of the bytes."""
    made: list[int] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.is_floating_point():
                made.append(len(out))
            return out

    images = pictures(3 * 1024)
    with Watch():
        resize_images(images, 8)
    assert max(made) == 1024


# --- without labels ---


@pytest.fixture(params=[1, 3])
def few(request: pytest.FixtureRequest) -> LabelledImages:
    train, test = pictures(6, request.param), pictures(4, request.param, seed=1)
    return LabelledImages(train.numpy(), np.arange(6, dtype=np.uint8), test.numpy(), np.arange(4, dtype=np.uint8))


def test_training_images_are_shuffled_but_none_is_lost(few: LabelledImages) -> None:
    train = unlabelled(lambda root: few, "nowhere", 28).train
    assert train.dtype == torch.uint8
    assert not np.array_equal(train.numpy(), few.train_images)
    assert sorted(x.numpy().tobytes() for x in train) == sorted(x.tobytes() for x in few.train_images)


def test_the_order_is_the_same_every_time(few: LabelledImages) -> None:
    first, second = (unlabelled(lambda root: few, "nowhere", 28).train for _ in range(2))
    assert torch.equal(first, second)


def test_the_test_images_are_held_out(few: LabelledImages) -> None:
    np.testing.assert_array_equal(unlabelled(lambda root: few, "nowhere", 28).held_out.numpy(), few.test_images)


def test_images_are_resized_and_have_no_known_modes(few: LabelledImages) -> None:
    loaded = unlabelled(lambda root: few, "nowhere", 16)
    channels = few.train_images.shape[1]
    assert loaded.train.shape == (6, channels, 16, 16)
    assert loaded.held_out.shape == (4, channels, 16, 16)
    assert loaded.centers.shape == (0, 2)
