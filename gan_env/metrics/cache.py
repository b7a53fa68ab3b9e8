"""A cache of what is computed from reference images: a file is named by a hash of all that its contents depend on."""

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
"""Raise it when what is written changes, or how it is computed: also how images are prepared for an extractor."""


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
    """The tensors of a cache file; where it is missing or damaged, those that `compute` makes, which are then written.

    The file's name begins with `name`, for people; `key` is a `fingerprint` of all that the tensors depend on. It warns
    of a file that is damaged or can't be written.
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
