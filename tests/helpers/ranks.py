"""What one of two processes does, as `torch.multiprocessing.spawn` starts them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from plain_gan import PlainGAN
from torch import distributed
from waiting import wait_for

from gan_env import ConfigError


class Scaled:
    """An optimiser that steps through a GradScaler, and not where a gradient is infinite."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self.optimiser, self.scaler = optimiser, torch.amp.GradScaler("cpu", init_scale=1.0)
        self.scaler.scale(torch.ones(1))  # losses are not scaled, which Adam does not mind
        self.zero_grad = optimiser.zero_grad

    def step(self) -> None:
        """A step, or none."""
        self.scaler.step(self.optimiser)
        self.scaler.update()


def rank(number: int, folder: str, infinite: int | None = None) -> None:
    """One of two processes, each with its own batches; gradients are averaged as DistributedDataParallel does it.

    In the update `infinite` the second process has a gradient of the discriminator that is.
    """
    meet(number, folder)
    gan = PlainGAN.make()
    gan.discriminator = torch.nn.parallel.DistributedDataParallel(gan.discriminator)
    control = gan.control(Path(folder) / "controller", 12)
    torch.manual_seed(number)
    gan.opt_d = gan.opt_d if infinite is None else Scaled(gan.opt_d)
    losses, skipped, weight = [], [], next(gan.discriminator.parameters())
    weight.register_hook(lambda gradient: gradient * (torch.inf if number == 1 and update == infinite else 1.0))
    for update in range(12):
        before = weight.detach().clone()
        shown = gan.update(control)
        losses.append(float(shown["loss_d"]))
        control.observe(**shown)
        control.step()
        skipped += [update] * weight.equal(before)
    found = {"losses": losses, "skipped": skipped, "decisions": [d.values for d in control.report().decisions]}
    part(number, folder, found)


def unlike(number: int, folder: str, cases: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """One of two processes that load controllers, each with its own options; writes why each case is refused.

    Args:
        number: of the process.
        folder: where it writes.
        cases: name -> what differs from the others' in the first and in the second process: `source`, `rate`, `taken`
            (steps of the optimisers before), `betas` of Adam, and options of `load`.
    """
    meet(number, folder)
    errors = {}
    for case, options in cases.items():
        own: dict[str, Any] = {"source": "cosine_rates", "total_steps": 12, "rate": 1e-3, "taken": 0, **options[number]}
        gan = PlainGAN.make(own.pop("rate"))
        for optimiser in (gan.opt_g, gan.opt_d):
            optimiser.param_groups[0]["betas"] = own.get("betas", (0.5, 0.99))
        own.pop("betas", None)
        for _ in range(own.pop("taken")):
            gan.update()
        try:
            gan.control(**own)
        except ConfigError as error:
            errors[case] = str(error)
    part(number, folder, errors)


def left_alone(number: int, folder: str) -> None:
    """One of two processes, of which the second takes a single step; the first writes what ends its run.

    The second stays until then, as one does that waits for the next epoch.
    """
    meet(number, folder, timeout=timedelta(seconds=10))
    gan, found = PlainGAN.make(), Path(folder) / "0.json"
    control = gan.control("cosine_rates", 12)
    gan.run(control, 1)
    if number == 1:
        wait_for(found.is_file)
        return
    try:
        gan.run(control, 11)
    except RuntimeError as error:
        decisions = [decision.step for decision in control.report().decisions]
        found.write_text(json.dumps({"error": str(error), "decisions": decisions}))


def meet(number: int, folder: str, timeout: timedelta | None = None) -> None:
    """Waits for the other process."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=number, world_size=2, timeout=timeout)


def part(number: int, folder: str, found: Mapping[str, Any]) -> None:
    """Writes what was found, and leaves the other process."""
    (Path(folder) / f"{number}.json").write_text(json.dumps(found))
    distributed.barrier()  # gloo aborts where one process leaves while the other still sends
    distributed.destroy_process_group()
