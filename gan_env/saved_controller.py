"""A learned controller as two files that are safe to download, and the network that they hold.

FOLDER/
    controller.json: version, SHA-256 of both files' content, layers, interface, what it was trained in and how
    weights.safetensors: weights, and mean and standard deviation of the observations

Nothing is unpickled, and reading needs torch, NumPy and safetensors alone: no environment, no data, no library that
trained it. `gan_env.policies.learned` plays it in an environment.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from gan_env.errors import ConfigError, require
from gan_env.files import write_atomically, write_json

VERSION = 1
DESCRIPTION, WEIGHTS = "controller.json", "weights.safetensors"
LAYERS: dict[str, type[nn.Module]] = {
    "linear": nn.Linear, "lstm": nn.LSTMCell, "tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid,
}  # fmt: skip
"""Kinds of layers; the first two have numbers of inputs and outputs."""
KINDS: dict[type, str] = {module: kind for kind, module in LAYERS.items()} | {nn.LSTM: "lstm"}
"""Modules that a network can be made of, and their kinds."""
SIZES = {"linear": ("in_features", "out_features"), "lstm": ("input_size", "hidden_size")}
"""What such modules call their numbers of inputs and outputs, by kind."""

Layer = tuple[str, *tuple[int, ...]]
"""A kind and its sizes: ("linear", inputs, outputs), or ("tanh",)."""
Output = Literal["action", "coordinates"]
Tensors = tuple[Tensor, ...]

VARIES = 0.05
"""A statistic with a smaller standard deviation counts as constant and is only centred."""


class Network(nn.Module):
    """Normalised observations through one layer after the other.

    Args:
        layers: what they are.
        inputs: F, length of an observation.
        clip: largest absolute value of a normalised observation; None: any.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Sequence[Layer], inputs: int, clip: float | None = None) -> None:
        super().__init__()
        self.description, self.clip = list(layers), clip
        self.layers = nn.ModuleList(LAYERS[kind](*sizes) for kind, *sizes in layers)
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("std", torch.ones(inputs))

    @classmethod
    def of(cls, network: object, mean: Tensor, std: Tensor, clip: float | None = None) -> Self:
        """The network of modules of torch, with a copy of their weights.

        Args:
            network: a module of `KINDS`; or a `torch.nn.Sequential`, `torch.nn.ModuleList` or list of such, which act
                one after the other. An `LSTM` has one layer.
            mean: what is subtracted from observations, [F].
            std: what they are divided by then, [F].
            clip: largest absolute value of a normalised observation; None: any.

        Raises:
            ConfigError: a module is of another kind, or has other weights than its kind.
        """
        modules = [_known(module, place) for place, module in enumerate(_modules(network))]
        layers = [_layer(module) for module in modules]
        made = cls(layers, len(mean), clip)
        made.mean, made.std = mean, std
        for place, (own, module) in enumerate(zip(made.layers, modules, strict=True)):
            weights = {name: torch.zeros_like(tensor) for name, tensor in own.state_dict().items()}  # of no bias: 0
            given = {name.removesuffix("_l0"): tensor for name, tensor in module.state_dict().items()}
            more, fewer = sorted(given.keys() - weights.keys()), f"none but {', '.join(weights)}"
            require(not more, f"layer {place} of the network: its weights", more, fewer)
            own.load_state_dict(weights | given)
        return made

    def blank(self, rows: int) -> Tensors:
        """The memory at the start of an episode: hidden state and cell [rows, H] of each LSTM."""
        cells = [layer for layer in self.layers if isinstance(layer, nn.LSTMCell)]
        return tuple(torch.zeros(rows, cell.hidden_size) for cell in cells for _ in range(2))

    def normalised(self, observation: Tensor) -> Tensor:
        """Observations [N, F], centred, scaled and clipped, in the precision of mean and standard deviation."""
        x = (observation.to(self.mean.dtype) - self.mean) / self.std
        return (x if self.clip is None else x.clamp(-self.clip, self.clip)).float()

    def normalise_by(self, observations: Tensor) -> None:
        """Centres and scales observations from now on by the mean and standard deviation of these, [M, F]."""
        std = observations.std(dim=0, correction=0)
        self.mean.copy_(observations.mean(dim=0))
        self.std.copy_(torch.where(std < VARIES, 1, std))

    def run(self, x: Tensor, memory: Tensors, upto: int | None = None) -> tuple[Tensor, Tensors]:
        """The layers before number `upto`: [N, F] -> [N, H], and the next memory."""
        after: Tensors = ()
        for layer in list(self.layers)[:upto]:
            if isinstance(layer, nn.LSTMCell):
                x, cell = layer(x, memory[len(after) : len(after) + 2])
                after += (x, cell)
            else:
                x = layer(x)
        return x, after

    def forward(self, observation: Tensor, memory: Tensors) -> tuple[Tensor, Tensors]:
        """Observations [N, F] and the memory -> the output [N, K] and the next memory."""
        return self.run(self.normalised(observation), memory)


