"""Small files in the formats of the real data sets, for the real loaders.

The sums that torchvision and `arrays` know of the real files become, by `patch`, those of the small ones.
"""

import gzip
import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.datasets import CIFAR10, CelebA

from gan_env.data import labelled as arrays
from gan_env.data import pictures as image_files

Arrays = dict[str, NDArray[np.uint8]]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def flat(colour: int | tuple[int, ...], size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    """A picture (width, height) of one colour."""
    return Image.new(mode, size, colour)


def idx(array: NDArray[np.uint8]) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


def write_idx(
    folder: Path, patch: pytest.MonkeyPatch, train: int = 6, held_out: int = 4, zipped: bool = False
) -> Arrays:
    """MNIST's or Fashion-MNIST's four files; image i has label i % 10."""
    contents = [noise(train, 28, 28, seed=1), np.arange(train) % 10, noise(held_out, 28, 28), np.arange(held_out) % 10]
    parts = {name: content.astype(np.uint8) for name, content in zip(arrays.IDX_FILES, contents, strict=True)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in parts.items():
        content = idx(array)
        (folder / f"{name}.gz" if zipped else folder / name).write_bytes(gzip.compress(content) if zipped else content)
    for kind in arrays.IDX_SUMS:
        patch.setitem(arrays.IDX_SUMS, kind, tuple(md5(idx(array)) for array in parts.values()))
    return parts


def write_mnist(root: Path, patch: pytest.MonkeyPatch, train: int = 6, held_out: int = 4) -> Arrays:
    return write_idx(root / "MNIST/raw", patch, train, held_out)


def write_cifar10(root: Path, patch: pytest.MonkeyPatch, train: int = 20, held_out: int = 4) -> Arrays:
    """CIFAR-10's pickled batches, five of them for training; image i of a file has label i % 10."""
    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)
    counts = {name: train // 5 for name, _ in CIFAR10.train_list} | {name: held_out for name, _ in CIFAR10.test_list}
    rows = {name: noise(count, 3072, seed=seed) for seed, (name, count) in enumerate(counts.items())}
    pickled: dict[str, Any] = {name: {"data": x, "labels": [i % 10 for i in range(len(x))]} for name, x in rows.items()}
    pickled["batches.meta"] = {"label_names": [f"class {i}" for i in range(10)]}
    sums = {}
    for name, value in pickled.items():
        content = pickle.dumps(value)
        (folder / name).write_bytes(content)
        sums[name] = md5(content)
    for part in ("train_list", "test_list"):
        patch.setattr(CIFAR10, part, [[name, sums[name]] for name, _ in getattr(CIFAR10, part)])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": sums["batches.meta"]})
    return rows


def write_celeba(root: Path, patch: pytest.MonkeyPatch, train: int = 7, held_out: int = 3) -> Path:
    """Faces of 178 x 218 pixels: those for training, then two for validation, then those for testing.

    Red, 20 times its index, tells which face it is; outside the central 148 x 148 pixels a picture is blue.
    """
    folder = root / CelebA.base_folder
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i + 1:06}.jpg" for i in range(train + 2 + held_out)]
    for i, name in enumerate(names):
        picture = flat((0, 0, 255), (178, 218))
        picture.paste((20 * i % 256, 0, 0), (15, 35, 163, 183))
        picture.save(folder / "img_align_celeba" / name, quality=100, subsampling=0)

    def table(values: Callable[[int], str], header: str = "") -> str:
        return header + "".join(f"{name} {values(i)}\n" for i, name in enumerate(names))

    texts = {
        "list_eval_partition.txt": table(lambda i: "0" if i < train else "1" if i < train + 2 else "2"),
        "identity_CelebA.txt": table(lambda i: str(i)),
        "list_bbox_celeba.txt": table(lambda i: "1 2 3 4", "12\nimage_id x_1 y_1 width height\n"),
        "list_landmarks_align_celeba.txt": table(lambda i: "1 2", "12\nlefteye_x lefteye_y\n"),
        "list_attr_celeba.txt": table(lambda i: "-1 1", "12\nBald Smiling\n"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    listed = [
        (file_id, md5(texts[name].encode()) if name in texts else known, name)
        for file_id, known, name in CelebA.file_list
    ]
    patch.setattr(CelebA, "file_list", listed)
    return folder


def write_lsun(root: Path, patch: pytest.MonkeyPatch, train: int = 7, held_out: int = 3) -> Path:
    """Two databases of WebP pictures as LSUN's; red is 20 times the index, which runs on from one to the other.

    LSUN has no sums to patch.
    """
    for part, indices in (("train", range(train)), ("val", range(train, train + held_out))):
        with (
            lmdb.open(str(root / f"church_outdoor_{part}_lmdb"), map_size=2**22) as base,
            base.begin(write=True) as out,
        ):
            for i in indices:
                content = io.BytesIO()
                flat((20 * i % 256, 0, 0), (60 + i, 40)).save(content, "WEBP", lossless=True)
                out.put(f"key{i:03}".encode(), content.getvalue())
    return root


WRITERS: dict[str, Callable[..., object]] = {
    "mnist": write_mnist,
    "cifar10": write_cifar10,
    "celeba": write_celeba,
    "lsun_church_outdoor": write_lsun,
}
"""Data set that isn't at hand -> writes it below a root."""


def shades(images: torch.Tensor) -> list[int]:
    """The first channel's value in the middle of each image."""
    side = images.shape[-1]
    return images[:, 0, side // 2, side // 2].tolist()


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever decodes a picture from here on fails."""

    def fail(*arguments: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_files, "_decode_picture", fail)
