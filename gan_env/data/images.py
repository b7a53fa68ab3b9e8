"""Image data sets by name, as bytes [P, C, H, W] of the wanted size."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gan_env.data.dataset import Dataset
from gan_env.data.labelled import LABELLED_SETS, LabelledImages
from gan_env.data.pictures import LSUN_CATEGORIES, celeba, image_folder, lsun

_PART = 1024  # images that are in memory as floats at the same time: all of them would take four times their bytes


def resize_images(images: Tensor, size: int) -> Tensor:
    """Resizes uint8 images [P, C, H, W] to [P, C, size, size], antialiased."""
    if images.shape[-1] == size and images.shape[-2] == size:
        return images
    resized = torch.empty(*images.shape[:2], size, size, dtype=torch.uint8, device=images.device)
    for part, place in zip(images.split(_PART), resized.split(_PART), strict=True):
        floats = torch.nn.functional.interpolate(part.float(), size=(size, size), mode="bilinear", antialias=True)
        place.copy_(floats.round_().clamp_(0, 255))
    return resized


def unlabelled(load: Callable[[str], LabelledImages], data_root: str, image_size: int) -> Dataset:
    """Images without their labels, resized: the training part shuffled once, the test part held out."""
    images = load(data_root)
    order = np.random.default_rng(0).permutation(len(images.train_images))
    train, held_out = torch.from_numpy(images.train_images[order]), torch.tensor(images.test_images)
    return Dataset(resize_images(train, image_size), resize_images(held_out, image_size), torch.zeros(0, 2))


IMAGE_SETS: dict[str, Callable[[str, int], Dataset]] = {
    **{name: partial(unlabelled, load) for name, load in LABELLED_SETS.items()},
    "celeba": celeba,
    **{f"lsun_{category}": partial(lsun, category) for category in LSUN_CATEGORIES},
    "image_folder": image_folder,
}
"""Name -> function of `data_root` and `image_size`."""
