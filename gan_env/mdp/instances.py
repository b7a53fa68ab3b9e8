"""Instances: what kind of GAN run an episode is.

Training and test instances are drawn apart: they have none in common where a range is continuous.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gan_env.config import SPLITS, EnvConfig
from gan_env.errors import require
from gan_env.instance_lists import HYPERPARAMETERS, SIZES, Instance, hash_of
from gan_env.records import RowSettings
from gan_env.strict import replace


class InstanceSet:
    """The training or the test instances of a configuration: a user's own list, or one that follows from its seed.

    Attributes:
        instances: the list.
        datasets, losses: the names that an instance may have; a row's settings have their places.
        limits: lowest and highest value of each number of an instance that a row can be given.
        hash: SHA-256 of the list, as in a file that `gan_env.save_instances` writes.

    Raises:
        ConfigError: instances of one's own have other data sets or losses, or only the other split has any.
    """

    def __init__(self, config: EnvConfig, split: Literal["train", "test"]) -> None:
        ranges, self.datasets, self.losses = config.instances, config.datasets, config.losses
        self.limits = {name: (number.low, number.high) for name, number in HYPERPARAMETERS.items()}
        self.limits |= {name: (HYPERPARAMETERS[name].low, getattr(ranges, name)[1]) for name in SIZES}
        own, other = (ranges.train, ranges.test) if split == "train" else (ranges.test, ranges.train)
        needed = f"instances of the {split} split, too: instances={{'train': [...], 'test': [...]}}"
        require(bool(own or not other), f"instances.{split}", own, needed)
        if own:
            self.instances = [Instance(**fields) for fields in own]
            for index, instance in enumerate(self.instances):
                self._require_fit(instance, f"instances.{split}[{index}]")
        else:
            self.instances = drawn_instances(config, split)
        self.hash = hash_of(self.instances)

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
        self._require_fit(instance, "instance")
        return instance

    def _require_fit(self, instance: Instance, key: str) -> None:
        """Raises a `ConfigError` unless the environment has the instance's data set, loss and sizes."""
        for name, options, known in (("dataset", "datasets", self.datasets), ("loss", "losses", self.losses)):
            value = getattr(instance, name)
            expected = f"one of the environment's {known} (see the option {options})"
            require(value in known, f"{key}.{name}", value, expected)
        for name, (lowest, highest) in self.limits.items():
            value = getattr(instance, name)
            fits = lowest <= value <= highest
            require(fits, f"{key}.{name}", value, f"{lowest:g} to {highest:g} (see the option instances.{name})")

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
        seeds = [seed for seed, _ in drawn]
        datasets = [self.datasets.index(instance.dataset) for _, instance in drawn]
        whole = [sizes[dataset] for dataset in datasets]
        losses = [self.losses.index(instance.loss) for _, instance in drawn]
        window = [seed % size for seed, size in zip(seeds, whole, strict=True)]
        columns: dict[str, list[Any]] = {"key": seeds, "dataset": datasets, "window": window, "loss": losses}
        columns |= {name: [getattr(instance, name) for _, instance in drawn] for name in HYPERPARAMETERS}
        columns["num_samples"] = [min(pair) for pair in zip(columns["num_samples"], whole, strict=True)]
        for name in ("width_g", "width_d"):
            columns[name] = [width / self.limits[name][1] for width in columns[name]]
        return RowSettings.of(columns, device)


def as_columns(instances: Sequence[Instance]) -> dict[str, NDArray[Any]]:
    """The fields of N instances, an array [N] each; names of data sets and losses are objects."""
    values = {field.name: [getattr(instance, field.name) for instance in instances] for field in fields(Instance)}
    return {name: np.array(column, object if isinstance(column[0], str) else None) for name, column in values.items()}


def drawn_instances(config: EnvConfig, split: Literal["train", "test"]) -> list[Instance]:
    """Instances drawn from a configuration's ranges, every data set and every loss as often as the others."""
    ranges = config.instances
    count = ranges.train_size if split == "train" else ranges.test_size
    rng = np.random.default_rng([ranges.seed, SPLITS.index(split)])

    def evenly(names: Sequence[str]) -> list[str]:
        return [names[index] for index in rng.permutation(np.arange(count) % len(names))]

    columns: dict[str, list[Any]] = {"dataset": evenly(config.datasets)}
    for name, number in HYPERPARAMETERS.items():
        low, high = getattr(ranges, name)
        if number.logarithmic:
            drawn = np.exp(rng.uniform(np.log(low), np.log(high), count))
        else:
            drawn = rng.uniform(low, high, count)
        columns[name] = [round(value) if number.whole else value for value in drawn.tolist()]
    columns["loss"] = evenly(config.losses)
    return [Instance(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
