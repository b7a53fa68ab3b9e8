"""What the loops in this folder share: pictures to learn from, and the command line."""

import argparse
from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from gan_env.data.bank import load_dataset
from gan_env.data.labelled import DEBIAN_FASHION_MNIST
from gan_env.errors import errors_in_one_line
from gan_env.records import decode


def pictures() -> Tensor:
    """[P, C, H, W] in [-1, 1]: Fashion-MNIST where Debian's dataset-fashion-mnist is installed, else photo tiles."""
    name, side = ("fashion_mnist", 28) if DEBIAN_FASHION_MNIST.is_dir() else ("photo_tiles", 32)
    return decode(load_dataset(name, "data", side).train)


def command_line(train: Callable[..., Any], lr: float, updates: int) -> None:
    """Trains with the options of the command line, and shows what the controller did.

    Args:
        train: a loop, `train(images, lr, updates, controller, width, batch) -> (generator, control)`.
        lr: default of `--lr`, the learning rate that both players start from.
        updates: default of `--updates`, those of the generator.
    """
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--controller", default="steady_walk", help="a policy's name or a controller's folder")
    parser.add_argument("--lr", type=float, default=lr, help="learning rate of both players")
    parser.add_argument("--updates", type=int, default=updates, help="updates of the generator")
    for name, of in {"width": "channels of both networks", "batch": "images in a batch"}.items():
        parser.add_argument(f"--{name}", type=int, default=signature(train).parameters[name].default, help=of)
    options = parser.parse_args()
    torch.manual_seed(0)
    sizes = {"width": options.width, "batch": options.batch}
    with errors_in_one_line():
        _, control = train(pictures(), options.lr, options.updates, options.controller, **sizes)
    print(control.report())
