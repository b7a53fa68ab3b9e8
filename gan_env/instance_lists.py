"""One kind of GAN run, and lists of them that a user gives: as they are, drawn by a function, or from a file."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gan_env.errors import ConfigError, require
from gan_env.files import write_json
from gan_env.strict import replace


@dataclass(frozen=True)
class Number:
    """A number that an instance has.

    Attributes:
        low, high: the lowest and the highest value that it may have.
        what: what it is.
        whole: whether it is a whole number.
        logarithmic: whether it is drawn uniformly in the logarithm; else uniformly.
    """

    low: float
    high: float
    what: str
    whole: bool = False
    logarithmic: bool = True


HYPERPARAMETERS: dict[str, Number] = {
    "num_samples": Number(2, 10**9, "number of training samples", whole=True),
    "lr_g": Number(1e-9, 1.0, "learning rate of G"),
    "lr_d": Number(1e-9, 1.0, "learning rate of D"),
    "beta_1": Number(0.0, 0.9999, "momentum of both players' Adam", logarithmic=False),
    "batch_size": Number(2, 10**9, "batch size", whole=True),
    "width_g": Number(2, 10**9, "width of G", whole=True),
    "width_d": Number(2, 10**9, "width of D", whole=True),
    "gain_g": Number(0.01, 10.0, "factor on G's initial weights"),
    "gain_d": Number(0.01, 10.0, "factor on D's initial weights"),
    "input_scale": Number(0.01, 100.0, "factor on what D sees"),
}
"""The numbers of an instance by name; each is a field of `Instance`, and a range in `gan_env.config.InstanceConfig`."""
SIZES = ("batch_size", "width_g", "width_d")
"""Those that tensors have the largest value of: an environment's rows can't exceed it."""


@dataclass(frozen=True)
class Instance:
    """One kind of GAN run: the names of its data set and its adversarial loss, and the numbers of `HYPERPARAMETERS`.

    Those with a default may be left out of a list of one's own.
    """

    dataset: str
    num_samples: int
    lr_g: float
    lr_d: float
    beta_1: float
    batch_size: int
    width_g: int
    width_d: int
    gain_g: float = 1.0
    gain_d: float = 1.0
    input_scale: float = 1.0
    loss: str = "non_saturating"

    def title(self) -> str:
        """For people, in a line."""
        rates = f"learning rates {self.lr_g:.1e} (G), {self.lr_d:.1e} (D)"
        return f"{self.dataset}, {self.num_samples:,} samples, {rates}"


_SOME = Instance("ring", num_samples=1000, lr_g=1e-3, lr_d=1e-3, beta_1=0.5, batch_size=32, width_g=32, width_d=32)
_LISTS = "a list of instances, a function that draws one, or the name of a file that gan_env.save_instances wrote"


def checked_instances(given: Any, count: int, rng: np.random.Generator, key: str) -> tuple[dict[str, Any], ...]:
    """A user's instances as mappings with all fields, which JSON can hold.

    Args:
        given: a list of `Instance`s or mappings; a function of `rng` that draws one; or the path of a file.
        count: how many a function draws, one after the other.
        rng: what it draws with.
        key: the option, for messages.

    Raises:
        ConfigError: it is none of these or empty; a file is missing or changed; or a field is missing, unknown, of the
            wrong type or out of range.
    """
    if isinstance(given, str | Path):
        return read_instances(Path(given))
    return _checked_list([given(rng) for _ in range(count)] if callable(given) else given, key)


def _checked_list(given: Any, key: str) -> tuple[dict[str, Any], ...]:
    """A list of instances or mappings as mappings with all fields."""
    require(isinstance(given, Sequence) and len(given) > 0, key, given, _LISTS)
    return tuple(vars(_checked(instance, f"{key}[{index}]")) for index, instance in enumerate(given))


def _checked(given: Any, key: str) -> Instance:
    """An instance from an `Instance` or a mapping, with its types and limits checked."""
    fields = vars(given) if isinstance(given, Instance) else given
    needed = [field.name for field in dataclasses.fields(Instance) if field.default is dataclasses.MISSING]
    require(isinstance(fields, Mapping), key, given, f"an Instance, or a mapping of {', '.join(vars(_SOME))}")
    instance = replace(_SOME, fields, f"{key}.")
    lacking = [name for name in needed if name not in fields]
    expected = f"all fields of an Instance that have no default: it lacks {', '.join(lacking)}"
    require(not lacking, key, dict(fields), expected)
    for name, number in HYPERPARAMETERS.items():
        value = getattr(instance, name)
        require(number.low <= value <= number.high, f"{key}.{name}", value, f"{number.low:g} to {number.high:g}")
    return instance


def hash_of(instances: Iterable[Instance | Mapping[str, Any]]) -> str:
    """SHA-256 of instances in their order, hexadecimal: two lists with the same hash are the same."""
    fields = [vars(i) if isinstance(i, Instance) else dict(i) for i in instances]
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def save_instances(path: str | Path, instances: Iterable[Instance | Mapping[str, Any]]) -> str:
    """Writes instances to a JSON file that `GANVectorEnv(instances=path)` reads, and returns their hash.

    Whoever reads the file has the same instances in the same order: the hash says so, and is checked on reading.

    Args:
        path: the file.
        instances: `Instance`s or mappings of all fields, or the set of an environment, `envs.instances`.

    Raises:
        ConfigError: there is none, or a field is missing, unknown, of the wrong type or out of range.
    """
    require(not isinstance(instances, Instance), "instances", instances, "a list of Instances")
    checked = _checked_list(list(instances), "instances")
    found = hash_of(checked)
    write_json(Path(path), {"sha256": found, "instances": list(checked)})
    return found


def read_instances(path: Path) -> tuple[dict[str, Any], ...]:
    """The instances of a file that `save_instances` wrote.

    Raises:
        ConfigError: the file is missing, no such file, or was changed since.
    """
    kind = "a file that gan_env.save_instances wrote"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"instances={str(path)!r} can't be read ({error}): expected {kind}") from error
    fits = isinstance(content, dict) and {"sha256", "instances"} <= set(content)
    require(fits and isinstance(content["instances"], list), "instances", str(path), kind)
    checked = _checked_list(content["instances"], str(path))
    found, wanted = hash_of(checked), content["sha256"]
    remedy = f"its hash to be {wanted}, as it says, not {found}: it was changed; get it again, or write it anew"
    require(found == wanted, "instances", str(path), remedy)
    return checked
