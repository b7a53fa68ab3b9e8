"""Data sets resident on the device, and batches drawn from them by row.

A data set is a pool of training samples and a pool of held-out samples. A row's training set is a window of the
(shuffled) pool that its key places, so two rows with few samples see different ones. 2-D data sets are generated in
memory; Fashion-MNIST is read from Debian's package, from torchvision's copy, or downloaded by torchvision.
"""

import gzip
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_env.records import RowSettings

POINTS_TRAIN, POINTS_HELD_OUT = 65_536, 8_192
POINTS_STD = 0.03
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


class DataError(RuntimeError):
    """A data set is missing or damaged; the message says how to get it."""


@dataclass(frozen=True)
class Dataset:
    """Samples of one data set, on any device.

    Attributes:
        train, held_out: [P, *shape], float32 (points) or uint8 (images, read as value / 127.5 - 1).
        centers: the modes, [M, 2] (M = 0 where modes are not known).
        std: standard deviation of each mode.
    """

    train: Tensor
    held_out: Tensor
    centers: Tensor
    std: float = POINTS_STD


# --- 2-D mixtures: name -> centres of the modes in [-1, 1]^2, each mode an isotropic Gaussian ---


def ring_centers() -> NDArray[np.float64]:
    """Eight modes on a circle (the ring of Unrolled GANs, Metz et al. 2017, arXiv:1611.02163)."""
    angle = np.arange(8) * (2 * math.pi / 8)
    return 0.8 * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def grid_centers() -> NDArray[np.float64]:
    """Twenty-five modes on a 5 x 5 grid (VEEGAN, Srivastava et al. 2017, arXiv:1705.07761)."""
    side = np.linspace(-0.8, 0.8, 5)
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def spiral_centers() -> NDArray[np.float64]:
    """Forty modes along two turns of an Archimedean spiral: nearly a curve."""
    turn = np.sqrt(np.linspace(0.03, 1, 40)) * 4 * math.pi  # evenly spaced along the curve
    return np.stack([np.cos(turn), np.sin(turn)], axis=1) * turn[:, None] * (0.85 / (4 * math.pi))


def moons_centers() -> NDArray[np.float64]:
    """Two interleaved half circles of sixteen modes each."""
    angle = np.linspace(0, math.pi, 16)
    upper = np.stack([np.cos(angle) - 0.5, np.sin(angle) - 0.25], axis=1)
    return 0.55 * np.concatenate([upper, -upper])


def pinwheel_centers() -> NDArray[np.float64]:
    """Five bent arms of five modes each."""
    arm, radius = np.meshgrid(np.arange(5), np.linspace(0.2, 0.85, 5), indexing="ij")
    angle = arm * (2 * math.pi / 5) + 1.2 * radius
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 2)


POINT_SETS: dict[str, Callable[[], NDArray[np.float64]]] = {
    "ring": ring_centers,
    "grid": grid_centers,
    "spiral": spiral_centers,
    "moons": moons_centers,
    "pinwheel": pinwheel_centers,
}


def load_points(name: str) -> Dataset:
    """Generates a 2-D mixture: the same samples in every process."""
    centers = POINT_SETS[name]()
    rng = np.random.default_rng([sorted(POINT_SETS).index(name), 20_260])
    total = POINTS_TRAIN + POINTS_HELD_OUT
    modes = rng.integers(len(centers), size=total)
    samples = torch.from_numpy(centers[modes] + POINTS_STD * rng.standard_normal((total, 2))).float()
    return Dataset(samples[:POINTS_TRAIN], samples[POINTS_TRAIN:], torch.from_numpy(centers).float())


# --- images ---


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Reads a gzipped IDX file of bytes (http://yann.lecun.com/exdb/mnist): [n] labels or [n, H, W] images.

    Raises:
        DataError: the file is truncated or is not IDX.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
        if raw[:3] != b"\0\0\x08" or len(raw) < 4:
            raise ValueError(f"its first bytes are {raw[:4].hex()}, not 0000080x")
        shape = tuple(np.frombuffer(raw, ">u4", count=raw[3], offset=4).astype(int))
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{path} is damaged ({error}). Install it again: apt-get install --reinstall dataset-fashion-mnist"
        ) from error