def _modules(network: object) -> Iterator[object]:
    """What acts, in order, of a network of `Network.of`."""
    if type(network) in (nn.Sequential, nn.ModuleList, list, tuple):  # subclasses may act in another way
        assert isinstance(network, Iterable)
        for part in network:
            yield from _modules(part)
    else:
        yield network


def _known(module: object, place: int) -> nn.Module:
    """The module, which is of `KINDS`.

    Raises:
        ConfigError: it isn't; subclasses may act in another way.
    """
    known = f"one of {', '.join(kind.__name__ for kind in KINDS)}"
    require(type(module) in KINDS, f"layer {place} of the network", type(module).__name__, known)
    assert isinstance(module, nn.Module)
    return module


def _layer(module: nn.Module) -> Layer:
    kind = KINDS[type(module)]
    return (kind, *(int(getattr(module, size)) for size in SIZES.get(kind, ())))


def require_follow(layers: Sequence[Layer], inputs: int, knobs: Sequence[str]) -> None:
    """Refuses layers that don't lead from observations [N, F] to outputs [N, K].

    Args:
        layers: what they are.
        inputs: F.
        knobs: names of the K knobs.

    Raises:
        ConfigError: the first layer doesn't take F inputs, another one not the outputs of those before it, or the last
            one doesn't give K outputs.
    """
    width, each = inputs, "statistic that is observed"
    for place, (kind, *sizes) in enumerate(layers):
        if sizes:
            taken, given = sizes
            expected = f"{width} inputs, one for each {each}"
            require(taken == width, f"layer {place} of the network", (kind, *sizes), expected)
            width, each = given, f"output of layer {place}"
    require(width == len(knobs), "outputs of the network", width, f"{len(knobs)}, one for each knob of {list(knobs)}")


def forget(memory: Tensors, start: Tensor) -> Tensors:
    """The memory with zeros in the rows where an episode starts, bool [N]."""
    return tuple(torch.where(start.view(-1, *[1] * (part.dim() - 1)), 0, part) for part in memory)


@dataclass(frozen=True)
class Knob:
    """A knob that the controller moves; fields as those of `gan_env.DynamicParameter`."""

    name: str
    initial_value: float
    bounds: tuple[float, float]
    scale: str
    floor: float
    neutral: float


@dataclass(frozen=True)
class Interface:
    """What the controller sees and does.

    Attributes:
        observation: names of the statistics, in the order of the network's inputs.
        knobs: what it moves, in the order of the network's outputs.
        output: "action" (as the environment takes it, clipped to [-1, 1]), or "coordinates" in [0, 1] to move towards.
        action_mode, max_change, max_first_change: how actions move the knobs; see `EnvConfig`.
        decisions: in an episode of its training.
    """

    observation: tuple[str, ...]
    knobs: tuple[Knob, ...]
    output: Output
    action_mode: str
    max_change: float
    max_first_change: float
    decisions: int


@dataclass(frozen=True)
class Adaptation:
    """How a controller adapts its last linear layer to a run, at each decision; see `agents.meta.controller`.

    Attributes:
        steps, rate: gradient steps, and their size.
        window: GAN updates that are unrolled for a gradient.
        samples: generated and held-out samples that it compares.
    """

    steps: int
    rate: float
    window: int
    samples: int


