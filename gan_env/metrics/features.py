"""Feature extractors for images: small classifiers whose weights the package ships.

Distances in these features are *not* Inception FID: `ClassifierFeatures.name` stands beside such numbers.
The weights are made by `python baselines/fit_features.py`, which prints the test accuracy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gan_env.errors import WeightsError, require
from gan_env.metrics.cache import fingerprint
from gan_env.records import decode

FEATURES = 64


@dataclass(frozen=True)
class ClassifierKind:
    """What a classifier was trained on, and its size."""

    datasets: tuple[str, ...]  # names of labelled sets, whose classes are all told apart
    task: str  # what it tells apart, for people
    channels: int  # of the images that it takes
    side: int
    widths: tuple[int, ...]  # channels after each convolution, which halves the side
    classes: int


KINDS = {
    "small": ClassifierKind(
        ("fashion_mnist", "digits", "photo_tiles_grey"), "classifier of 8x8 clothes, digits and photographs",
        1, 8, (32,), 28,
    ),
    "fashion_mnist": ClassifierKind(("fashion_mnist",), "Fashion-MNIST classifier", 1, 28, (16, 48), 10),
    "photo_tiles": ClassifierKind(
        ("photo_tiles",), "classifier of tiles of photographs", 3, 32, (16, 32, 48), 8
    ),
}  # fmt: skip
"""Name -> classifier; `classifier_for` chooses the one whose features judge images of a shape."""


def classifier_for(shape: Sequence[int]) -> str:
    """The name of the classifier for images [C, H, W]: the smallest that sees all their pixels, else the largest.

    Raises:
        ConfigError: there is none for so many channels.
    """
    channels, *sides = shape
    fitting = [name for name, kind in KINDS.items() if kind.channels == channels]
    known = f"images with {' or '.join(str(n) for n in sorted({kind.channels for kind in KINDS.values()}))} channels"
    require(bool(fitting), "channels", channels, f"{known}: no classifier sees others")
    return next((name for name in fitting if KINDS[name].side >= max(sides)), fitting[-1])


def weights_of(name: str) -> Path:
    """The safetensors file of a classifier that the package ships."""
    return Path(__file__).parent / f"{name}_classifier.safetensors"


class Classifier(nn.Module):
    """A convolutional classifier with 64 features before its last layer."""

    def __init__(self, kind: ClassifierKind) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((kind.channels, *kind.widths)):
            layers += [nn.Conv2d(inputs, outputs, 5, stride=2, padding=2), nn.ReLU()]  # [B, outputs, H/2, W/2]
        last = kind.side // 2 ** len(kind.widths)
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(kind.widths[-1] * last * last, FEATURES))
        self.head = nn.Linear(FEATURES, kind.classes)

    def features(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], [B, C, H, W] of the kind's shape -> [B, 64]."""
        return torch.relu(self.body(images))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits: [B, C, H, W] -> [B, classes]."""
        return self.head(self.features(images))  # type: ignore[no-any-return]


class ClassifierFeatures:
    """Features of the classifier for grey or for colour images, of any side.

    Args:
        device: where the images will be.
        shape: of the images, (C, H, W), which the classifier is chosen for.
        weights: safetensors file; None: the one that the package ships.

    Raises:
        ConfigError: no classifier sees so many channels.
        WeightsError: the weights are not there, damaged, or those of another classifier.
    """

    def __init__(self, device: torch.device, shape: Sequence[int] = (1, 28, 28), weights: Path | None = None) -> None:
        name = classifier_for(shape)
        self.kind = KINDS[name]
        self.name = f"{self.kind.task}, {FEATURES} features"  # for people
        weights, remedy = weights or weights_of(name), f"`python baselines/fit_features.py {name}` makes"
        if not weights.is_file():
            raise WeightsError(f"{weights} is missing: {remedy} {weights_of(name)}")
        with torch.device("meta"):  # draws no initial weights, and so leaves torch's random numbers alone
            network = Classifier(self.kind)
        try:
            state = load_file(weights)
            network.load_state_dict(state, assign=True)
        except (SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise WeightsError(f"{weights} doesn't hold the {self.kind.task} ({reason}): {remedy} those") from error
        self.network = network.to(device, torch.float32).eval().requires_grad_(False)
        self.fingerprint = fingerprint(*(state[name] for name in self.network.state_dict()))  # from the host's copy

    def __call__(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], [..., C, H, W] -> features [..., 64], differentiable by the images."""
        flat, side = images.flatten(0, -4), self.kind.side  # [B, C, H, W]
        if flat.shape[-1] != side:
            flat = nn.functional.interpolate(flat, size=(side, side), mode="bilinear", antialias=True)
        features = torch.cat([self.network.features(part) for part in flat.split(1024)])
        shaped: Tensor = features.unflatten(0, images.shape[:-3])
        return shaped

    def of_stored(self, images: Tensor) -> Tensor:
        """Features [M, 64] of stored images [M, C, H, W], of which 1,024 at a time are decoded."""
        return torch.cat([self(decode(part)) for part in images.split(1024)])
