"""Files that are written whole or not at all, checkpoints that are read back, and downloads that end."""

import hashlib
import io
import json
import os
import pickle
import socket
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from gan_env.errors import ConfigError, DataError

AGAIN = "delete it, and the same command makes it anew"
LOST = "it tells what the runs there were made with: choose another folder"
"""What to do where a file can't be read: one that is made anew, and one that isn't."""
Read = TypeVar("Read")
SILENCE_S = 20.0
"""Seconds without a byte after which a download has failed."""
_DIGEST = hashlib.sha256().digest_size
_ARRAY, _NUMBER = "numpy array", "numpy number"  # marks tensors that were arrays


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


def make_first(folders: Iterator[Path]) -> Path:
    """Makes the first folder of an endless series that does not exist yet; processes side by side get one each."""
    for folder in folders:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir()
            break
    return folder


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


def save_checkpoint(path: Path | str, state: Any) -> Path:
    """Writes what a job continues from, with a checksum at the end, so that a flipped bit is noticed.

    Args:
        path: of the file.
        state: dictionaries, lists and tuples of tensors, arrays, numbers and strings; no other objects, which could
            only be unpickled.
    """
    content = to_bytes(state)
    return write_atomically(Path(path), lambda part: part.write_bytes(content + hashlib.sha256(content).digest()))


def load_checkpoint(path: Path | str) -> Any:
    """Reads what `save_checkpoint` wrote; no code in the file is run.

    Raises:
        ConfigError: the file is missing, damaged, or of another version.
    """
    mend = "delete it to start anew in this folder"
    try:
        raw = Path(path).read_bytes()
        content, digest = raw[:-_DIGEST], raw[-_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise ConfigError(f"{path} is damaged (its checksum is not that of its content): {mend}")
        return from_bytes(content)
    except OSError as error:
        raise ConfigError(f"{path} can't be read ({error}): expected a file of `save_checkpoint`") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ConfigError(f"{path} can't be read, as another version of gan_env made it: {mend}") from error


def to_bytes(state: Any) -> bytes:
    """What `save_checkpoint` writes, without a checksum."""
    buffer = io.BytesIO()
    torch.save(_without_arrays(state), buffer)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Any:
    """Reads what `to_bytes` gave; no code in it is run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it refuses
        return _with_arrays(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))


def _without_arrays(state: Any) -> Any:
    """The state with its arrays and NumPy's numbers as tensors, which torch reads without unpickling objects."""
    if type(state) in (list, tuple):
        return type(state)(_without_arrays(part) for part in state)
    if isinstance(state, dict):
        return {name: _without_arrays(part) for name, part in state.items()}
    if isinstance(state, np.ndarray | np.generic):
        kind = _ARRAY if isinstance(state, np.ndarray) else _NUMBER
        return {kind: torch.from_numpy(np.require(np.asarray(state), requirements=["C", "W"]))}
    if state is None or type(state) in (bool, int, float, str) or isinstance(state, Tensor):
        return state
    raise TypeError(f"a checkpoint can't hold {state!r}: save its tensors, arrays, numbers and strings")


def _with_arrays(state: Any) -> Any:
    """What `_without_arrays` was given."""
    if isinstance(state, list | tuple):
        return type(state)(_with_arrays(part) for part in state)
    if not isinstance(state, dict):
        return state
    if _ARRAY in state:
        return state[_ARRAY].numpy()
    return state[_NUMBER].numpy()[()] if _NUMBER in state else {k: _with_arrays(part) for k, part in state.items()}


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> Path:
    """Writes named arrays atomically, in NumPy's compressed format; `path` ends in `.npz`."""
    return write_atomically(path, lambda part: np.savez_compressed(part, **arrays))


def load_arrays(path: Path, read: Callable[[dict[str, Any]], Read]) -> Read:
    """Reads what `save_arrays` wrote; `read` makes of the arrays what they are of.

    Raises:
        DataError: the file is missing or damaged, or `read` misses an array.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return read({name: file[name] for name in file.files})
    except (AttributeError, BadZipFile, EOFError, KeyError, OSError, TypeError, ValueError, zlib.error) as error:
        raise DataError(f"{path} can't be read ({error}): {AGAIN}") from error


def write_text(path: Path, text: str) -> Path:
    """Writes text atomically; see `write_atomically`."""
    return write_atomically(path, lambda part: part.write_text(text))


def write_json(path: Path, value: Any) -> Path:
    """Writes JSON atomically; see `write_atomically`."""
    return write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path, mend: str = AGAIN) -> Any:
    """Reads what `write_json` wrote; `mend` says what to do where it can't be read.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read ({error}): {mend}") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder, and keeps other programs from working in it for the time of the block.

    The lock ends with the process, and with the children that it has forked. Some file systems have no locks: there
    this does nothing.

    Raises:
        ConfigError: another program has locked it.
    """
    import fcntl  # here, since Windows has none, and the rest of this module works there

    folder.mkdir(parents=True, exist_ok=True)
    place = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            busy = "another program is at work there: wait for its end, or give another folder"
            raise ConfigError(f"{str(folder)!r} can't be used: {busy}") from error
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(place, fcntl.LOCK_UN)  # or a forked child would keep it
        os.close(place)
