"""Feature extractors for images: a small classifier whose weights the package ships.

Distances in these features are *not* Inception FID; `ClassifierFeatures.NAME` goes wherever such a number stands.
The weights are made by `python -m gan_env.fit_features`, which prints the test accuracy.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "fashion_mnist_classifier.safetensors"
SIDE, FEATURES, CLASSES = 28, 64, 10


class Classifier(nn.Module):
    """A convolutional classifier of 28 x 28 greyscale images with 64 features before its last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),  # [B, 16, 14, 14]
            nn.ReLU(),
            nn.Conv2d(16, 48, 5, stride=2, padding=2),  # [B, 48, 7, 7]
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48 * 7 * 7, FEATURES),
        )
        self.head = nn.Linear(FEATURES, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], [B, 1, 28, 28] -> [B, 64]."""
        return torch.relu(self.body(images))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits: [B, 1, 28, 28] -> [B, 10]."""
        return self.head(self.features(images))  # type: ignore[no-any-return]


class ClassifierFeatures:
    """Features of a classifier trained on Fashion-MNIST, for images of any side; colours are averaged.

    Args:
        device: where the images will be.
        weights: safetensors file.

    Raises:
        FileNotFoundError: the weights are not there.
    """

    NAME = "Fashion-MNIST classifier, 64 features"

    def __init__(self, device: torch.device, weights: Path = WEIGHTS) -> None:
        if not weights.is_file():
            raise FileNotFoundError(f"{weights} is missing: make it with `python -m gan_env.fit_features`")
        self.network = Classifier().to(device).eval()
        self.network.load_state_dict(load_file(weights))

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], [..., C, H, W] -> features [..., 64]."""
        flat = images.flatten(0, -4).mean(dim=1, keepdim=True)  # [B, 1, H, W]
        if flat.shape[-1] != SIDE:
            flat = nn.functional.interpolate(flat, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        features = torch.cat([self.network.features(part) for part in flat.split(1024)])
        shaped: Tensor = features.unflatten(0, images.shape[:-3])
        return shaped
