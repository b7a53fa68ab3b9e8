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
    none = torch.zeros_like(key)
    real = {"lr_g": 2e-3, "lr_d": 1e-3, "beta_1": 0.5, "gain_g": 0.8, "gain_d": 1.2, "input_scale": 1.5}
    columns = {name: torch.full((rows,), value) for name, value in {"width_g": 1.0, "width_d": 1.0, **real}.items()}
    return RowSettings(key, none, key * 7, 20 + key, 2 + key % 3, none.clone(), **columns)


def population(bank: DataBank, rows: int = 2, compiled: bool = False, **given: object) -> Population:
    sizes = {"latent_dim": 3, "width_g": 8, "width_d": 8, "depth": 2, "batch_size": 4, "ema_decay": 0.9}
    made = Population(bank, PopulationConfig(**{**sizes, **given}), rows, compiled)  # type: ignore[arg-type]
    made.reset(torch.arange(rows), settings(rows))
    return made


def values(names: tuple[str, ...], rows: int = 2, **given: float) -> dict[str, Tensor]:
    return {name: torch.full((rows,), given.get(name, knob_table()[name].neutral)) for name in names}


def trained(bank: DataBank, knobs: tuple[str, ...], updates: int = 3, **given: float) -> PopulationState:
    made = population(bank, knobs=knobs)
    made.update(values(knobs, **given), updates)
    return made.state
