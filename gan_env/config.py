"""Every option of the environment, in frozen dataclasses that are loaded strictly, and the choice of the device."""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from gan_env.errors import ConfigError, require

T = TypeVar("T")
CONFIGS = next(path for path in (folder / "configs" for folder in Path(__file__).resolve().parents) if path.is_dir())
"""The YAML files: inside the package where it is installed from a wheel, else those of the checkout."""
FEWEST_SAMPLES = 16
"""The metric sees at least as many samples of a row."""
LARGEST_PENALTY, LARGEST_WEIGHT = 20.0, 1e6
"""Limits of the crash penalty and of a reward term's weight, so that rewards are finite: e^20 is 500 million."""
INSTANCE_LIMITS: dict[str, tuple[float, float]] = {
    "num_samples": (2, 10**9),
    "lr_g": (1e-9, 1.0),
    "lr_d": (1e-9, 1.0),
    "beta_1": (0.0, 0.9999),
    "batch_size": (2, 10**9),
    "width_g": (2, 10**9),
    "width_d": (2, 10**9),
    "gain_g": (0.01, 10.0),
    "gain_d": (0.01, 10.0),
    "input_scale": (0.01, 100.0),
}
"""Lowest and highest value of each number of an instance."""
RUN_OPTIONS = ("data_root", "device", "compile")
"""Options of the environment that change where and how a run is made, not what comes out."""


@dataclass(frozen=True)
class InstanceConfig:
    """Ranges that training and test instances are drawn from, uniformly in the logarithm (`beta_1`: uniformly).

    Attributes:
        num_samples: number of training samples; a number above the data set's size means all of it.
        lr_g: learning rate of the generator.
        lr_d: learning rate of the discriminator.
        beta_1: momentum of both players' Adam; 0, 0.5 and 0.9 are customary.
        batch_size: samples per batch. The upper end sets the size of the batch tensor.
        width_g: hidden units (points) or channels (images) of the generator. The upper end sets the networks' size.
        width_d: the same of the discriminator.
        gain_g: factor on the generator's initial weights. 1: the scale of He et al. 2015 (arXiv:1502.01852); torch's
            default for linear layers is about 0.4, DCGAN's 0.02 is between 0.1 and 0.6.
        gain_d: the same of the discriminator's.
        input_scale: factor on what the discriminator sees, real or fake: how data are normalised. Gradient penalties
            are taken by what it sees.
        train_size: number of training instances.
        test_size: number of test instances.
        seed: seed of the two sets.
    """

    num_samples: tuple[int, int] = (30, 65_536)
    lr_g: tuple[float, float] = (1e-4, 1e-2)
    lr_d: tuple[float, float] = (1e-4, 1e-2)
    beta_1: tuple[float, float] = (0.0, 0.9)
    batch_size: tuple[int, int] = (16, 32)
    width_g: tuple[int, int] = (16, 32)
    width_d: tuple[int, int] = (16, 32)
    gain_g: tuple[float, float] = (1.0, 1.0)
    gain_d: tuple[float, float] = (1.0, 1.0)
    input_scale: tuple[float, float] = (1.0, 1.0)
    train_size: int = 1024
    test_size: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (lowest, highest) in INSTANCE_LIMITS.items():
            low, high = getattr(self, name)
            fits = lowest <= low <= high <= highest
            require(fits, f"instances.{name}", [low, high], f"{lowest:g} <= low <= high <= {highest:g}")
        for name, lowest in (("train_size", 1), ("test_size", 1), ("seed", 0)):
            require(getattr(self, name) >= lowest, f"instances.{name}", getattr(self, name), f"at least {lowest}")


