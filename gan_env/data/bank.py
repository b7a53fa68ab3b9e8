"""Data sets by name, and a bank of them from which batches are drawn by row.

A data set is a pool of training samples and a pool of held-out samples. A row's training set is a window of the
(shuffled) pool that its key places, so two rows with few samples see different ones.
"""

import dataclasses
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_env.config import FEWEST_SAMPLES
from gan_env.data.labelled import LABELLED_SETS, unlabelled
from gan_env.data.pictures import LSUN_CATEGORIES, celeba, image_folder, lsun
from gan_env.data.points import POINT_SETS, load_points
from gan_env.errors import DataError, closest
from gan_env.records import Dataset, RowSettings, decode

IMAGE_SETS: dict[str, Callable[[str, int], Dataset]] = {
    **{name: partial(unlabelled, load) for name, load in LABELLED_SETS.items()},
    "celeba": celeba,
    **{f"lsun_{category}": partial(lsun, category) for category in LSUN_CATEGORIES},
    "image_folder": image_folder,
}
"""Name -> function of `data_root` and `image_size`."""
SHARE_OF_MEMORY = 0.5
"""What the pools may take of the free memory."""
MEMORY = Path("/proc/meminfo")


def load_dataset(name: str, data_root: str, image_size: int) -> Dataset:
    """Loads a data set of `POINT_SETS` or `IMAGE_SETS` by name.

    Raises:
        DataError: the name is unknown, or the files are missing and can't be downloaded.
    """
    if name in POINT_SETS:
        return load_points(name)
    if name in IMAGE_SETS:
        return IMAGE_SETS[name](data_root, image_size)
    known = sorted(POINT_SETS) + sorted(IMAGE_SETS)
    near = closest(name, known)
    hint = f"did you mean {near!r}? " if near else ""
    raise DataError(f"unknown data set {name!r}: {hint}use one of {known}")


def _require_samples(name: str, loaded: Any, image_size: int) -> None:
    """Raises a `DataError` unless a data set is one, of samples that networks and metrics take."""
    side = image_size
    expected = f"images as bytes [P, C, {side}, {side}] with C 1 or 3, or points [P, 2] as float32"
    if not isinstance(loaded, Dataset):
        raise DataError(f"data set {name!r} was loaded as {type(loaded).__name__}: expected a gan_env.Dataset")
    for part in ("train", "held_out"):
        samples = getattr(loaded, part)
        found = (samples.dtype, tuple(samples.shape[1:])) if isinstance(samples, Tensor) else type(samples).__name__
        images = [(torch.uint8, (channels, side, side)) for channels in (1, 3)]
        if found not in [*images, (torch.float32, (2,))]:
            raise DataError(f"data set {name!r} has samples {found} in `{part}`: expected {expected}")
        if len(samples) == 0:
            raise DataError(f"data set {name!r} has no samples in `{part}`: expected one at least")
        if samples.is_floating_point() and not bool(samples.isfinite().all()):
            raise DataError(f"data set {name!r} has samples in `{part}` that are not finite: leave them out")
    centers: Any = loaded.centers
    fits = isinstance(centers, Tensor) and centers.dtype == torch.float32 and tuple(centers.shape[1:]) == (2,)
    if not fits:
        raise DataError(f"data set {name!r} has `centers` {centers!r}: expected a tensor [M, 2] as float32")


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU, or of the host, where pages that only cache files count as free."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if MEMORY.is_file():
        numbers = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        return int(numbers["MemAvailable"].removesuffix("kB")) * 1024
    # Other systems tell how much there is in all, or (Windows) nothing: then the copy itself fails if it is too large.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else sys.maxsize


