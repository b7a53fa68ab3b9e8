"""Frechet distances of real images to held-out ones, on Fashion-MNIST: `python tests/benchmarks/real_distances.py`.

They say what a distance means: of other real images, with noise, moved, blurred. The table is in docs/images.md.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from gan_env.data.bank import IMAGE_SETS
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.records import decode


def main() -> None:
    """Prints one line for each kind of change."""
    dataset = IMAGE_SETS["fashion_mnist"]("data", 28)
    extract = ClassifierFeatures(torch.device("cpu"))
    frechet = FrechetDistance([extract.of_stored(dataset.held_out)])

    def draw(seed: int) -> Tensor:  # [2048, 1, 28, 28] in [-1, 1]
        order = torch.randperm(len(dataset.train), generator=torch.Generator().manual_seed(seed))
        return decode(dataset.train[order[:2048]])

    def distance(images: Tensor) -> float:
        return float(frechet(extract(images)[None], torch.zeros(1, dtype=torch.int64)))

    real = draw(0)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(1))
    kinds = {
        "as they are": real,
        "16 levels": ((real + 1) * 7.5).round() / 7.5 - 1,
        "noise of 0.05": (real + 0.05 * noise).clamp(-1, 1),
        "noise of 0.1": (real + 0.1 * noise).clamp(-1, 1),
        "moved": real.roll(1, dims=3),
        "14x14": interpolate(avg_pool2d(real, 2), scale_factor=2, mode="bilinear"),
        "mean": real.mean(dim=0, keepdim=True).expand_as(real),
    }
    for name, images in kinds.items():
        print(f"{name:14} {distance(images):8.1f}")
    print("ten draws     ", sorted(round(distance(draw(seed)), 1) for seed in range(10)))


if __name__ == "__main__":
    main()