@dataclass(frozen=True)
class EnvConfig:
    """Options of `gan_env.GANVectorEnv` and `gan_env.GANEnv`. The defaults are the points preset.

    Attributes:
        datasets: data sets that instances draw from, keys of `POINT_SETS` (gan_env/data/points.py) or `IMAGE_SETS`
            (gan_env/data/bank.py); samples of one shape.
        data_root: folder of the image sets' files, and of their cache.
        image_size: side that images are resized to, even.
        architecture: "mlp", "dcgan", "resnet" or "r3gan"; "auto" is mlp for points and dcgan for images.
        losses: adversarial losses that instances draw from: "non_saturating", "hinge", "wasserstein", "least_squares",
            "relativistic".
        latent_dim: length of z.
        depth: hidden layers of the mlp.
        ema_decay: decay per update of the averaged generator, which the metric judges.
        num_decisions: decisions of an episode.
        updates_per_decision: GAN updates between two decisions.
        metric_samples: samples of a row that the metric sees; each half of the held-out data has to have as many.
        action_mode: "delta" (move a knob) or "absolute" (set it).
        max_change: largest move of a knob at a decision, as a share of its range (delta mode).
        max_first_change: the same for the first decision, before anything is trained; null: `max_change`. With 1, a
            policy chooses where the knobs start.
        knobs: the controlled knobs; the others keep their initial values.
        initial_knobs: initial values that differ from the knob table's.
        observation: groups of statistics that are observed.
        reward: weight of each reward term.
        crash_penalty: the return of a crashed run is at most minus this. A run whose log metric rises by as much has
            crashed.
        instances: ranges of the instances.
        split: "train" or "test" instances.
        device: "auto" (a GPU where there is one), or a torch device.
        compile: whether to compile the update program, which takes up to 20 s the first time (resnet and
            r3gan: minutes) and is kept on disk; without, training starts at once and is slower.
    """

    datasets: tuple[str, ...] = ("ring", "grid", "spiral", "moons", "pinwheel")
    data_root: str = "data"
    image_size: int = 28
    architecture: str = "auto"
    losses: tuple[str, ...] = ("non_saturating",)
    latent_dim: int = 4
    depth: int = 2
    ema_decay: float = 0.98
    num_decisions: int = 12
    updates_per_decision: int = 50
    metric_samples: int = 512
    action_mode: Literal["delta", "absolute"] = "delta"
    max_change: float = 0.2
    max_first_change: float | None = None
    knobs: tuple[str, ...] = ("instance_noise", "augment", "r1")
    initial_knobs: dict[str, float] = field(default_factory=dict)
    observation: tuple[str, ...] = ("progress", "knobs", "logits", "losses", "gradients", "quality", "context")
    reward: dict[str, float] = field(default_factory=lambda: {"log_improvement": 1.0})
    crash_penalty: float = 4.0
    instances: InstanceConfig = field(default_factory=InstanceConfig)
    split: Literal["train", "test"] = "train"
    device: str = "auto"
    compile: bool = True

    def __post_init__(self) -> None:
        unique = len(set(self.datasets)) == len(self.datasets) > 0
        require(unique, "datasets", self.datasets, "at least one name, none twice")
        require(len(set(self.knobs)) == len(self.knobs) > 0, "knobs", self.knobs, "at least one name, none twice")
        sides = "an even number, at least 8"
        require(self.image_size >= 8 and self.image_size % 2 == 0, "image_size", self.image_size, sides)
        whole = dict.fromkeys(("latent_dim", "depth", "num_decisions", "updates_per_decision"), 1)
        for name, lowest in (whole | {"metric_samples": FEWEST_SAMPLES}).items():
            require(getattr(self, name) >= lowest, name, getattr(self, name), f"at least {lowest}")
        require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "0 <= ema_decay < 1")
        for name, largest in (("max_change", self.max_change), ("max_first_change", self.first_change)):
            require(0 < largest <= 1, name, largest, f"0 < {name} <= 1")
        require(not Path(self.data_root).is_file(), "data_root", self.data_root, "a folder, not a file")
        penalties = f"more than 0, at most {LARGEST_PENALTY:g}"
        require(0 < self.crash_penalty <= LARGEST_PENALTY, "crash_penalty", self.crash_penalty, penalties)
        sizes = [abs(weight) for weight in self.reward.values()]
        fits = any(sizes) and all(size <= LARGEST_WEIGHT for size in sizes)
        weights = f"a weight for at least one term that is not 0, from {-LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}"
        require(fits, "reward", self.reward, weights)

    @property
    def first_change(self) -> float:
        """`max_first_change`, or `max_change` where it is None."""
        return self.max_change if self.max_first_change is None else self.max_first_change


