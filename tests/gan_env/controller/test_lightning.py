"""The callback of Lightning: it makes the controller, counts batches, and its state is in the trainer's checkpoints."""

from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import saved_controller
from plain_gan import gan_update, networks

from gan_env import ConfigError

pl = pytest.importorskip("lightning.pytorch", reason='lightning is not installed: pip install "gan_env[loops]"')


class Module(pl.LightningModule):  # type: ignore[misc,name-defined]
    """A GAN of points as a module of Lightning."""

    control: Any

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = networks()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(net.parameters(), 1e-3) for net in (self.generator, self.discriminator)]

    def training_step(self, batch: list[torch.Tensor], index: int) -> None:
        opt_g, opt_d = self.optimizers()
        latents = torch.randn(len(batch[0]), 4)
        nets = self.generator, self.discriminator
        self.control.observe(**gan_update(*nets, opt_g, opt_d, batch[0], latents, self.control["r1"]))


def fit(
    folder: Path, module: Any, callback: Any, epochs: int, checkpoint: Path | None = None, max_steps: int = -1
) -> Any:
    data = torch.utils.data.TensorDataset(torch.randn(64, 2, generator=torch.Generator().manual_seed(0)))
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    trainer = pl.Trainer(max_epochs=epochs, max_steps=max_steps, callbacks=[callback], default_root_dir=folder, **quiet)
    trainer.fit(module, torch.utils.data.DataLoader(data, 16), ckpt_path=checkpoint)
    return trainer


@pytest.mark.filterwarnings("ignore")
def test_a_module_trains_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    from gan_env.controller.lightning import ControllerCallback

    saved_controller().save(tmp_path / "mine")
    module, callback = Module(), ControllerCallback(tmp_path / "mine", total_steps=12)
    trainer = fit(tmp_path, module, callback, epochs=2)  # of four batches each
    assert callback.control is not None
    decisions = callback.control.report().decisions
    assert [d.step for d in decisions] == [0, 3, 6]
    written = [o.param_groups[0]["lr"] for o in trainer.optimizers]
    assert written == pytest.approx([1e-3 * decisions[-1].values[f"lr_{player}"] for player in ("g", "d")])
    trainer.save_checkpoint(tmp_path / "run.ckpt")

    again = ControllerCallback(tmp_path / "mine", total_steps=12)
    fit(tmp_path, Module(), again, epochs=3, checkpoint=tmp_path / "run.ckpt")
    assert again.control is not None
    assert again.control.report().decisions[:3] == decisions
    assert [d.step for d in again.control.report().decisions] == [0, 3, 6, 9]


@pytest.mark.filterwarnings("ignore")
def test_a_run_goes_on_from_its_checkpoint_for_more_epochs(tmp_path: Path) -> None:
    from gan_env.controller.lightning import ControllerCallback

    trainer = fit(tmp_path, Module(), ControllerCallback("cosine_rates"), epochs=2)  # of four batches each
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    again = ControllerCallback("cosine_rates")
    fit(tmp_path, Module(), again, epochs=4, checkpoint=tmp_path / "run.ckpt")
    assert again.control is not None and "16 of 16 updates" in str(again.control.report())


@pytest.mark.filterwarnings("ignore")
def test_another_fit_of_a_trainer_is_as_long_as_what_is_left(tmp_path: Path) -> None:
    from gan_env.controller.lightning import ControllerCallback

    module, callback = Module(), ControllerCallback("cosine_rates")
    trainer = fit(tmp_path, module, callback, epochs=2)  # of four batches each
    trainer.fit_loop.max_epochs = 5
    trainer.fit(module, trainer.train_dataloader)
    assert callback.control is not None and "12 of 12 updates" in str(callback.control.report())


@pytest.mark.filterwarnings("ignore")
def test_a_module_that_optimises_automatically_is_refused(tmp_path: Path) -> None:
    from gan_env.controller.lightning import ControllerCallback

    module = Module()
    module.automatic_optimization = True
    module.configure_optimizers = lambda: torch.optim.Adam(module.parameters())  # type: ignore[method-assign,assignment]
    with pytest.raises(ConfigError, match=r"automatic_optimization=True.*manual optimisation"):
        fit(tmp_path, module, ControllerCallback("ada", total_steps=8), epochs=1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("epochs", "steps", "total"), [(2, -1, 8), (-1, 12, 6), (2, 12, 6), (5, 60, 20)])
def test_the_length_of_a_run_is_the_trainers(tmp_path: Path, epochs: int, steps: int, total: int) -> None:
    """Four batches an epoch; the trainer's steps are those of both optimisers."""
    from gan_env.controller.lightning import ControllerCallback

    callback = ControllerCallback("cosine_rates")
    fit(tmp_path, Module(), callback, epochs, max_steps=steps)
    assert callback.control is not None and f"of {total} updates" in str(callback.control.report())


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_that_does_not_say_how_long_it_runs_is_refused(tmp_path: Path) -> None:
    from gan_env.controller.lightning import ControllerCallback

    with pytest.raises(ConfigError, match=r"total_steps=None .*max_steps"):
        fit(tmp_path, Module(), ControllerCallback("cosine_rates"), epochs=-1)


def test_the_generators_place_is_one_of_two() -> None:
    from gan_env.controller.lightning import ControllerCallback

    with pytest.raises(ConfigError, match=r"generator=2 .*0 or 1"):
        ControllerCallback("cosine", generator=2)
