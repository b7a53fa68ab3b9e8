"""Files that are written whole or not at all, checkpoints that are read back, and downloads that end."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from gan_env.errors import ConfigError

SILENCE_S = 20.0
"""Seconds without a byte after which a download has failed."""
_LEFT_S = 24 * 3600.0  # without a byte, after which nobody writes to a file any more


@contextmanager
def silence_ends_downloads() -> Iterator[None]:
    """Lets connections that are opened inside fail once nothing has come for `SILENCE_S`: they would wait for ever.

    Those of gdown (CelebA) do so still: it sets no limit, and leaves no place to set one.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def write_atomically(path: Path, save: Callable[[Path], Any]) -> Path:
    """Writes a file by `save(part)` beside its place and moves it there, so a kill leaves the old one.

    Args:
        path: where the file goes; missing folders are made.
        save: writes the file that it is given the name of.

    Returns:
        `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        save(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def remove_left_parts(folder: Path, names: str) -> None:
    """Removes the parts of files that processes left when they were killed: those not written to for a day.

    Whether its process is there can't be asked: folders are shared by machines and by containers.

    Args:
        folder: of the files; it needn't be there.
        names: pattern of their names.
    """
    for part in folder.glob(f".part-*-{names}"):
        with suppress(OSError):  # another process may have been quicker, and some folders are only to be read
            if time.time() - part.stat().st_mtime > _LEFT_S:
                part.unlink()


def load_checkpoint(path: Path) -> Any:
    """What a training of ours saved by `torch.save`; it may hold numpy's random states, so it is not read safely.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # torch's errors for a bad file have no common class
        raise ConfigError(f"{path} is damaged ({error}): delete it to train from the start in this folder") from error


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON atomically; see `write_atomically`."""
    return write_atomically(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n"))
