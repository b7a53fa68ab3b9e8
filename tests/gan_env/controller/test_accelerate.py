"""The controller under accelerate: prepared optimisers, accumulated gradients, checkpoints."""

from pathlib import Path

import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN, gan_update

accelerate = pytest.importorskip("accelerate", reason='accelerate is not installed: pip install "gan_env[loops]"')


def prepared(folder: Path, total: int = 8, **options: int):  # type: ignore[no-untyped-def]
    accelerator = accelerate.Accelerator(cpu=True, **options)
    gan = PlainGAN.make()
    parts = gan.generator, gan.discriminator, gan.opt_g, gan.opt_d
    gan.generator, gan.discriminator, gan.opt_g, gan.opt_d = accelerator.prepare(*parts)
    return accelerator, gan, gan.control(folder, total)


def test_prepared_optimisers_are_controlled_and_checkpoints_hold_it(tmp_path: Path) -> None:
    saved_controller().save(tmp_path / "mine")
    accelerator, gan, control = prepared(tmp_path / "mine")
    accelerator.register_for_checkpointing(control)
    gan.run(control, 5)
    decisions = control.report().decisions
    assert [d.step for d in decisions] == [0, 2, 4]
    assert gan.opt_d.param_groups[0]["lr"] == pytest.approx(1e-3 * decisions[-1].values["lr_d"])
    accelerator.save_state(str(tmp_path / "state"))

    accelerator, gan, control = prepared(tmp_path / "mine")
    accelerator.register_for_checkpointing(control)
    accelerator.load_state(str(tmp_path / "state"))
    assert control.report().decisions == decisions
    assert gan.opt_d.param_groups[0]["lr"] == pytest.approx(1e-3 * decisions[-1].values["lr_d"])
    gan.run(control, 3)
    assert [d.step for d in control.report().decisions] == [0, 2, 4, 6]


def test_updates_whose_gradients_are_only_accumulated_do_not_count(tmp_path: Path) -> None:
    saved_controller().save(tmp_path / "mine")
    accelerator, gan, control = prepared(tmp_path / "mine", gradient_accumulation_steps=2)
    for _ in range(8):
        with accelerator.accumulate(gan.generator, gan.discriminator):
            real, latents = torch.randn(16, 2), torch.randn(16, 4)
            nets = gan.generator, gan.discriminator
            control.observe(**gan_update(*nets, gan.opt_g, gan.opt_d, real, latents, control["r1"]))
        control.step()
    assert [d.step for d in control.report().decisions] == [0, 2, 4]  # four of eight count