def fashion_mnist_arrays(data_root: str, debian: Path = DEBIAN_FASHION_MNIST) -> dict[str, NDArray[np.uint8]]:
    """Images and labels of Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747).

    Args:
        data_root: folder of torchvision's copy, which is downloaded to it if it isn't there.
        debian: folder of the Debian package, preferred.

    Returns:
        `train_images` [60000, 28, 28], `train_labels` [60000], `test_images` [10000, 28, 28], `test_labels` [10000].

    Raises:
        DataError: none of the three sources works.
    """
    if debian.is_dir():
        return {
            f"{split}_{kind}": read_idx(debian / f"{stem}-{kind}-idx{dims}-ubyte.gz")
            for split, stem in (("train", "train"), ("test", "t10k"))
            for kind, dims in (("images", 3), ("labels", 1))
        }
    from torchvision.datasets import FashionMNIST  # type: ignore[import-untyped, unused-ignore]  # slow to import

    try:
        parts = {split: FashionMNIST(data_root, train=split == "train", download=True) for split in ("train", "test")}
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"Fashion-MNIST was not found. Looked for (1) Debian's copy in {debian}: apt-get install "
            f"dataset-fashion-mnist; (2) torchvision's copy in {Path(data_root).resolve()}/FashionMNIST/raw: copy it "
            f"there or set data_root; (3) a download by torchvision, which failed: {error}"
        ) from error
    return {
        f"{split}_{kind}": tensor.numpy()
        for split, part in parts.items()
        for kind, tensor in (("images", part.data), ("labels", part.targets))
    }


def resize_images(images: Tensor, size: int) -> Tensor:
    """Resizes uint8 images [P, C, H, W] to [P, C, size, size], antialiased."""
    if images.shape[-1] == size and images.shape[-2] == size:
        return images
    parts = [
        torch.nn.functional.interpolate(part.float(), size=(size, size), mode="bilinear", antialias=True)
        for part in images.split(4096)
    ]
    return torch.cat(parts).round().clamp(0, 255).byte()


def load_fashion_mnist(data_root: str, image_size: int) -> Dataset:
    """Fashion-MNIST as [P, 1, image_size, image_size] bytes, its training part shuffled once."""
    arrays = fashion_mnist_arrays(data_root)
    order = np.random.default_rng(0).permutation(len(arrays["train_images"]))
    train = torch.from_numpy(arrays["train_images"][order]).unsqueeze(1)
    held_out = torch.from_numpy(arrays["test_images"].copy()).unsqueeze(1)
    return Dataset(resize_images(train, image_size), resize_images(held_out, image_size), torch.zeros(0, 2))


IMAGE_SETS: dict[str, Callable[[str, int], Dataset]] = {"fashion_mnist": load_fashion_mnist}


def load_dataset(name: str, data_root: str, image_size: int) -> Dataset:
    """Loads a data set of `POINT_SETS` or `IMAGE_SETS` by name.

    Raises:
        DataError: the name is unknown, or the files are not to be had.
    """
    if name in POINT_SETS:
        return load_points(name)
    if name in IMAGE_SETS:
        return IMAGE_SETS[name](data_root, image_size)
    raise DataError(f"unknown data set {name!r}: use one of {sorted(POINT_SETS) + sorted(IMAGE_SETS)}")


def decode(samples: Tensor) -> Tensor:
    """Samples as float32: bytes become [-1, 1], floats pass."""
    return samples.float() / 127.5 - 1 if samples.dtype == torch.uint8 else samples


class DataBank:
    """All data sets of an environment in one pool on the device.

    Attributes:
        names: data set names; `RowSettings.dataset` indexes them.
        datasets: the data sets, on the device.
        sample_shape: shape of one sample, (2,) or (C, H, W).
        sizes, sizes_host: training samples in each data set, [D] int64 and a list.
    """

    def __init__(self, names: tuple[str, ...], data_root: str, image_size: int, device: torch.device) -> None:
        loaded = [load_dataset(name, data_root, image_size) for name in names]
        shapes = {tuple(d.train.shape[1:]) for d in loaded}
        if len(shapes) != 1:
            raise DataError(f"data sets {list(names)} have samples of shapes {sorted(shapes)}: they must agree")
        self.names = names
        self.datasets = [
            Dataset(d.train.to(device), d.held_out.to(device), d.centers.to(device), d.std) for d in loaded
        ]
        self.sample_shape: tuple[int, ...] = shapes.pop()
        self.train = torch.cat([d.train for d in self.datasets])
        self.held_out = torch.cat([d.held_out for d in self.datasets])
        self.sizes_host = [len(d.train) for d in loaded]
        self.sizes = torch.tensor(self.sizes_host, device=device)
        self.held_out_sizes = torch.tensor([len(d.held_out) for d in loaded], device=device)

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
