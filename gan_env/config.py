"""Every option of the environment, in frozen dataclasses that are loaded strictly, and the choice of the device."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from gan_env.errors import ConfigError, require, require_at_least
from gan_env.instance_lists import HYPERPARAMETERS, checked_instances
from gan_env.strict import replace

CONFIGS = next(path for path in (folder / "configs" for folder in Path(__file__).resolve().parents) if path.is_dir())
"""The YAML files: inside the package where it is installed from a wheel, else those of the checkout."""
FEWEST_SAMPLES = 16
"""The metric sees at least as many samples of a row."""
LARGEST_LATENT = 21_201
"""`torch.quasirandom.SobolEngine`, which draws latents, has no more dimensions."""
LARGEST_PENALTY, LARGEST_WEIGHT = 20.0, 1e6
"""Limits of the crash penalty and of a reward term's weight, so that rewards are finite: e^20 is 500 million."""
SPLITS = ("train", "test")
"""The two sets of instances; the place in this tuple is part of what a set's random numbers come from."""
RUN_OPTIONS = ("data_root", "device", "compile", "extensions")
"""Options of the environment that change where and how a run is made, not what comes out."""
ACTS = ("knobs", "knob_bounds", "action_mode", "max_change", "max_first_change")
"""Options of the environment that say what actions mean."""


def load_extensions(modules: Sequence[str], key: str = "extensions") -> None:
    """Imports modules that register what users wrote, so that it is found by name in every process.

    Args:
        modules: their names.
        key: the option that names them.

    Raises:
        ConfigError: one is no module's name, or not there.
    """
    expected = "the name of a module, such as my_package.my_module; not a file, so without .py"
    require(not isinstance(modules, str), key, modules, f"a list of names: [{modules}]")
    for name in modules:
        *_, last = parts = str(name).split(".")
        require(all(part.isidentifier() for part in parts) and last != "py", key, name, expected)
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there, and lacks one that it needs
            raise ConfigError(
                f"{key}={name!r} can't be imported: there is no module {error.name!r}. Install it, or name its "
                "folder in the environment variable PYTHONPATH"
            ) from error


@dataclass(frozen=True)
class InstanceConfig:
    """Ranges that training and test instances are drawn from, uniformly in the logarithm (`beta_1`: uniformly).

    A user's own sets replace them; ranges and sizes are then those of the own instances (`env_config` sets them).

    Attributes:
        num_samples: number of training samples; a number above the data set's size means all of it.
        lr_g: learning rate of the generator.
        lr_d: learning rate of the discriminator.
        beta_1: momentum of both players' Adam; 0, 0.5 and 0.9 are customary.
        batch_size: samples per batch. The upper end sets the size of the batch tensor.
        width_g: hidden units (points) or channels (images) of the generator. The upper end sets its tensors' size.
        width_d: the same of the discriminator.
        gain_g: factor on the generator's initial weights, which have the scale of He et al. 2015 (arXiv:1502.01852).
            torch's default for linear layers is a factor of about 0.4.
        gain_d: the same of the discriminator's.
        input_scale: factor on what the discriminator sees, real or fake: how data are normalised. Noise is added before
            scaling, in units of data; gradient penalties are slopes by the scaled input.
        train_size: number of training instances.
        test_size: number of test instances.
        seed: seed of the two sets.
        train: the training instances themselves, mappings of all fields; empty: they are drawn. `env_config` also takes
            a list of `gan_env.Instance`s; a function of a NumPy generator that draws one, which is called `train_size`
            times; or a file that `gan_env.save_instances` wrote. The option `instances=...`, given any of these, is
            short for `instances={"train": ...}`.
        test: the same for test instances. Where one of the two is a user's own, the other is never drawn.
    """

    num_samples: tuple[int, int] = (30, 65_536)
    lr_g: tuple[float, float] = (3e-5, 3e-2)
    lr_d: tuple[float, float] = (3e-5, 3e-2)
    beta_1: tuple[float, float] = (0.0, 0.9)
    batch_size: tuple[int, int] = (16, 32)
    width_g: tuple[int, int] = (8, 32)
    width_d: tuple[int, int] = (8, 32)
    gain_g: tuple[float, float] = (0.35, 1.5)
    gain_d: tuple[float, float] = (0.35, 1.5)
    input_scale: tuple[float, float] = (0.3, 3.0)
    train_size: int = 1024
    test_size: int = 256
    seed: int = 0
    train: tuple[dict[str, Any], ...] = ()
    test: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for name, number in HYPERPARAMETERS.items():
            low, high = getattr(self, name)
            fits = number.low <= low <= high <= number.high
            require(fits, f"instances.{name}", [low, high], f"{number.low:g} <= low <= high <= {number.high:g}")
        for name, lowest in (("train_size", 1), ("test_size", 1), ("seed", 0)):
            require(getattr(self, name) >= lowest, f"instances.{name}", getattr(self, name), f"at least {lowest}")


