"""Features of reference images and their statistics, computed once and kept in a cache.

A cache file is named by a hash of all that its contents depend on: the images' bytes and shape, their split, and the
extractor with its weights. How images are made ready for the extractor is a matter of `VERSION`.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gan_env.files import write_atomically

VERSION = 2
"""To be raised when what is written changes, or how it is computed."""


def fingerprint(*parts: str | Tensor) -> str:
    """SHA-256 of texts and tensors (their type, shape and bytes), hexadecimal."""
    digest = hashlib.sha256()
    for part in parts:
        head = part if isinstance(part, str) else f"{part.dtype} {tuple(part.shape)}"
        digest.update(f"{len(head)}:{head};".encode())
        if isinstance(part, Tensor):
            digest.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def cached(folder: Path, name: str, key: str, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of a cache file, or what `compute` gives, which is then written.

    Args:
        folder: the cache.
        name: beginning of the file's name, for people.
        key: a `fingerprint` of all that the tensors depend on.
        compute: makes the tensors.

    A damaged file is computed anew, and what can't be written is not kept, each with a warning.
    """
    path = folder / f"{name}-v{VERSION}-{key[:32]}.safetensors"
    if path.is_file():
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            warnings.warn(f"{path} is damaged ({error}): computing it anew", stacklevel=2)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in compute().items()}
    try:
        write_atomically(path, lambda part: save_file(tensors, part))
    except (OSError, SafetensorError) as error:
        warnings.warn(f"{path} can't be written ({error}): it will be computed anew next time", stacklevel=2)
    return tensors
