"""Feature extractors for images: small classifiers whose weights the package ships.

Distances in these features are *not* Inception FID: `ClassifierFeatures.name` stands beside such numbers.
The weights are made by `python baselines/fit_features.py`, which prints the test accuracy.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gan_env.errors import WeightsError
from gan_env.metrics.reference import fingerprint
from gan_env.records import decode

FEATURES = 64


@dataclass(frozen=True)
class ClassifierKind:
    """What a classifier was trained on, and its size."""

    dataset: str  # name of the data set
    task: str  # what it tells apart, for people
    channels: int  # of the images that it takes
    side: int
    widths: tuple[int, ...]  # channels after each convolution, which halves the side
    classes: int

    @property
    def weights(self) -> Path:
        """The safetensors file that the package ships."""
        return Path(__file__).parent / f"{self.dataset}_classifier.safetensors"


KINDS = {
    1: ClassifierKind("fashion_mnist", "Fashion-MNIST classifier", 1, 28, (16, 48), 10),
    3: ClassifierKind("photo_tiles", "classifier of tiles of photographs", 3, 32, (16, 32, 48), 8),
}
"""Number of an image's channels -> the classifier whose features judge it."""


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
        channels: of the images, a key of `KINDS`.
        weights: safetensors file; None: the one that the package ships.

    Raises:
        WeightsError: the weights are not there.
    """

    def __init__(self, device: torch.device, channels: int = 1, weights: Path | None = None) -> None:
        self.kind = KINDS[channels]
        self.name = f"{self.kind.task}, {FEATURES} features"  # for people
        weights = weights or self.kind.weights
        if not weights.is_file():
            command = f"python baselines/fit_features.py {self.kind.dataset}"
            raise WeightsError(f"{weights} is missing: `{command}` makes {self.kind.weights}")
        self.network = Classifier(self.kind).to(device).eval().requires_grad_(False)
        state = load_file(weights)
        self.network.load_state_dict(state)
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