@dataclass(frozen=True)
class EnvConfig:
    """Options of `gan_env.GANVectorEnv` and `gan_env.GANEnv`. The defaults are the points preset.

    Attributes:
        datasets: data sets that instances draw from, keys of `POINT_SETS` (gan_env/data/points.py) or `IMAGE_SETS`
            (gan_env/data/bank.py), or registered ones; samples of one shape.
        data_root: folder of the image sets' files, and of their cache.
        image_size: side that images are resized to, even.
        architecture: "mlp", "dcgan", "dcgan_bn" (with batch normalisation), "resnet" or "r3gan"; "auto" is mlp for
            points and dcgan for images.
        losses: adversarial losses that instances draw from, keys of `LOSSES` (gan_env/gan/losses.py):
            "non_saturating", "hinge", "wasserstein", "least_squares" and "relativistic".
        latent_dim: length of z.
        depth: hidden layers of the mlp.
        ema_decay: decay per update of the averaged generator, which the metric judges.
        penalty_every: gradient penalties (`r1`, `r2`, `gp`, and the slope that is observed) apply in every n-th update
            only, with n times the weight: lazy regularisation (Karras et al. 2020, arXiv:1912.04958,
            appendix B; without their change of Adam's constants). It divides `updates_per_decision`.
        num_decisions: decisions of an episode.
        updates_per_decision: GAN updates between two decisions.
        metric: "auto" is the sliced Wasserstein distance for points and a Frechet distance for images; else a key of
            `METRICS` (gan_env/metrics/judge.py), which `gan_env.register_metric` fills.
        metric_samples: samples of a row that the metric sees; each half of the held-out data has to have as many.
        action_mode: "delta" (move a knob), "absolute" (set it), or "steps": as delta, but from the second decision on
            the actions of `lr_g` and `lr_d` say how large the player's steps, |update| / |weights|, shall be: 3e-4 to
            0.1 on a log scale. The learning rate closes half of the distance at each decision, by `max_change` at most.
            Steps mean the same in all networks, learning rates do not. "balanced" and "limited": as delta, but those
            two actions say what the learning rate shall be in units of what the rule `steady_walk` or `limited_walk`
            wants (gan_env/mdp/steps.py): a third to three times that, by `max_change` a decision at most.
        max_change: largest move of a knob at a decision, as a share of its range (all modes but absolute).
        max_first_change: the same for the first decision, before anything is trained: with 1, a policy chooses where
            the knobs start.
        knobs: the controlled knobs; the others keep their initial values.
        initial_knobs: initial values that differ from the knob table's.
        knob_bounds: lowest and highest values that differ from the knob table's, as `{"lr_g": (1e-3, 1e3)}`.
        rates: what the learning rates are that the knobs `lr_g` and `lr_d` are factors on: "given", those of the
            instance; or "steady_walk" or "limited_walk", those that the rule of that name wants, set anew at each
            decision, whatever the instance's are (docs/step_size.md).
        warmup_updates: updates at a run's start over which both learning rates rise linearly to what they are set to.
            The statistics of rates leave it out.
        observation: groups of statistics that are observed. By default all but "balance", "walk", "balanced",
            "limited", "response" and "changes" (ratios and shares), "size" (of the networks, and of the run in updates)
            and "context" (the hyperparameters that a run was started with): what suits a run has to be found out from
            how it trains.
        reward: weight of each reward term.
        crash_penalty: the return of a crashed run is at most minus this. A run whose log metric rises by as much has
            crashed.
        instances: ranges of the instances, or the instances themselves; see `InstanceConfig`.
        split: "train" or "test" instances.
        device: "auto" (a GPU where there is one), or a torch device.
        compile: whether to compile the update program, which takes up to 20 s the first time (resnet and
            r3gan: minutes) and is kept on disk; without, training starts at once and is slower.
        extensions: names of modules that are imported first, which register what users wrote (docs/extend.md); never
            files, so that a configuration from elsewhere runs nothing but what is installed.
    """

    datasets: tuple[str, ...] = ("ring", "grid", "spiral", "moons", "pinwheel")
    data_root: str = "data"
    image_size: int = 28
    architecture: str = "auto"
    losses: tuple[str, ...] = ("non_saturating", "hinge", "least_squares")
    latent_dim: int = 4
    depth: int = 2
    ema_decay: float = 0.98
    penalty_every: int = 1
    num_decisions: int = 12
    updates_per_decision: int = 50
    metric: str = "auto"
    metric_samples: int = 512
    action_mode: Literal["delta", "absolute", "steps", "balanced", "limited"] = "delta"
    max_change: float = 0.2
    max_first_change: float = 1.0
    knobs: tuple[str, ...] = ("instance_noise", "augment", "r1", "lr_g", "lr_d")
    initial_knobs: dict[str, float] = field(default_factory=dict)
    knob_bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    rates: Literal["given", "steady_walk", "limited_walk"] = "given"
    warmup_updates: int = 0
    observation: tuple[str, ...] = (
        "progress", "knobs", "logits", "validation", "losses", "gradients", "slope", "steps", "quality",
    )  # fmt: skip
    reward: dict[str, float] = field(default_factory=lambda: {"log_improvement": 1.0})
    crash_penalty: float = 4.0
    instances: InstanceConfig = field(default_factory=InstanceConfig)
    split: Literal["train", "test"] = "train"
    device: str = "auto"
    compile: bool = True
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        load_extensions(self.extensions)
        for name in ("datasets", "losses", "knobs"):
            names = getattr(self, name)
            require(len(set(names)) == len(names) > 0, name, names, "at least one name, none twice")
        sides = "an even number, at least 8"
        require(self.image_size >= 8 and self.image_size % 2 == 0, "image_size", self.image_size, sides)
        whole = dict.fromkeys(("latent_dim", "depth", "num_decisions", "updates_per_decision", "penalty_every"), 1)
        require_at_least(self, **whole, metric_samples=FEWEST_SAMPLES, warmup_updates=0)
        require(self.latent_dim <= LARGEST_LATENT, "latent_dim", self.latent_dim, f"at most {LARGEST_LATENT}")
        require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "0 <= ema_decay < 1")
        divides, interval = self.updates_per_decision % self.penalty_every == 0, self.updates_per_decision
        require(divides, "penalty_every", self.penalty_every, f"a divisor of updates_per_decision={interval}")
        for name in ("max_change", "max_first_change"):
            require(0 < getattr(self, name) <= 1, name, getattr(self, name), f"0 < {name} <= 1")
        mode = self.action_mode  # named as the group of what it acts on
        sees = mode in ("delta", "absolute", *self.observation)
        require(sees, "observation", self.observation, f"the group {mode!r} too, which action_mode={mode!r} acts on")
        fits = self.rates == "given" or mode in ("delta", "absolute")
        require(fits, "action_mode", mode, f"'delta' or 'absolute': with rates={self.rates!r} knobs are factors")
        require(not Path(self.data_root).is_file(), "data_root", self.data_root, "a folder, not a file")
        penalties = f"more than 0, at most {LARGEST_PENALTY:g}"
        require(0 < self.crash_penalty <= LARGEST_PENALTY, "crash_penalty", self.crash_penalty, penalties)
        sizes = [abs(weight) for weight in self.reward.values()]
        fits = any(sizes) and all(size <= LARGEST_WEIGHT for size in sizes)
        weights = f"a weight for at least one term that is not 0, from {-LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}"
        require(fits, "reward", self.reward, weights)

    @property
    def updates(self) -> int:
        """GAN updates of a whole run."""
        return self.num_decisions * self.updates_per_decision


