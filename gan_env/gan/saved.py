"""Trained generators in one file, from which anybody can sample without the data: averaged weights and what they mean.

The file is safetensors: no code is run by opening it. Its header holds the networks' sizes as JSON.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_env.errors import DataError, require, require_at_least
from gan_env.files import write_atomically
from gan_env.gan.population import Population
from gan_env.gan.update import PopulationConfig, build_networks
from gan_env.resume import require_same_form
from gan_env.seeding import fold_in, normal
from gan_env.strict import replace

NAME, CHECKPOINT = "generator.safetensors", "checkpoint.pt"
"""Files in a run's folder: the generators at its end, and what it continues from after a kill."""
_HEADER = ("sizes", "sample_shape", "datasets", "data_root", "crashed")
_FRESH = 2**20  # a stream of a row's key that training does not use
_PART = 500  # samples that are drawn at once


@dataclass(frozen=True)
class SavedGenerators:
    """The generators of N rows."""

    sizes: PopulationConfig  # of the networks
    sample_shape: tuple[int, ...]  # (2,) or (C, H, W)
    datasets: tuple[str, ...]  # name of each row's data set
    data_root: str  # the folder of their files
    crashed: tuple[bool, ...]  # which rows crashed: their weights are those of the last decision, finite or not
    weights: Tensor  # averaged weights, [N, P]
    keys: Tensor  # the rows' random keys, int64 [N]

    @torch.no_grad()
    def sample(self, row: int, count: int) -> Tensor:
        """Samples of one row from latents that training never used: [count, *sample_shape], images in [-1, 1].

        They are the same in each call, and fewer are the first of more.
        """
        network, _ = build_networks(self.sample_shape, self.sizes)
        weights, key = self.weights[row : row + 1], fold_in(self.keys[row : row + 1], _FRESH)
        parts = []
        for part in range(-(-count // _PART)):
            z = normal(fold_in(key, part), _PART, self.sizes.latent_dim)  # [1, part, latent_dim]
            parts.append(network(weights, z).reshape(_PART, *self.sample_shape))
        return torch.cat(parts)[:count]


def find_runs(folder: Path, key: str) -> list[Path]:
    """The run folder itself, or all run folders below it, in order of name; says which runs are not finished.

    Raises:
        ConfigError: there are none; `key` is the option that names the folder.
    """
    runs = sorted(path.parent for path in folder.rglob(NAME))
    for path in sorted({path.parent for path in folder.rglob(CHECKPOINT)} - set(runs)):
        resumed = f"python baselines/train_gan.py folder={path}"
        print(f"left out: {path} is not finished (`{resumed}` continues it)", file=sys.stderr)
    require(bool(runs), key, str(folder), f"a folder with {NAME}, which baselines/train_gan.py writes, or one above")
    return runs


def save_generators(
    path: Path, population: Population, datasets: Sequence[str], data_root: str = "data", crashed: Sequence[bool] = ()
) -> None:
    """Writes the averaged generators of all rows to a file; see `SavedGenerators`. An empty `crashed`: no row did."""
    header = {
        "sizes": asdict(population.config),
        "sample_shape": list(population.bank.sample_shape),
        "datasets": list(datasets),
        "data_root": str(Path(data_root).resolve()),
        "crashed": list(crashed) or [False] * len(datasets),
    }
    tensors = {"weights": population.state.ema.cpu().contiguous(), "keys": population.settings.key.cpu().contiguous()}
    metadata = {"generators": json.dumps(header)}  # one entry: safetensors writes several in any order
    write_atomically(path, lambda part: save_file(tensors, part, metadata))


def load_generators(path: Path, device: torch.device) -> SavedGenerators:
    """Reads what `save_generators` wrote.

    Raises:
        DataError: the file is missing, damaged, or not of this kind.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            header = json.loads((file.metadata() or {})["generators"])
            return _checked(header, file.get_tensor("weights"), file.get_tensor("keys"))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} can't be read as saved generators ({type(error).__name__}: {error}): expected a file that "
            f"`python baselines/train_gan.py` wrote; train again"
        ) from error


def _checked(header: Any, weights: Tensor, keys: Tensor) -> SavedGenerators:
    """What a file holds, if its parts have their types and fit each other.

    Raises:
        KeyError: something is missing.
        ConfigError: something is not as `save_generators` writes it.
    """
    require(isinstance(header, dict), "header", header, "names and values")
    blank = SavedGenerators(PopulationConfig(1, 1, 1, 1, 1, 0.0), (), (), "", (), weights, keys)
    saved = replace(blank, {name: header[name] for name in _HEADER})
    shape, rows = saved.sample_shape, len(saved.datasets)
    require(min(shape, default=0) > 0, "sample_shape", shape, "positive sides")
    require_at_least(saved.sizes, "sizes.", latent_dim=1, width_g=1, width_d=1, depth=1)
    network, _ = build_networks(shape, saved.sizes)
    with torch.device("meta"):  # forms alone: sizes that a damaged file names take no memory
        expected = {"weights": torch.empty(rows, network.size), "keys": torch.empty(rows, dtype=torch.int64)}
    found = {"weights": weights, "keys": keys, "crashed": list(saved.crashed)}
    require_same_form("its content", found, expected | {"crashed": [False] * rows})
    return saved