class DataBank:
    """All data sets of an environment in one pool, from which batches are drawn to the device.

    Training samples are on the device if they take at most half of its free memory. Else they stay on the host, and
    every batch is copied. A single set on the host is never copied, so a memory-mapped one may be larger than memory;
    several sets become one pool in memory.

    Raises:
        DataError: a data set can't be loaded or isn't one, the samples' shapes differ, or memory is too small.
    """

    def __init__(self, names: tuple[str, ...], data_root: str, image_size: int, device: torch.device) -> None:
        loaded = [load_dataset(name, data_root, image_size) for name in names]
        for name, data in zip(names, loaded, strict=True):
            _require_samples(name, data, image_size)
        shapes = {tuple(part.shape[1:]) for d in loaded for part in (d.train, d.held_out)}
        if len(shapes) != 1:
            raise DataError(
                f"data sets {list(names)} have samples of shapes {sorted(shapes)}: choose sets of one kind, points, "
                "grey images or colour images"
            )
        self.names = names  # `RowSettings.dataset` indexes them
        self.sample_shape: tuple[int, ...] = shapes.pop()  # (2,) or (C, H, W)
        train, held_out = [d.train for d in loaded], [d.held_out for d in loaded]
        home = device if _fits(train + held_out, device) else torch.device("cpu")
        if len(loaded) > 1:  # joined, which copies them
            _require_memory(names, train + held_out, home)
        if home.type != device.type:
            _require_memory(names, held_out, device)
        self.train, self.held_out = _join(train, home), _join(held_out, device)
        self.device = self.held_out.device  # with its number: `cuda:0` is not equal to `cuda`
        self.on_device = self.train.device == self.device
        self.sizes_host = [len(d.train) for d in loaded]  # training samples in each data set
        held_out_sizes = [len(d.held_out) for d in loaded]
        self.sizes, self.held_out_sizes = (torch.tensor(x, device=device) for x in (self.sizes_host, held_out_sizes))
        views = zip(loaded, self.train.split(self.sizes_host), self.held_out.split(held_out_sizes), strict=True)
        self.datasets = [
            dataclasses.replace(d, train=train, held_out=held_out, centers=d.centers.to(device))
            for d, train, held_out in views
        ]

    def require_held_out(self, count: int) -> None:
        """Raises a `DataError` unless the metric finds as many samples in each half of every held-out part."""
        for name, dataset in zip(self.names, self.datasets, strict=True):
            there = len(dataset.scored)  # the smaller half
            if there < count:
                remedy = f"set metric_samples to at most {there}, or " if there >= FEWEST_SAMPLES else ""
                raise DataError(
                    f"data set {name!r} has {len(dataset.held_out)} held-out samples, {there} in the smaller half, "
                    f"and metric_samples={count} needs as many in each half: {remedy}"
                    f"add images until there are enough (metric_samples is at least {FEWEST_SAMPLES})"
                )

    def places(self, draws: Tensor, rows: RowSettings) -> Tensor:
        """Training samples of each row, with replacement: draws [*K, N, B] in [0, 1) -> places in the pool, int64."""
        size = self.sizes[rows.dataset][:, None]
        start = self.sizes.cumsum(0)[rows.dataset][:, None] - size
        index = (rows.window[:, None] + (draws * rows.num_samples[:, None]).long()) % size
        return (start + index).to(self.train.device)

    def read(self, places: Tensor) -> Tensor:
        """The training samples at places [N, B] of the pool: [N, B, *shape] float32 on the device."""
        samples = self.train.index_select(0, places.flatten()).unflatten(0, places.shape)  # faster than [places]
        if not self.on_device:
            samples = samples.pin_memory().to(self.device, non_blocking=True)  # the host reads on meanwhile
        return decode(samples)

    def pick_held_out(self, draws: Tensor, rows: RowSettings) -> Tensor:
        """Validation samples of each row, with replacement: draws [N, B] in [0, 1) -> [N, B, *shape] float32."""
        size = self.held_out_sizes[rows.dataset][:, None]
        start = self.held_out_sizes.cumsum(0)[rows.dataset][:, None] - size
        return decode(self.held_out[start + 2 * (draws * ((size + 1) // 2)).long()])  # `Dataset.validation`


def _fits(parts: list[Tensor], device: torch.device) -> bool:
    """Whether pools take at most their share of a device's free memory."""
    return sum(part.nbytes for part in parts) <= SHARE_OF_MEMORY * free_memory(device)


def _require_memory(names: tuple[str, ...], parts: list[Tensor], device: torch.device) -> None:
    """Raises a `DataError` where pools would take more than their share of the free memory."""
    if not _fits(parts, device):
        needed, free = sum(part.nbytes for part in parts) / 2**20, free_memory(device) / 2**20
        raise DataError(
            f"data sets {list(names)} take {needed:,.0f} MiB, more than half of the {free:,.0f} MiB that are free on "
            f"{device}: use a smaller image_size, fewer images, or a single data set, which is not copied"
        )


def _join(parts: list[Tensor], device: torch.device) -> Tensor:
    """One tensor on the device; a single part that is there already stays where it is."""
    moved = [part.to(device) for part in parts]
    return moved[0] if len(moved) == 1 else torch.cat(moved)
