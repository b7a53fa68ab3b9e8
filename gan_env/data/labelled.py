"""Image sets that fit in memory, with their labels: clothes, digits, CIFAR-10 and tiles of photographs.

Fashion-MNIST, MNIST and CIFAR-10 come from torchvision's files, which are downloaded where they are missing;
Fashion-MNIST also from Debian's package. scikit-learn and scikit-image bring small digits and photographs with them. A
GAN trains on the images alone: `unlabelled`.
"""

import gzip
import hashlib
import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from gan_env.data.downloads import open_or_download
from gan_env.errors import DataError, needs
from gan_env.records import Dataset

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IDX_SUMS = {
    "FashionMNIST": (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    "MNIST": (
        "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637",
    ),
}  # fmt: skip
"""MD5 sums of the unpacked `IDX_FILES`: torchvision and Debian pack the same contents in different .gz files."""

PHOTOGRAPHS = (
    "astronaut", "chelsea", "coffee", "hubble_deep_field", "immunohistochemistry", "retina", "rocket",
    "stereo_motorcycle",
)  # fmt: skip
"""The colour photographs inside scikit-image's wheel: functions of `skimage.data`. A tile's label is an index here."""
TILE, STRIDE, CELL, LARGEST = 32, 4, 48, 512  # pixels
LUMA = (299, 587, 114)  # thousandths of red, green and blue in a grey pixel (ITU-R BT.601), as Pillow's
_PART = 1024  # images that are in memory as floats at the same time: all of them would take four times their bytes


@dataclass(frozen=True)
class LabelledImages:
    """Images [P, C, H, W] and their labels [P], both bytes, in the source's own split and order."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def read_idx(path: Path, remedy: str, md5: str | None = None) -> NDArray[np.uint8]:
    """Labels [n] or images [n, H, W] from an IDX file (http://yann.lecun.com/exdb/mnist), gzipped if it ends in .gz.

    Raises:
        DataError: the file is missing, truncated or not IDX, or its contents have another MD5 sum (None: not known).
            `remedy` says what to do about it.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if raw[:3] != b"\0\0\x08" or len(raw) < 4:
            raise ValueError(f"its first bytes are {raw[:4].hex()}, not 0000080x")
        shape = tuple(np.frombuffer(raw, ">u4", count=raw[3], offset=4).astype(int))
        values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
        found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
        if md5 not in (None, found):
            raise ValueError(f"the MD5 sum of its contents is {found}, not {md5}")
        return values
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}). {remedy}") from error


def read_idx_files(kind: str, paths: list[Path], remedy: str) -> LabelledImages:
    """Reads the four `IDX_FILES` of a set of grey images; `kind` is a key of `IDX_SUMS`."""
    train, train_labels, test, test_labels = (
        read_idx(path, remedy, md5) for path, md5 in zip(paths, IDX_SUMS[kind], strict=True)
    )
    return LabelledImages(train[:, None], train_labels, test[:, None], test_labels)


