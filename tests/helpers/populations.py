"""Small GANs of points or of images for the tests of updates."""

import torch
from torch import Tensor

from gan_env.data.bank import DataBank
from gan_env.gan.population import Population
from gan_env.gan.update import PopulationConfig, PopulationState
from gan_env.mdp.knobs import knob_table
from gan_env.records import RowSettings

IMAGE_KNOBS = tuple(knob_table())
POINT_KNOBS = tuple(name for name in IMAGE_KNOBS if name not in ("flip", "translate", "color", "cutout"))


def settings(rows: int) -> RowSettings:
    key = torch.arange(rows) + 3
    whole = torch.ones_like(key)
    return RowSettings(
        key, 0 * whole, key * 7, 20 + key, 2 + key % 3, *(torch.full((rows,), v) for v in (1.0, 2e-3, 1e-3, 0.5))
    )


def population(bank: DataBank, rows: int = 2, compiled: bool = False, **given: object) -> Population:
    sizes = {"latent_dim": 3, "width": 8, "depth": 2, "batch_size": 4, "ema_decay": 0.9}
    made = Population(bank, PopulationConfig(**{**sizes, **given}), rows, compiled)  # type: ignore[arg-type]
    made.reset(torch.arange(rows), settings(rows))
    return made


def values(names: tuple[str, ...], rows: int = 2, **given: float) -> dict[str, Tensor]:
    return {name: torch.full((rows,), given.get(name, knob_table()[name].neutral)) for name in names}


def trained(bank: DataBank, knobs: tuple[str, ...], updates: int = 3, **given: float) -> PopulationState:
    made = population(bank, knobs=knobs)
    made.update(values(knobs, **given), updates)
    return made.state