def image_preset(dataset: str, num_samples: int, image_size: int, width: int, **more: Any) -> EnvConfig:
    """Options for an image set: one way to start and to normalise, and at 8x8 short runs with networks of one width."""
    small, rates, one = image_size == 8, (2e-4, 2e-2), (1.0, 1.0)
    samples, widths = (100 if small else 300, num_samples), (width if small else width // 2, width)
    ranges = InstanceConfig(
        samples, rates, rates, (0.5, 0.5), (32, 32), widths, widths, gain_g=one, gain_d=one, input_scale=one
    )
    usual = {"architecture": "mlp"} if small else {"num_decisions": 8, "updates_per_decision": 100}
    options: dict[str, Any] = {"losses": ("non_saturating",), "latent_dim": 32, **usual, **more}
    return EnvConfig((dataset,), image_size=image_size, instances=ranges, **options)


def few_images() -> EnvConfig:
    """Options for runs in which D can overfit, so that its regularisers matter; a rule sets the learning rates."""
    base = image_preset("fashion_mnist", 3_000, image_size=16, width=16, num_decisions=12, updates_per_decision=167)
    rate, gain = (1e-3, 1e-3), (0.7, 1.4)  # any rates: the rule replaces them
    few = dataclasses.replace(
        base.instances, num_samples=(30, 3_000), lr_g=rate, lr_d=rate, width_g=(8, 8), width_d=(16, 16),
        gain_g=gain, gain_d=gain,
    )  # fmt: skip
    knobs, sees = ("instance_noise", "augment", "r1"), (*base.observation, "context")  # the number of images
    return dataclasses.replace(base, knobs=knobs, observation=sees, rates="steady_walk", instances=few)


PRESETS: dict[str, EnvConfig] = {
    "points": EnvConfig(),
    # 599 digits are held out, half of which make the score.
    "digits": image_preset("digits", 1_198, image_size=8, width=64, metric_samples=256),
    "fashion_mnist_8": image_preset("fashion_mnist", 60_000, image_size=8, width=64),
    "fashion_mnist_8_dcgan": image_preset("fashion_mnist", 60_000, image_size=8, width=16, architecture="dcgan"),
    "few_images": few_images(),
    "mnist_8": image_preset("mnist", 60_000, image_size=8, width=64),
    "photo_tiles_8": image_preset("photo_tiles_grey", 12_400, image_size=8, width=64),
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
    """A preset with some options changed; nested options as mappings, and instances as `InstanceConfig.train` says.

    Raises:
        ConfigError: unknown preset or key, wrong type, or value out of range.
    """
    require(preset in list(PRESETS), "preset", preset, f"one of {sorted(PRESETS)}")
    base = PRESETS[preset]
    if "instances" in overrides:
        overrides["instances"] = _with_own_instances(base.instances, overrides["instances"])
    return replace(base, overrides, beside=("num_envs", "autoreset_mode", "render_mode"))


def _with_own_instances(base: InstanceConfig, given: Any) -> InstanceConfig:
    """The option `instances`: ranges that differ from those of `base`, or a user's own sets and what they span."""
    if isinstance(given, InstanceConfig):
        given = vars(given)
    if not isinstance(given, Mapping):
        some = not isinstance(given, np.ndarray) and bool(given)
        require(some, "instances", given, "at least one instance, or a mapping of options")
        given = {"train": given}
    ranges = replace(base, {name: value for name, value in given.items() if name not in SPLITS}, "instances.")
    sets = {}
    for number, (split, count) in enumerate(zip(SPLITS, (ranges.train_size, ranges.test_size), strict=True)):
        if given.get(split):
            rng = np.random.default_rng([ranges.seed, number])
            sets[split] = checked_instances(given[split], count, rng, f"instances.{split}")
    columns = {name: [one[name] for own in sets.values() for one in own] for name in HYPERPARAMETERS}
    spans = {name: (min(column), max(column)) for name, column in columns.items() if column}
    sizes = {f"{split}_size": len(own) for split, own in sets.items()}
    return dataclasses.replace(ranges, **sets, **spans, **sizes)  # type: ignore[arg-type]


def require_training(env: Mapping[str, Any]) -> None:
    """Refuses test instances in the options of an environment in which something is learned or chosen."""
    split = env.get("split", "train")
    require(split == "train", "env.split", split, "train: what is learned or chosen is tested on other instances")


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
