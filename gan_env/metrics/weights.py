"""Finds the pretrained weights of published metrics: given by path, in torch's folder, or downloaded to it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch

from gan_env.errors import WeightsError
from gan_env.files import silence_ends_downloads

_HASH = re.compile(r"-([a-f0-9]{8,})\.")  # torch.hub's convention: the file's name ends with the start of its hash


@dataclass(frozen=True)
class PretrainedWeights:
    """A published file of weights."""

    network: str  # what they belong to, for people
    url: str  # its last part is the file's name
    option: str  # the command-line option that takes a path

    @property
    def standard_path(self) -> Path:
        """Where torch keeps them: `$TORCH_HOME/hub/checkpoints/NAME`."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.url.rsplit("/", 1)[1]


INCEPTION = PretrainedWeights(
    "Inception v3 (FID's own weights)",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "--inception",
)
VGG16 = PretrainedWeights("VGG16", "https://download.pytorch.org/models/vgg16-397923af.pth", "--vgg")
ALEXNET = PretrainedWeights("AlexNet", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "--alexnet")


@dataclass(frozen=True)
class FoundWeights:
    """A file of weights on this machine."""

    path: Path
    sha256: str  # hexadecimal


def find_weights(weights: PretrainedWeights, given: str | None = None) -> FoundWeights:
    """Finds weights at the given path or in torch's folder, or downloads them; checks the hash in their published name.

    Raises:
        WeightsError: they are not there and can't be downloaded, or the file is damaged.
    """
    path = Path(given) if given else weights.standard_path
    if given and not path.is_file():
        raise WeightsError(f"{weights.option} {given}: there is no such file. {_ways(weights)}")
    if not path.is_file():
        _download(weights, path)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    promised = _HASH.search(path.name)
    if promised and path.name == weights.standard_path.name and not sha256.startswith(promised.group(1)):
        raise WeightsError(f"{path} is damaged: its SHA-256 begins with {sha256[:8]}. Delete it. {_ways(weights)}")
    return FoundWeights(path, sha256)


def find_all(wanted: Mapping[PretrainedWeights, str | None]) -> dict[PretrainedWeights, FoundWeights]:
    """Finds several files of weights (with their given paths, or None); see `find_weights`.

    Raises:
        WeightsError: names all that are missing or damaged, so that they can be fetched in one go.
    """
    found, errors = {}, []
    for weights, given in wanted.items():
        try:
            found[weights] = find_weights(weights, given)
        except WeightsError as error:
            errors.append(str(error))
    if errors:
        raise WeightsError("\n".join(errors))
    return found


def _download(weights: PretrainedWeights, path: Path) -> None:
    """Downloads to torch's folder, whole or not at all, with a progress bar."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with silence_ends_downloads():
            torch.hub.download_url_to_file(weights.url, str(path), progress=True)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"the weights of {weights.network} are missing: {path} is not there and downloading it failed ({error}). "
            f"{_ways(weights)}"
        ) from error


def _ways(weights: PretrainedWeights) -> str:
    return (
        f"Either download {weights.url} on a machine that is online and put it at {weights.standard_path}, or put it "
        f"anywhere and give its path with {weights.option} PATH"
    )