def image_preset(dataset: str, num_samples: int, image_size: int, width: int, **more: Any) -> EnvConfig:
    """Options for an image set: few, long intervals, and instances without the rates at which nothing is learnt."""
    rates = (1e-3, 5e-3)
    ranges = InstanceConfig(
        (300, num_samples), rates, rates, beta_1=(0.5, 0.5), batch_size=(32, 32), width_g=(width,) * 2, width_d=(width,) * 2
    )
    budget: dict[str, Any] = {"num_decisions": 8, "updates_per_decision": 100}
    return EnvConfig((dataset,), image_size=image_size, latent_dim=32, instances=ranges, **budget, **more)


PRESETS: dict[str, EnvConfig] = {
    "points": EnvConfig(),
    "fashion_mnist": image_preset("fashion_mnist", 60_000, image_size=28, width=16),
    "mnist": image_preset("mnist", 60_000, image_size=28, width=16),
    "cifar10": image_preset("cifar10", 50_000, image_size=32, width=32),
    "photo_tiles": image_preset("photo_tiles", 12_400, image_size=32, width=32),
    "celeba": image_preset("celeba", 162_770, image_size=64, width=32),
    # Three hundred images a category are held out, half of which make the score.
    "lsun": image_preset("lsun_church_outdoor", 126_227, image_size=64, width=32, metric_samples=128),
}
"""Named configurations; `gan_env.ENV_IDS` has the id of each."""


def env_config(preset: str = "points", **overrides: Any) -> EnvConfig:
    """A preset with some options changed; nested options as mappings.

    Raises:
        ConfigError: unknown preset or key, wrong type, or value out of range.
    """
    require(preset in list(PRESETS), "preset", preset, f"one of {sorted(PRESETS)}")
    return replace(PRESETS[preset], overrides)


def require_training(env: Mapping[str, Any]) -> None:
    """Refuses test instances in the options of an environment in which something is learned or chosen."""
    split = env.get("split", "train")
    require(split == "train", "env.split", split, "train: what is learned or chosen is tested on other instances")


def replace(base: T, overrides: Mapping[str, Any], prefix: str = "") -> T:
    """A copy of the dataclass `base` in which `overrides` (a nested mapping) are checked and applied.

    Raises:
        ConfigError: unknown key, wrong type, or value out of range; the message names key, value and what is allowed.
    """
    hints = typing.get_type_hints(type(base))
    changes: dict[str, Any] = {}
    for key, value in overrides.items():
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"expected one of {sorted(hints)}"
            raise ConfigError(f"{prefix}{key}={value!r}: there is no option {prefix}{key}; {hint}")
        current = getattr(base, key)
        if dataclasses.is_dataclass(current) and isinstance(value, Mapping):
            changes[key] = replace(current, value, f"{prefix}{key}.")
        else:
            changes[key] = _convert(value, hints[key], prefix + key)
    return dataclasses.replace(base, **changes)  # type: ignore[type-var]


def to_dict(config: Any) -> dict[str, Any]:
    """A dataclass as nested dicts and lists, as JSON has it; `replace` reads it back."""
    return dict(json.loads(json.dumps(dataclasses.asdict(config))))


def find_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is a GPU where there is one, else the CPU.

    Raises:
        ConfigError: the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ConfigError(
            f"device={name!r} can't be used ({error}): expected auto, cpu or a device that is there"
        ) from error
    return device


def _convert(value: Any, hint: Any, key: str) -> Any:
    """Checks a value against a type hint; whole numbers pass as floats, lists as tuples, NumPy's as Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        require(value in arguments, key, value, f"one of {list(arguments)}")
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(value, next(a for a in arguments if a is not type(None)), key)
    if origin is tuple and isinstance(value, list | tuple):
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        require(len(value) == len(kinds), key, value, f"{len(kinds)} values, got {len(value)}")
        return tuple(_convert(v, kind, f"{key}[{i}]") for i, (v, kind) in enumerate(zip(value, kinds, strict=True)))
    if origin is dict and isinstance(value, Mapping):
        return {k: _convert(v, arguments[1], f"{key}.{k}") for k, v in value.items()}
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        require(math.isfinite(value), key, value, "a finite number")
        return float(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return replace(hint(), value, f"{key}.")
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    wanted = getattr(hint, "__name__", None) if origin is None else str(hint)
    raise ConfigError(f"{key}={value!r} has type {type(value).__name__}: expected {wanted}")
