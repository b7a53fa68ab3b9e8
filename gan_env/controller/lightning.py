"""The controller as a callback of Lightning, for modules that optimise manually, as GANs do."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan_env.controller.controller import GANController
from gan_env.errors import needs, require

with needs("loops"):
    from lightning.pytorch import Callback, LightningModule, Trainer


class ControllerCallback(Callback):  # type: ignore[misc]
    """Makes the controller when training starts, as `module.control`, and counts each batch as an update.

    The module calls `self.control.observe(...)` in its `training_step`. Checkpoints of the trainer hold the controller.
    A `validation_step` that uses it needs a trainer without a sanity check (`num_sanity_val_steps=0`), which would run
    before training starts.

    Args:
        name_or_folder: what plays; see `GANController.load`, which `options` go to as well.
        total_steps: updates of the run; None: what is left of batches of an epoch x epochs, or of half of the
            trainer's `max_steps`, which counts the steps of both optimisers. Give it where D takes more steps than G.
        generator: place of the generator's optimiser among those of `configure_optimizers`; the other is D's.
        **options: `untrained`, `context`, `dry_run`, `warmup_steps`.

    Raises:
        ConfigError: `generator` is no such place.
    """

    def __init__(
        self, name_or_folder: str | Path, total_steps: int | None = None, generator: int = 0, **options: Any
    ) -> None:
        require(generator in (0, 1), "generator", generator, "0 or 1: its place among two optimisers")
        self.name_or_folder, self.total_steps, self.generator = name_or_folder, total_steps, generator
        self.options = options
        self.control: GANController | None = None
        self._state: Mapping[str, Any] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes the controller, or continues with that of a checkpoint; the run may be longer now than it was.

        Raises:
            ConfigError: the module optimises automatically, hasn't two optimisers, or `GANController.load` refuses.
        """
        manual = "False: GANs step their optimisers themselves (manual optimisation)"
        require(not pl_module.automatic_optimization, "automatic_optimization", True, manual)
        module: Any = pl_module  # it gets an attribute that its class doesn't know
        optimisers = module.optimizers()
        pair = isinstance(optimisers, list) and len(optimisers) == 2
        require(pair, "configure_optimizers", optimisers, "two optimisers, the generator's and the discriminator's")
        opt_g, opt_d = optimisers[self.generator], optimisers[1 - self.generator]
        done = 0 if self._state is None else self._state["clock"]["step"]
        total = done + _left(trainer) if self.total_steps is None else self.total_steps
        then = total if self._state is None else self._state["clock"]["total"]  # the length when it was saved
        self.control = GANController.load(self.name_or_folder, opt_g, opt_d, total_steps=then, **self.options)
        if self._state is not None:
            self.control.load_state_dict(self._state)
            self._state = None  # another `fit` begins anew
            if then != total:
                self.control.change_total_steps(total)
        module.control = self.control

    def on_train_batch_end(self, *_: Any) -> None:
        """Counts an update."""
        assert self.control is not None
        self.control.step()

    def state_dict(self) -> dict[str, Any]:
        """The controller's, for the trainer's checkpoints."""
        return {} if self.control is None else self.control.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keeps the state until training starts."""
        self._state = state_dict or None


def _left(trainer: Trainer) -> int:
    """What is left of batches of an epoch x epochs, or of half of the trainer's `max_steps` where that is less.

    Raises:
        ConfigError: nothing says how long the run is.
    """
    epochs, steps = trainer.max_epochs, trainer.max_steps
    batches = trainer.fit_loop.total_batch_idx + 1  # so far, by all calls of `fit`
    known = [epochs * trainer.num_training_batches - batches] if epochs is not None and epochs >= 0 else []
    known += [(steps - trainer.global_step) // 2] if steps >= 0 else []  # it counts the steps of both optimisers
    total = min(known, default=math.inf)
    mend = "a number of updates: this trainer has neither `max_steps` nor epochs of a known length"
    require(math.isfinite(total), "total_steps", None, mend)
    return int(total)
