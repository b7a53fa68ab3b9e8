"""How torchvision's data sets are opened or downloaded, with errors that say how to get the files."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from gan_env.errors import DataError
from gan_env.files import silence_ends_downloads

T = TypeVar("T")


def open_or_download(make: Callable[[bool], T], files: Mapping[Path, str | None], how: str) -> T:
    """Opens a set of torchvision, and downloads it only where one of its files is missing.

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
            problem = f"{missing[0]} is missing, and the download failed: {reason}. Try again, or do it by hand:"
        else:
            sums = {path: md5 for path, md5 in files.items() if md5 is not None}
            damaged = [path for path, md5 in sums.items() if hashlib.md5(path.read_bytes()).hexdigest() != md5]
            problem = f"{next(iter(files)).parent} can't be read: {error}."
            if damaged:
                problem = f"{damaged[0]} is damaged: its MD5 sum is not {sums[damaged[0]]}. Delete it and start again."
        raise DataError(f"{problem} {how}") from error
