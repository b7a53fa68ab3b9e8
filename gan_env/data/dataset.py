"""What a data set is, the error that says how to get one, and how torchvision's sets are opened or downloaded."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from gan_env.errors import DataError
from gan_env.files import silence_ends_downloads

T = TypeVar("T")


@dataclass(frozen=True)
class Dataset:
    """Samples of one data set, on any device.

    Attributes:
        train, held_out: [P, *shape], float32 (points) or uint8 (images, read as value / 127.5 - 1).
        centers: the modes, [M, 2] (M = 0 where modes are not known).
        std: standard deviation of each mode; 0 where modes are not known.
        validation, scored: the two halves of `held_out`, at even and at odd places, since some sets are in the order of
            their classes. Policies see the first one's judgement and choices rest on it; the other one's is reported.
    """

    train: Tensor
    held_out: Tensor
    centers: Tensor
    std: float = 0.0

    @property
    def validation(self) -> Tensor:  # noqa: D102
        return self.held_out[::2]

    @property
    def scored(self) -> Tensor:  # noqa: D102
        return self.held_out[1::2]


def decode(samples: Tensor) -> Tensor:
    """Samples as float32: bytes become [-1, 1], floats pass."""
    return samples.float() / 127.5 - 1 if samples.dtype == torch.uint8 else samples


def open_or_download(make: Callable[[bool], T], files: Mapping[Path, str | None], how: str) -> T:
    """Opens a set of torchvision, which downloads it only where one of its files is missing.

    Args:
        make: opens the set; its argument says whether to download.
        files: what the set consists of, with MD5 sums where they are known.
        how: how to get the files by hand, for the error.

    Raises:
        DataError: a file is damaged, or is missing and can't be downloaded.
    """
    missing = [path for path in files if not path.exists()]
    try:
        with silence_ends_downloads():
            return make(bool(missing))
    except DataError:
        raise
    except Exception as error:  # what pickle, gdown, zipfile and torchvision raise has no common class
        if missing:
            reason = " ".join(str(error).split()).rstrip(". ")  # torchvision's has several lines
            raise DataError(
                f"{missing[0]} is missing, and the download failed: {reason}. Try again, or do it by hand: {how}"
            ) from error
        for path, md5 in files.items():
            if md5 is not None and hashlib.md5(path.read_bytes()).hexdigest() != md5:
                raise DataError(
                    f"{path} is damaged: its MD5 sum is not {md5}. Delete it; then it is downloaded anew. {how}"
                ) from error
        raise DataError(f"{next(iter(files)).parent} can't be read: {error}. {how}") from error
