"""The discriminator's inputs, with the augmentation and the noise that the knobs say."""

from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN

from gan_env import ConfigError


def test_in_a_dry_run_the_loop_has_its_own_knobs_and_inputs() -> None:
    control, x = PlainGAN.make().control("cosine", 8, dry_run=True), torch.randn(16, 1, 8, 8)
    assert control.get("r1", 10.0) == 10.0
    assert torch.equal(control.augment(x), x)
    assert not torch.equal(PlainGAN.make().control("cosine", 8).augment(x), x)


def test_inputs_pass_where_nothing_augments_and_change_where_it_does() -> None:
    images = torch.rand(64, 3, 8, 8) * 2 - 1
    still, moving = PlainGAN.make().control("ada", 8), PlainGAN.make().control("plan", 8)
    assert torch.equal(still.augment(images), images)
    changed = moving.augment(images)
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert (changed - images).std() > 0.9  # the plan starts with noise of deviation 1


def test_augmentation_is_the_environments() -> None:
    """Of points: any angle, and sizes that change by a factor of up to e to the 0.35."""
    points, gan = torch.randn(500, 2), PlainGAN.make()
    control = gan.control("ada", 200)
    for _ in range(16):
        gan.update()
        control.observe(real=torch.ones(4))
        control.step()
    assert float(control["augment"]) == pytest.approx(0.8)
    changed = control.augment(points)
    same = (changed == points).all(dim=1)
    assert float(same.float().mean()) == pytest.approx(0.2, abs=0.06)
    scale = (changed.norm(dim=1) / points.norm(dim=1))[~same].log()
    assert 0.3 < scale.abs().max() <= 0.35 + 1e-5


@pytest.mark.parametrize("x", [torch.rand(4, 3), torch.rand(4, 3, 8, 6), torch.ones(4, 2).int(), "x"])
def test_inputs_that_are_neither_points_nor_images_are_refused(x: Any) -> None:
    with pytest.raises(ConfigError, match=r"augment\(x\)=.*points \[B, 2\] or of square images"):
        PlainGAN.make().control("plan", 8).augment(x)


def test_what_was_constant_in_a_controllers_training_is_left_out(tmp_path: Path) -> None:
    """It was trained with augmentation, noise and R1, and moves learning rates alone."""
    saved_controller(knobs=["lr_g", "lr_d"]).save(tmp_path)
    control, x = PlainGAN.make().control(tmp_path, 8), torch.randn(16, 1, 8, 8)
    assert float(control["augment"]) == 0.25
    assert torch.equal(control.augment(x), x) and control.get("r1", 10.0) == 10.0


def test_an_augmentation_of_its_own_is_all_that_moves_the_inputs(tmp_path: Path) -> None:
    """It was trained with `augment` at 0.25, which flips too, and moves `flip` alone."""
    saved_controller(knobs=["flip", "lr_g"], preset="fashion_mnist_8").save(tmp_path)
    control, x = PlainGAN.make().control(tmp_path, 8), torch.randn(4000, 1, 8, 8)
    flipped = (control.augment(x) != x).flatten(1).any(dim=1).float().mean()
    assert float(control["augment"]) == 0.25
    assert float(flipped) == pytest.approx(float(control["flip"]) / 2, abs=0.03)  # half of the flips are none
