"""Image sets that are decoded picture by picture: CelebA, LSUN and a folder of one's own.

Decoding is done once: the resized bytes are kept beside the data in `gan_env_cache/` and memory-mapped from there, so a
later start is immediate, and a set that is used alone on a CPU may be larger than memory.
"""

import hashlib
import io
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gan_env.data.downloads import open_or_download
from gan_env.errors import DataError, needs
from gan_env.files import write_atomically
from gan_env.records import Dataset

VERSION = 1  # of the preprocessing: with another number caches are made again
CELEBA_CROP = 148
LSUN_CATEGORIES = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen", "living_room",
    "restaurant", "tower",
)  # fmt: skip
HELD_OUT_SHARE = 0.2  # of a folder's images, since a folder has no split of its own
SMALLEST_SIDE = 4
EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Of the files in a folder of one's own that are read."""
REPLACE = "Replace or remove it."  # what to do about a picture of one's own that can't be read
GREY, COLOUR = ("1", "L", "LA", "La"), ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True)
class Pictures:
    """Pictures of any sizes, decoded when they are read."""

    names: Sequence[str]  # for messages
    read: Callable[[int], Image.Image]  # opens the picture with an index
    channels: int  # 1 (grey) or 3 (colour, where a grey picture gets three equal channels)
    remedy: str  # what to do about a picture that can't be read, for the error


def celeba(data_root: str, image_size: int) -> Dataset:
    """CelebA's aligned faces (Liu et al. 2015, arXiv:1411.7766): its training part, and its test part held out.

    The central 148 x 148 of 178 x 218 pixels are used, as is customary (AntixK/PyTorch-VAE, dataset.py). The cache
    is made again when a face is added or removed; after overwriting one, delete `gan_env_cache/celeba-*.npy`.

    Raises:
        DataError: a file is missing and can't be downloaded, or is damaged.
    """
    with needs("data"):
        from torchvision.datasets import CelebA  # slow to import
        from torchvision.transforms.functional import center_crop

    folder = Path(data_root).resolve() / CelebA.base_folder
    images = folder / "img_align_celeba"
    files = {folder / name: md5 for _, md5, name in CelebA.file_list if name.endswith(".txt")} | {images: None}
    home = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    how = (
        f"Get img_align_celeba.zip and the text files from {home}, put them in {folder} and unpack the zip there; "
        "torchvision's own download needs `pip install gdown`."
    )
    remedy = f"Unpack img_align_celeba.zip in {folder} again; it is at {home}."

    def open_part(part: str) -> Pictures:
        def make(download: bool) -> CelebA:
            return CelebA(data_root, {"held_out": "test"}.get(part, part), [], download=download)

        faces = open_or_download(make, files, how)
        names = [str(images / name) for name in faces.filename]
        return Pictures(names, lambda i: center_crop(faces[i][0], [CELEBA_CROP] * 2), 3, remedy)

    return load_pictures("celeba", data_root, image_size, [folder / "list_eval_partition.txt", images], open_part)


def lsun(category: str, data_root: str, image_size: int) -> Dataset:
    """A category of LSUN (Yu et al. 2015, arXiv:1506.03365): its training part, and its validation part held out.

    The databases are read with lmdb: torchvision's `LSUN` caches a list of keys in the working directory, under a name
    that databases may share.

    Raises:
        DataError: a database is missing or damaged.
    """
    parts = {"train": "train", "held_out": "val"}
    folders = {part: Path(data_root).resolve() / f"{category}_{name}_lmdb" for part, name in parts.items()}
    sources = [folder / "data.mdb" for folder in folders.values()]
    return load_pictures(f"lsun_{category}", data_root, image_size, sources, lambda part: _open_lmdb(folders[part]))


def _open_lmdb(folder: Path) -> Pictures:
    """The pictures of an LMDB database, in the order of its keys."""
    with needs("data"):
        import lmdb

    path = folder / "data.mdb"
    how = f"Get http://dl.yf.io/lsun/scenes/{folder.name}.zip and unpack it in {folder.parent}, or set data_root."
    if not path.is_file() or not path.stat().st_size:
        raise DataError(f"{path} is missing or empty. {how}")
    try:
        base = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        promised = base.stat()["psize"] * (base.info()["last_pgno"] + 1)
        if path.stat().st_size < promised:  # reading beyond the end would kill the process
            raise ValueError(f"it has {path.stat().st_size} bytes and should have {promised}")
        with base.begin() as transaction:
            keys = [bytes(key) for key in transaction.cursor().iternext(values=False)]
        if not keys:
            raise ValueError("it holds no pictures")
    except (lmdb.Error, ValueError) as error:
        raise DataError(f"{path} is damaged: {error}. {how}") from error

    def read(index: int) -> Image.Image:
        with base.begin() as transaction:
            return Image.open(io.BytesIO(transaction.get(keys[index]) or b""))

    return Pictures([f"{path}, key {key.decode()}" for key in keys], read, 3, how)


def image_folder(data_root: str, image_size: int) -> Dataset:
    """One's own images: all below `data_root`, in folders or not; a fifth of them, drawn by a fixed seed, is held out.

    Linked folders are read too, hidden files and folders are not. Pictures may differ in size (the central square is
    used, and a line says so when they are decoded) but must be all grey or all in colour. Transparency is ignored.

    Raises:
        DataError: no image, an image that can't be read or is too small, or grey images among colour ones.
    """
    root = Path(data_root).resolve()
    found = sorted(path for path in _files_below(root) if path.suffix.lower() in EXTENSIONS)
    if len(found) < 2:
        holds = f"holds {len(found)} images" if root.is_dir() else "is not a folder"
        raise DataError(
            f"{root} {holds}: set data_root to a folder with at least two, "
            f"in it or in folders below it, named {', '.join(EXTENSIONS)}"
        )
    shuffled = [found[i] for i in np.random.default_rng(1).permutation(len(found))]
    held_out = max(1, round(HELD_OUT_SHARE * len(found)))
    parts = {"held_out": shuffled[:held_out], "train": shuffled[held_out:]}

    @cache  # looks at all pictures, and notes once what is cropped
    def channels() -> int:
        common, sizes = _read_headers(found)
        _note_sizes(root, sizes, image_size)
        return common

    def open_part(part: str) -> Pictures:
        paths = parts[part]
        return Pictures([str(path) for path in paths], lambda i: Image.open(paths[i]), channels(), REPLACE)

    return load_pictures("image_folder", data_root, image_size, found, open_part)


