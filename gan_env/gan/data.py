"""Data sets by name, and a bank of them on the device from which batches are drawn by row.

A data set is a pool of training samples and a pool of held-out samples. A row's training set is a window of the
(shuffled) pool that its key places, so two rows with few samples see different ones.
"""

import dataclasses
import difflib
import os
import sys
from pathlib import Path

import torch
from torch import Tensor

from gan_env.gan.dataset import DataError, Dataset, decode
from gan_env.gan.images import IMAGE_SETS
from gan_env.gan.points import POINT_SETS, load_points
from gan_env.records import RowSettings

SHARE_OF_MEMORY = 0.5
"""Of the free memory, what the pools may take."""
MEMORY = Path("/proc/meminfo")


def load_dataset(name: str, data_root: str, image_size: int) -> Dataset:
    """Loads a data set of `POINT_SETS` or `IMAGE_SETS` by name.

    Raises:
        DataError: the name is unknown, or the files are not to be had.
    """
    if name in POINT_SETS:
        return load_points(name)
    if name in IMAGE_SETS:
        return IMAGE_SETS[name](data_root, image_size)
    known = sorted(POINT_SETS) + sorted(IMAGE_SETS)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise DataError(f"unknown data set {name!r}: {hint}use one of {known}")


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU; for any other device those of the host, where pages that only cache files count as free."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if MEMORY.is_file():
        numbers = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        return int(numbers["MemAvailable"].removesuffix("kB")) * 1024
    # Other systems say how much there is, or (Windows) nothing; then the copy itself fails where it doesn't fit.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else sys.maxsize


class DataBank:
    """All data sets of an environment in one pool on the device.

    A single data set on a CPU is used where it is, in memory or in a memory-mapped file, and never copied: mapped, it
    may be larger than memory. All else is copied, and refused where it takes more than half of the free memory:

    - on a GPU every set, to the GPU's memory; nothing there is drawn from a file.
    - on a CPU several sets, which become one pool in memory, memory-mapped or not.

    Attributes:
        names: data set names; `RowSettings.dataset` indexes them.
        datasets: the data sets, views of the pool.
        sample_shape: shape of one sample, (2,) or (C, H, W).
        train, held_out: the pools of all data sets, one after the other.
        sizes, sizes_host: training samples in each data set, [D] int64 and a list.

    Raises:
        DataError: a data set can't be had, the samples' shapes differ, or memory is too small.
    """

    def __init__(self, names: tuple[str, ...], data_root: str, image_size: int, device: torch.device) -> None:
        loaded = [load_dataset(name, data_root, image_size) for name in names]
        shapes = {tuple(part.shape[1:]) for d in loaded for part in (d.train, d.held_out)}
        if len(shapes) != 1:
            raise DataError(
                f"data sets {list(names)} have samples of shapes {sorted(shapes)}: choose sets of one kind, points, "
                "grey images or colour images"
            )
        self.names = names
        self.sample_shape: tuple[int, ...] = shapes.pop()
        if device.type != "cpu" or len(loaded) > 1:
            _require_memory(names, [part for d in loaded for part in (d.train, d.held_out)], device)
        self.train = _join([d.train for d in loaded], device)
        self.held_out = _join([d.held_out for d in loaded], device)
        self.sizes_host = [len(d.train) for d in loaded]
        held_out_sizes = [len(d.held_out) for d in loaded]
        self.sizes = torch.tensor(self.sizes_host, device=device)
        self.held_out_sizes = torch.tensor(held_out_sizes, device=device)
        views = zip(loaded, self.train.split(self.sizes_host), self.held_out.split(held_out_sizes), strict=True)
        self.datasets = [
            dataclasses.replace(d, train=train, held_out=held_out, centers=d.centers.to(device))
            for d, train, held_out in views
        ]

    def require_held_out(self, count: int) -> None:
        """Checks that every data set has as many held-out samples as a row has samples for the metric.

        Raises:
            DataError: one has fewer.
        """
        for name, dataset in zip(self.names, self.datasets, strict=True):
            if len(dataset.held_out) < count:
                raise DataError(
                    f"data set {name!r} has {len(dataset.held_out)} held-out samples and metric_samples={count} needs "
                    f"as many: set metric_samples to at most {len(dataset.held_out)}, or add images"
                )

    def pick_train(self, draws: Tensor, rows: RowSettings) -> Tensor:
        """Training samples of each row, with replacement.

        Args:
            draws: uniform in [0, 1), [N, B].
            rows: the rows' settings.

        Returns:
            [N, B, *shape] float32.
        """
        size = self.sizes[rows.dataset][:, None]
        start = self.sizes.cumsum(0)[rows.dataset][:, None] - size
        index = (rows.window[:, None] + (draws * rows.num_samples[:, None]).long()) % size
        return decode(self.train[start + index])

    def pick_held_out(self, draws: Tensor, rows: RowSettings) -> Tensor:
        """Held-out samples: as `pick_train`."""
        size = self.held_out_sizes[rows.dataset][:, None]
        start = self.held_out_sizes.cumsum(0)[rows.dataset][:, None] - size
        return decode(self.held_out[start + (draws * size).long()])


def _require_memory(names: tuple[str, ...], parts: list[Tensor], device: torch.device) -> None:
    """Refuses pools that would take more than their share of the free memory."""
    needed, free = sum(part.nbytes for part in parts), free_memory(device)
    if needed > SHARE_OF_MEMORY * free:
        raise DataError(
            f"data sets {list(names)} take {needed / 2**20:,.0f} MiB, more than half of the {free / 2**20:,.0f} MiB "
            f"that are free on {device}: use a smaller image_size, fewer images, or one data set with device='cpu', "
            "which is not copied"
        )


def _join(parts: list[Tensor], device: torch.device) -> Tensor:
    """One tensor on the device; a single part that is there already stays where it is."""
    moved = [part.to(device) for part in parts]
    return moved[0] if len(moved) == 1 else torch.cat(moved)
