"""Trains a classifier whose features judge images, and writes its weights.

    python baselines/fit_features.py {small|fashion_mnist|photo_tiles} [DATA_ROOT] [--out FILE]

It prints the test accuracy on each of its sets after each epoch, and takes up to three minutes on two cores.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_env.config import find_device
from gan_env.data.labelled import LABELLED_SETS, LabelledImages, resize_images
from gan_env.errors import errors_in_one_line
from gan_env.files import require_writable, write_atomically
from gan_env.metrics.features import KINDS, Classifier, weights_of
from gan_env.records import decode

BATCH, RATE = 128, 3e-3
FEWEST = 12_000
"""A smaller set than this is repeated, so that classes of a larger one don't outweigh its own."""


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained."""

    epochs: int
    mirrored: bool = True  # whether half of the images are; digits can't be
    jitter: float = 0.0
    """Spread of random contrast and colour. Without it the network memorises tiles by their mean colour; then real
    training tiles are as far from held-out ones as blurred tiles are."""


RECIPES = {
    "small": Recipe(epochs=12, mirrored=False, jitter=0.1),
    "fashion_mnist": Recipe(epochs=12),
    "photo_tiles": Recipe(epochs=6, jitter=0.2),
}
"""By name of the classifier, as `KINDS`."""


def fit(name: str, sets: list[LabelledImages], device: torch.device) -> Classifier:
    """A classifier of the training images; prints its accuracy on the test images of each set after each epoch."""
    torch.manual_seed(0)
    kind, recipe = KINDS[name], RECIPES[name]
    train, train_labels, test, test_labels = (part.to(device) for part in joined(sets, kind.side))
    network = Classifier(kind).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    batches, epochs = len(train) // BATCH, recipe.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
    for epoch in range(epochs):
        for pick in torch.randperm(len(train), device=device)[: batches * BATCH].view(batches, BATCH):
            loss = cross_entropy(network(varied(train[pick], recipe)), train_labels[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            right = torch.cat([network(part) for part in test.split(1000)]).argmax(dim=1) == test_labels
        parts = right.float().split([len(data.test_images) for data in sets])
        shares = ", ".join(f"{part.mean().item():.2%}" for part in parts)
        print(f"epoch {epoch + 1}/{epochs}: test accuracy {shares}", flush=True)
    return network


def joined(sets: list[LabelledImages], side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training images [P, C, side, side] and labels [P] of all sets, then test ones; each set has labels of its own."""
    parts: list[list[Tensor]] = [[], [], [], []]
    classes = 0
    for data in sets:
        times = max(1, round(FEWEST / len(data.train_images))) if len(sets) > 1 else 1
        train, test = (
            decode(resize_images(torch.tensor(images), side)) for images in (data.train_images, data.test_images)
        )
        labels, test_labels = (torch.tensor(x).long() + classes for x in (data.train_labels, data.test_labels))
        found = [train.repeat(times, 1, 1, 1), labels.repeat(times), test, test_labels]
        parts = [[*before, part] for before, part in zip(parts, found, strict=True)]
        classes += int(data.train_labels.max()) + 1
    train, labels, test, test_labels = (torch.cat(part) for part in parts)
    return train, labels, test, test_labels


def varied(batch: Tensor, recipe: Recipe) -> Tensor:
    """Images [B, C, H, W], half of them mirrored, with random contrast and colour, as the recipe says."""
    shape, device, jitter = (len(batch), 1, 1, 1), batch.device, recipe.jitter
    if recipe.mirrored:
        batch = torch.where(torch.rand(shape, device=device) < 0.5, batch.flip(-1), batch)
    if not jitter:
        return batch
    contrast = 1 + jitter * torch.randn(shape, device=device)
    return contrast * batch + jitter * torch.randn(len(batch), batch.shape[1], 1, 1, device=device)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", choices=sorted(KINDS), help="which one is trained")
    parser.add_argument("data_root", nargs="?", default="data", help="folder of the data sets; default: data")
    parser.add_argument("--out", type=Path, help="file of the weights; default: that of the package, which it replaces")
    arguments = parser.parse_args()
    name, path = arguments.classifier, arguments.out or weights_of(arguments.classifier)
    require_writable(path.parent, "folder of --out")
    sets = [LABELLED_SETS[dataset](arguments.data_root) for dataset in KINDS[name].datasets]
    network = fit(name, sets, find_device("auto"))
    weights = {key: tensor.cpu().contiguous() for key, tensor in network.state_dict().items()}
    write_atomically(path, partial(save_file, weights))
    print(f"wrote {path} ({path.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    with errors_in_one_line():
        main()
