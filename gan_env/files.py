"""Files that are written whole or not at all, checkpoints that are read back, and downloads that end."""

import hashlib
import io
import json
import os
import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch

from gan_env.errors import ConfigError

SILENCE_S = 20.0
"""Seconds without a byte after which a download has failed."""
_DIGEST = hashlib.sha256().digest_size


@contextmanager
def silence_ends_downloads() -> Iterator[None]:
    """Makes connections that are opened inside fail when nothing comes for `SILENCE_S`, except gdown's (CelebA)."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def write_atomically(path: Path, save: Callable[[Path], Any]) -> Path:
    """Writes a file beside `path` by `save`, which gets its name, and moves it there.

    If the process is killed, the old file remains.

    Missing folders are made. Returns `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        save(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def require_writable(folder: Path, key: str) -> None:
    """Refuses a folder that files can't be written to, before any work; makes nothing.

    Args:
        folder: the folder, which need not exist yet.
        key: the option that names it.

    Raises:
        ConfigError: a file is in its place, or it or the folder that it would be made in can't be written to.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        TemporaryFile(dir=there).close()  # not os.access, which says of root that it may write to /proc
    except OSError as error:
        why = "may not be written to" if there.is_dir() else "is a file"
        raise ConfigError(f"{key}={str(folder)!r} can't be used: {there} {why}; give another folder") from error


def save_checkpoint(path: Path, state: Any) -> Path:
    """Writes what a job continues from, with a checksum at the end, so that a flipped bit is noticed."""
    buffer = io.BytesIO()
    # The highest protocol keeps the arrays of a replay buffer as they are; torch's own choice makes text of them.
    torch.save(state, buffer, pickle_protocol=pickle.HIGHEST_PROTOCOL)
    content = buffer.getvalue()
    return write_atomically(path, lambda part: part.write_bytes(content + hashlib.sha256(content).digest()))


def load_checkpoint(path: Path) -> Any:
    """Reads what `save_checkpoint` wrote. Unpickling can run code: read only files of your own.

    Raises:
        ConfigError: the file is missing, damaged, or of another version.
    """
    mend = "delete it to start anew in this folder"
    try:
        raw = path.read_bytes()
        content, digest = raw[:-_DIGEST], raw[-_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise ConfigError(f"{path} is damaged (its checksum is not that of its content): {mend}")
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    except (OSError, RuntimeError, pickle.UnpicklingError, AttributeError, ImportError, EOFError) as error:
        raise ConfigError(f"{path} can't be read ({error}): {mend}") from error


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON atomically; see `write_atomically`."""
    return write_atomically(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n"))
