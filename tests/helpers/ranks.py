"""A GAN's training on one of two processes, as `torch.multiprocessing.spawn` starts it."""

import json
from pathlib import Path

import torch
from plain_gan import PlainGAN
from torch import distributed


def rank(number: int, folder: str) -> None:
    """One of two processes, each with its own batches; gradients are averaged as DistributedDataParallel does it."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    gan = PlainGAN.make()
    gan.discriminator = torch.nn.parallel.DistributedDataParallel(gan.discriminator)
    control = gan.control(Path(folder) / "controller", 12)
    torch.manual_seed(number)
    losses = []
    for _ in range(12):
        shown = gan.update(control)
        losses.append(float(shown["loss_d"]))
        control.observe(**shown)
        control.step()
    found = {"losses": losses, "decisions": [d.values for d in control.report().decisions]}
    (Path(folder) / f"{number}.json").write_text(json.dumps(found))
    distributed.barrier()  # gloo aborts where one process leaves while the other still sends
    distributed.destroy_process_group()