def _files_below(root: Path) -> Iterator[Path]:
    """All files in a folder and below it but the hidden ones; no folder twice, so that links may lead back up."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _read_headers(paths: list[Path]) -> tuple[int, list[tuple[int, int]]]:
    """The number of channels that all pictures have, 1 (grey) or 3 (colour), and the size of each."""
    seen: dict[int, Path] = {}
    sizes = []
    for path in paths:
        with _decoding(str(path), REPLACE), Image.open(path) as picture:
            mode, size = picture.mode, picture.size
        if min(size) < SMALLEST_SIDE:
            raise DataError(f"{path} is only {min(size)} pixels wide or high: remove it (at least {SMALLEST_SIDE})")
        if mode not in GREY + COLOUR:
            raise DataError(f"{path} has pixels of type {mode}: save it with 8 bits a channel, grey or RGB")
        seen.setdefault(1 if mode in GREY else 3, path)
        sizes.append(size)
    if len(seen) > 1:
        raise DataError(f"{seen[1]} is grey and {seen[3]} has colours: convert one kind, or use a folder for each")
    return next(iter(seen)), sizes


def _note_sizes(root: Path, sizes: list[tuple[int, int]], image_size: int) -> None:
    """Prints how many pictures are cropped, or resized by another factor than most."""
    ((most, _),) = Counter(sizes).most_common(1)
    odd = sum(width != height or (width, height) != most for width, height in sizes)
    if odd:
        print(
            f"note: {odd} of {len(sizes)} pictures in {root} are not square or differ in size from most: the central "
            f"square of each is used, resized to {image_size} x {image_size}",
            file=sys.stderr,
        )


def load_pictures(
    name: str, data_root: str, image_size: int, sources: Sequence[Path], open_part: Callable[[str], Pictures]
) -> Dataset:
    """A data set of resized pictures, from the cache in `data_root` if it is there.

    A cache made from other sources (files and folders), or from these before they changed, is not used; then
    `open_part` opens "train" and "held_out" for decoding.

    Raises:
        DataError: a picture can't be read, or the cache can't be written or read.
    """
    pools, folder = {}, Path(data_root).resolve() / "gan_env_cache"
    for part in ("train", "held_out"):
        key = repr((VERSION, part, image_size, [_fingerprint(path) for path in sources]))
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        path = folder / f"{name}-{digest}.npy"
        if not path.exists():
            title = f"{name}, {part} part, {image_size} x {image_size}"
            _write_pool(path, open_part(part), image_size, part == "train", title)
        try:
            # "c": torch wants writable memory; nothing is ever written back to the file.
            pool = np.load(path, mmap_mode="c")
            if pool.dtype != np.uint8 or pool.ndim != 4 or pool.shape[2:] != (image_size, image_size):
                raise ValueError(f"it has {pool.dtype} of shape {pool.shape}")
            pools[part] = torch.from_numpy(pool)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path} is damaged ({error}): delete it; then it is made anew") from error
    return Dataset(pools["train"], pools["held_out"])


def _fingerprint(path: Path) -> tuple[str, int, int]:
    """Name, size and time of change; zeros for what is missing, which opening it will report."""
    status = path.stat() if path.exists() else None
    return (str(path), status.st_size, status.st_mtime_ns) if status else (str(path), 0, 0)


def _write_pool(path: Path, pictures: Pictures, image_size: int, shuffled: bool, title: str) -> None:
    """Decodes all pictures into a .npy file of bytes [P, C, image_size, image_size]."""
    with needs("data"):
        from tqdm import tqdm
    count = len(pictures.names)
    order = np.random.default_rng(0).permutation(count) if shuffled else np.arange(count)
    shape = (count, pictures.channels, image_size, image_size)

    def save(part: Path) -> None:
        with part.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for index in tqdm(order, desc=title, unit="image"):
                file.write(_decode_picture(pictures, int(index), image_size).tobytes())

    try:
        write_atomically(path, save)
    except OSError as error:
        raise DataError(
            f"{path} can't be written ({error}): it takes {math.prod(shape) / 2**20:.1f} MiB in a folder that you may "
            "write to; make room, or copy the data to another data_root"
        ) from error


def _decode_picture(pictures: Pictures, index: int, image_size: int) -> NDArray[np.uint8]:
    """The central square of a picture, upright and resized with antialiasing: [C, image_size, image_size]."""
    with _decoding(pictures.names[index], pictures.remedy):
        picture = ImageOps.exif_transpose(pictures.read(index)).convert("L" if pictures.channels == 1 else "RGB")
        square = ImageOps.fit(picture, (image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(square).reshape(image_size, image_size, pictures.channels).transpose(2, 0, 1)


@contextmanager
def _decoding(name: str, remedy: str) -> Iterator[None]:
    """Names the picture that can't be read, and what to do about it."""
    try:
        yield
    except Exception as error:  # PIL's errors for a bad picture have no common class
        raise DataError(f"{name} can't be read ({error}). {remedy}") from error
