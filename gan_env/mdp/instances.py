"""Instances: what kind of GAN run an episode is.

Training and test instances are drawn apart: they have none in common where a range is continuous.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from gan_env.config import INSTANCE_LIMITS, EnvConfig, replace
from gan_env.errors import require
from gan_env.records import RowSettings

_SPLITS = {"train": 0, "test": 1}


@dataclass(frozen=True)
class Instance:
    """One kind of GAN run: the name of its data set, and a value in each range of `gan_env.config.InstanceConfig`."""

    dataset: str
    num_samples: int
    lr_g: float
    lr_d: float
    beta_1: float
    batch_size: int
    width_g: int
    width_d: int
    gain_g: float
    gain_d: float
    input_scale: float
    loss: str


class InstanceSet:
    """The training or the test instances of a configuration: a list that follows from its seed."""

    def __init__(self, config: EnvConfig, split: Literal["train", "test"]) -> None:
        ranges, self.datasets, self.losses = config.instances, config.datasets, config.losses
        sizes = {name: (2, getattr(ranges, name)[1]) for name in ("batch_size", "width_g", "width_d")}  # of the tensors
        self.limits = INSTANCE_LIMITS | sizes
        count = ranges.train_size if split == "train" else ranges.test_size
        rng = np.random.default_rng([ranges.seed, _SPLITS[split]])
        names = rng.permutation(np.arange(count) % len(config.datasets))  # every data set as often as the others
        columns: dict[str, list[Any]] = {"dataset": [config.datasets[index] for index in names]}
        for name in ("lr_g", "lr_d", "beta_1", "num_samples", "batch_size", "width_g", "width_d", "gain_g", "gain_d", "input_scale"):
            low, high = getattr(ranges, name)
            if name == "beta_1":
                drawn = rng.uniform(low, high, count)
            else:
                drawn = np.exp(rng.uniform(np.log(low), np.log(high), count))
            whole = name in ("num_samples", "batch_size", "width_g", "width_d")
            columns[name] = [round(value) if whole else value for value in drawn.tolist()]
        columns["loss"] = [config.losses[i] for i in rng.permutation(np.arange(count) % len(config.losses))]
        rows = zip(*columns.values(), strict=True)
        self.instances = [Instance(**dict(zip(columns, row, strict=True))) for row in rows]

    def __len__(self) -> int:
        return len(self.instances)

    def __getitem__(self, index: int) -> Instance:
        return self.instances[index]

    def pin(self, choice: "int | Instance | Mapping[str, Any]") -> Instance:
        """The instance that `reset(options={"instance": choice})` asks for.

        Args:
            choice: an index into this set, an `Instance`, or a mapping of fields that differ from instance 0.

        Raises:
            ConfigError: it isn't there, it is none of these, or a field is unknown, of the wrong type or out of range.
        """
        kinds = "an index, an Instance, or a mapping of fields such as {'dataset': 'ring'}"
        require(isinstance(choice, int | np.integer | Instance | Mapping), "options['instance']", choice, kinds)
        if isinstance(choice, int | np.integer):
            require(0 <= choice < len(self), "options['instance']", choice, f"0 to {len(self) - 1}")
            return self.instances[choice]
        given = vars(choice) if isinstance(choice, Instance) else choice
        instance = replace(self.instances[0], given, "options.instance.")  # checks types as well
        require(instance.dataset in self.datasets, "instance.dataset", instance.dataset, f"one of {self.datasets}")
        for name, (lowest, highest) in self.limits.items():
            value = getattr(instance, name)
            fits = lowest <= value <= highest
            require(fits, f"instance.{name}", value, f"{lowest:g} to {highest:g} (see the options instances.{name})")
        return instance

    def pin_rows(self, choice: Any, rows: int) -> list[Instance | None]:
        """The instance of each row; None: the row draws its own.

        Args:
            choice: what `pin` takes, or None, for all rows; or a list, tuple or array of such, one a row.
            rows: the number of rows.

        Raises:
            ConfigError: there are too few or too many, or one can't be pinned.
        """
        if isinstance(choice, np.ndarray):
            choice = choice.tolist()
        choices = choice if isinstance(choice, list | tuple) else [choice] * rows
        require(len(choices) == rows, "options['instance']", choice, f"one instance, or a sequence of {rows}")
        return [None if one is None else self.pin(one) for one in choices]

    def settings(
        self, drawn: Sequence[tuple[int, Instance]], sizes: Sequence[int], device: torch.device
    ) -> RowSettings:
        """What is constant over an episode, for R rows that have `drawn` a GAN seed and an instance each.

        `sizes` are the numbers of training samples of the data sets.
        """
        datasets = [self.datasets.index(instance.dataset) for _, instance in drawn]
        whole = [sizes[dataset] for dataset in datasets]
        columns: dict[str, list[Any]] = {name: [getattr(i, name) for _, i in drawn] for name in INSTANCE_LIMITS}
        columns["num_samples"] = [min(pair) for pair in zip(columns["num_samples"], whole, strict=True)]
        for name in ("width_g", "width_d"):
            columns[name] = [width / max(self.limits["width_g"][1], self.limits["width_d"][1]) for width in columns[name]]
        columns["loss"] = [self.losses.index(i.loss) for _, i in drawn]
        seeds = [seed for seed, _ in drawn]
        columns |= {"key": seeds, "dataset": datasets}
        columns["window"] = [seed % size for seed, size in zip(seeds, whole, strict=True)]
        kinds = dict.fromkeys(("lr_g", "lr_d", "beta_1", "width_g", "width_d", "gain_g", "gain_d", "input_scale"), torch.float32)
        return RowSettings(
            **{n: torch.tensor(c, dtype=kinds.get(n, torch.int64), device=device) for n, c in columns.items()}
        )
