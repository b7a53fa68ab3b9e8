"""The discriminator's inputs as the knobs say: augmentation, then noise, by the environment's own code."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from gan_env.errors import require
from gan_env.gan.augment import PARTS, Augmentation

KNOBS = ("augment", "augment_strength", "instance_noise", *PARTS)
"""The knobs that act here."""


def disturbed(x: Tensor, values: Mapping[str, Tensor], acting: Collection[str]) -> Tensor:
    """Points [B, 2] or images [B, C, H, W], augmented and with Gaussian noise.

    Args:
        x: what the discriminator would see.
        values: of all knobs, [] each.
        acting: the knobs that may do something; what the others would do is left out. (`augment_strength`, which
            does nothing alone, counts as it is.)

    Raises:
        ConfigError: `x` is something else.
    """
    kinds = "a float tensor of points [B, 2] or of square images [B, C, H, W]"
    fits = isinstance(x, Tensor) and x.is_floating_point()
    fits = fits and (x.shape[1:] == (2,) or (x.dim() == 4 and x.shape[2] == x.shape[3]))
    require(fits, "augment(x)", getattr(x, "shape", type(x).__name__), kinds)
    knobs = {name: value.to(x.device)[None] for name, value in values.items()}  # [1] each: of a single row
    augmentation = Augmentation.of_knobs(tuple(x.shape[1:]), tuple(acting))
    draws = torch.rand(1, augmentation.draws, len(x), device=x.device)
    moved = {name: knobs[name] for name in acting}
    probabilities = augmentation.probabilities(moved.get("augment", torch.zeros_like(knobs["augment"])), moved)
    x = augmentation.apply(x[None], draws, probabilities, knobs["augment_strength"])[0].to(x.dtype)
    if "instance_noise" not in acting:
        return x
    return x + (knobs["instance_noise"] * torch.randn_like(x)).to(x.dtype)