@dataclass(frozen=True)
class SavedController:
    """Everything that a controller's folder holds.

    Attributes:
        network: what acts.
        interface: what it sees and does.
        env: preset and all fields of the `EnvConfig` that it was trained in: data sets, ranges of instances, horizon.
            Those of the first member where it was trained on a family.
        training: `script`, `agent` (hyperparameters) and `seed`.
        adaptation: None where nothing but the memory changes within a run.
        members: the same as `env` of each member of that family, by name; empty: it was trained in `env` alone.
    """

    network: Network
    interface: Interface
    env: dict[str, Any]
    training: dict[str, Any]
    adaptation: Adaptation | None = None
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def trained_in(self) -> list[dict[str, Any]]:
        """The options of all environments that it was trained in."""
        return list(self.members.values()) or [self.env]

    @property
    def starting_rates(self) -> dict[str, float]:
        """Of the knobs `lr_g` and `lr_d` those with which all runs of its training began at one learning rate.

        Such a knob is a learning rate to the controller: it counts from there, whatever a loop begins with.
        """
        found = {}
        for name in (knob.name for knob in self.interface.knobs if knob.name.startswith("lr_")):
            rates: set[float] = set()
            for instances in (env.get("instances", {}) for env in self.trained_in):
                own = instances.get("train", ())  # a list of one's own has its own rates
                rates |= {instance[name] for instance in own} if own else set(instances.get(name, (0.0, 1.0)))
            if len(rates) == 1:
                found[name] = rates.pop()
        return found

    def save(self, folder: str | Path) -> None:
        """Writes both files, the description last.

        Raises:
            ConfigError: its parts don't fit each other, so that `load` would refuse them; nothing is written.
        """
        folder = Path(folder)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        weights = save(tensors)
        description: dict[str, Any] = {
            "version": VERSION,
            "network": {"layers": self.network.description, "clip": self.network.clip},
            "interface": asdict(self.interface),
            "adaptation": self.adaptation and asdict(self.adaptation),
            "env": self.env,
            "members": self.members,
            "training": self.training,
        }
        self._of(description, tensors, "the controller")
        sealed = {"sha256": _digest(description, weights), **description}
        write_atomically(folder / WEIGHTS, lambda part: part.write_bytes(weights))
        write_json(folder / DESCRIPTION, sealed)

    @classmethod
    def load(cls, folder: str | Path) -> "SavedController":
        """Reads what `save` wrote.

        Raises:
            ConfigError: there is none, it is damaged, or it is of another version.
        """
        folder = Path(folder)
        try:
            description = json.loads((folder / DESCRIPTION).read_text())
            weights = (folder / WEIGHTS).read_bytes()
            said, version = description.pop("sha256"), description["version"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            expected = f"expected {DESCRIPTION} and {WEIGHTS} of a trained controller"
            raise ConfigError(f"{folder} can't be read as a controller ({error!r}): {expected}") from error
        if version != VERSION:
            mend = "use the version of gan_env that wrote it, or train again"
            raise ConfigError(f"the controller in {folder} is of version {version!r}, not {VERSION}: {mend}")
        if _digest(description, weights) != said:
            mend = "get it again, or train again"
            raise ConfigError(f"the controller in {folder} is damaged or was changed (other SHA-256): {mend}")
        return cls._of(description, weights, f"the controller in {folder}")

    @classmethod
    def _of(cls, description: dict[str, Any], weights: bytes | dict[str, Tensor], what: str) -> "SavedController":
        """The controller that a description and its weights make.

        Raises:
            ConfigError: they don't fit each other; the message begins with `what`.
        """
        try:
            return cls._from(description, load(weights) if isinstance(weights, bytes) else weights)
        except (LookupError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise ConfigError(f"{what} has parts that don't fit each other: {why}") from error

    @classmethod
    def _from(cls, description: dict[str, Any], tensors: dict[str, Tensor]) -> "SavedController":
        found, adaptation = description["interface"], description["adaptation"]
        knobs = tuple(Knob(**{**knob, "bounds": tuple(knob["bounds"])}) for knob in found["knobs"])
        interface = Interface(**{**found, "knobs": knobs, "observation": tuple(found["observation"])})
        layers = [(kind, *sizes) for kind, *sizes in description["network"]["layers"]]
        require_follow(layers, len(interface.observation), [knob.name for knob in knobs])
        with torch.device("meta"):  # sizes that the weights don't have take no memory
            network = Network(layers, len(interface.observation), description["network"]["clip"])
        network.load_state_dict(tensors, assign=True)
        with torch.no_grad():  # weights of a precision in which it can't act are noticed here
            network(torch.zeros(1, len(interface.observation)), network.blank(1))
        adapts = None if adaptation is None else Adaptation(**adaptation)
        members = description.get("members", {})  # none in the files of earlier versions
        return cls(network, interface, description["env"], description["training"], adapts, members)


def _digest(description: dict[str, Any], weights: bytes) -> str:
    """SHA-256 of the description, whatever its layout, and the weights."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode() + weights).hexdigest()