def fashion_mnist(data_root: str, debian: Path = DEBIAN_FASHION_MNIST) -> LabelledImages:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 60,000 and 10,000 images, [1, 28, 28].

    The folder of the Debian package is preferred to torchvision's copy in `data_root`.

    Raises:
        DataError: a file is missing and can't be downloaded, or is damaged.
    """
    install = "apt-get install --reinstall dataset-fashion-mnist"
    if debian.is_dir():
        paths = [debian / f"{name}.gz" for name in IDX_FILES]
        return read_idx_files("FashionMNIST", paths, f"Install it again: {install}")
    return _torchvision_idx("FashionMNIST", data_root, f" Or install Debian's copy in {debian}: {install}")


def mnist(data_root: str) -> LabelledImages:
    """MNIST (LeCun et al. 1998): 60,000 and 10,000 images of digits, [1, 28, 28].

    Raises:
        DataError: a file is missing and can't be downloaded, or is damaged.
    """
    return _torchvision_idx("MNIST", data_root)


def _torchvision_idx(kind: str, data_root: str, otherwise: str = "") -> LabelledImages:
    """Reads torchvision's copy, which is downloaded if it isn't there; `otherwise`: another source, for the error."""
    folder = Path(data_root).resolve() / kind / "raw"
    paths = [folder / name for name in IDX_FILES]

    def make(download: bool) -> LabelledImages:
        if download:
            with needs("data"):
                from torchvision import datasets  # slow to import
            getattr(datasets, kind)(data_root, download=True)
        return read_idx_files(kind, paths, "Delete it and start again: it is downloaded anew.")

    how = f"Copy torchvision's files {', '.join(IDX_FILES)} to {folder}, or set data_root to where they are.{otherwise}"
    return open_or_download(make, dict.fromkeys(paths), how)


def cifar10(data_root: str) -> LabelledImages:
    """CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 images, [3, 32, 32].

    Raises:
        DataError: a file is missing and can't be downloaded, or is damaged.
    """
    with needs("data"):
        from torchvision.datasets import CIFAR10  # slow to import

    folder = Path(data_root).resolve() / CIFAR10.base_folder
    sums = [*CIFAR10.train_list, *CIFAR10.test_list, [CIFAR10.meta["filename"], CIFAR10.meta["md5"]]]
    how = f"Get {CIFAR10.url} and unpack it in {folder.parent}, or set data_root to where {folder.name} is."

    def make(download: bool) -> list[NDArray[np.uint8]]:
        parts = [CIFAR10(data_root, train=train, download=download) for train in (True, False)]
        return [a for part in parts for a in (part.data.transpose(0, 3, 1, 2), np.array(part.targets, np.uint8))]

    return LabelledImages(*open_or_download(make, {folder / name: md5 for name, md5 in sums}, how))


def digits(data_root: str) -> LabelledImages:
    """Digits of UCI's `optdigits` that scikit-learn ships: 1,198 and 599 images, [1, 8, 8]; `data_root` is not read.

    A pixel counts 0 to 16 dark ones of 4 x 4 in a scan. scikit-learn has the part of 1,797 alone, and no split of it:
    every third image is held out. The hands that wrote them are in both parts.
    """
    with needs("data"):
        from sklearn.datasets import load_digits  # slow to import

    found = load_digits()
    images, labels = (found.images * (255 / 16)).round().astype(np.uint8)[:, None], found.target.astype(np.uint8)
    held_out = np.arange(len(labels)) % 3 == 2
    return LabelledImages(images[~held_out], labels[~held_out], images[held_out], labels[held_out])


def photo_tiles_grey(data_root: str) -> LabelledImages:
    """The tiles of `photo_tiles` without their colours, [1, 32, 32]."""
    tiles = photo_tiles(data_root)
    train, test = (
        (images.astype(np.uint32).transpose(0, 2, 3, 1) @ np.array(LUMA, np.uint32) // 1000).astype(np.uint8)[:, None]
        for images in (tiles.train_images, tiles.test_images)
    )
    return LabelledImages(train, tiles.train_labels, test, tiles.test_labels)


def photo_tiles(data_root: str) -> LabelledImages:
    """Tiles [3, 32, 32] of the colour photographs that scikit-image ships; nothing is read from `data_root`.

    Each picture is shrunk to at most 512 pixels per side, so that none outweighs the others, and cut into cells of 48.
    The tiles of a cell begin at every fourth pixel and stay inside it; every fourth cell, on diagonals, is held out
    with all its tiles. So training and test tiles never overlap, though they show parts of the same pictures. Both
    parts are shuffled.
    """
    tiles: list[list[NDArray[np.uint8]]] = [[], []]  # training, held out
    labels: list[list[int]] = [[], []]
    for label, name in enumerate(PHOTOGRAPHS):
        picture = _photograph(name)
        rows, columns = (side // CELL for side in picture.shape[:2])
        for row, column in itertools.product(range(rows), range(columns)):
            cell = picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
            windows = np.lib.stride_tricks.sliding_window_view(cell, (TILE, TILE), axis=(0, 1))[::STRIDE, ::STRIDE]
            held_out = (row + column) % 4 == 3
            tiles[held_out].append(windows.reshape(-1, 3, TILE, TILE))
            labels[held_out] += [label] * len(tiles[held_out][-1])
    found = []
    for part, names in zip(tiles, labels, strict=True):
        order = np.random.default_rng(0).permutation(len(names))
        found += [np.concatenate(part)[order], np.array(names, np.uint8)[order]]
    return LabelledImages(*found)


def _photograph(name: str) -> NDArray[np.uint8]:
    """A picture of scikit-image, [H, W, 3], at most `LARGEST` pixels per side."""
    with needs("data"):
        import skimage.data  # slow to import

    try:
        found = getattr(skimage.data, name)()
    except Exception as error:  # it tries to download what it lacks, which fails in many ways
        raise DataError(
            f"scikit-image lacks its picture {name!r} ({error}): `pip install --force-reinstall scikit-image` brings it"
        ) from error
    picture = Image.fromarray(found[0] if isinstance(found, tuple) else found)  # a stereo pair: its left picture
    picture.thumbnail((LARGEST, LARGEST))
    return np.asarray(picture)


LABELLED_SETS: dict[str, Callable[[str], LabelledImages]] = {
    "fashion_mnist": fashion_mnist,
    "mnist": mnist,
    "cifar10": cifar10,
    "photo_tiles": photo_tiles,
    "photo_tiles_grey": photo_tiles_grey,
    "digits": digits,
}  # name -> function of `data_root`


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
    return Dataset(resize_images(train, image_size), resize_images(held_out, image_size))
