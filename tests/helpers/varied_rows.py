"""Small GANs of points whose rows differ in everything, each determined by its key alone."""

from dataclasses import replace
from typing import Any

import torch

from gan_env.data.bank import DataBank
from gan_env.gan.population import Population
from gan_env.gan.update import PopulationConfig
from gan_env.records import RowSettings

CPU = torch.device("cpu")
LOSSES = ("non_saturating", "hinge", "least_squares")
SIZES = PopulationConfig(latent_dim=2, width_g=8, width_d=8, depth=2, batch_size=4, ema_decay=0.9, losses=LOSSES)


def settings(keys: list[int]) -> RowSettings:
    key = torch.tensor(keys)
    return RowSettings(
        key=key,
        dataset=key % 2,
        window=key * 31,
        num_samples=30 + key,
        batch_size=2 + key % 3,
        loss=key % 3,
        width_g=(1 + key % 2) / 2,
        width_d=(2 - key % 2) / 2,
        gain_g=0.5 + 0.5 * (key % 3),
        gain_d=1.5 - 0.5 * (key % 2),
        input_scale=0.5 + 0.25 * (key % 4),
        lr_g=1e-3 * (1 + key % 3),
        lr_d=2e-3 * (1 + key % 2),
        beta_1=0.4 + 0.2 * (key % 3),
    )


def population(keys: list[int], compiled: bool = False, **sizes: Any) -> Population:
    bank = DataBank(("ring", "grid"), "data", 28, CPU)
    made = Population(bank, replace(SIZES, **sizes), len(keys), compiled)
    made.reset(torch.arange(len(keys)), settings(keys))
    return made
