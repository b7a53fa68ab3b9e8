"""Trains a classifier whose features judge images, and writes its weights.

    python baselines/fit_features.py {fashion_mnist|photo_tiles} [DATA_ROOT] [--out FILE]

It prints the test accuracy after each epoch, and takes up to three minutes on two cores.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from gan_env.config import find_device
from gan_env.data.labelled import LABELLED_SETS, LabelledImages
from gan_env.errors import errors_in_one_line
from gan_env.files import require_writable, write_atomically
from gan_env.metrics.features import KINDS, Classifier, ClassifierKind
from gan_env.records import decode

BATCH, RATE = 128, 3e-3
EPOCHS = {"fashion_mnist": 12, "photo_tiles": 6}
JITTER = {"fashion_mnist": 0.0, "photo_tiles": 0.2}
"""Spread of random contrast and colour in training. Without it the network memorises tiles
by their mean colour; then real training tiles are as far from held-out ones as blurred tiles are."""


def fit(kind: ClassifierKind, data: LabelledImages, device: torch.device) -> Classifier:
    """A classifier of the training images; prints its accuracy on the test images after each epoch."""
    torch.manual_seed(0)
    train, test = (decode(torch.tensor(images)).to(device) for images in (data.train_images, data.test_images))
    train_labels, test_labels = (torch.tensor(x).long().to(device) for x in (data.train_labels, data.test_labels))
    network = Classifier(kind).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    batches, epochs, jitter = len(train) // BATCH, EPOCHS[kind.dataset], JITTER[kind.dataset]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
    for epoch in range(epochs):
        for pick in torch.randperm(len(train), device=device)[: batches * BATCH].view(batches, BATCH):
            loss = cross_entropy(network(varied(train[pick], jitter)), train_labels[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            logits = torch.cat([network(part) for part in test.split(1000)])
        accuracy = (logits.argmax(dim=1) == test_labels).float().mean().item()
        print(f"epoch {epoch + 1}/{epochs}: test accuracy {accuracy:.2%}", flush=True)
    return network


def varied(batch: Tensor, jitter: float) -> Tensor:
    """Half of the images mirrored; random contrast and colour with a spread of `jitter`: [B, C, H, W]."""
    shape, device = (len(batch), 1, 1, 1), batch.device
    batch = torch.where(torch.rand(shape, device=device) < 0.5, batch.flip(-1), batch)
    if not jitter:
        return batch
    contrast = 1 + jitter * torch.randn(shape, device=device)
    return contrast * batch + jitter * torch.randn(len(batch), batch.shape[1], 1, 1, device=device)


def main() -> None:
    """Entry point."""
    kinds = {kind.dataset: kind for kind in KINDS.values()}
    parser = argparse.ArgumentParser(description="Trains a classifier whose features judge images.")
    parser.add_argument("dataset", choices=sorted(kinds))
    parser.add_argument("data_root", nargs="?", default="data")
    parser.add_argument("--out", type=Path, help="file of the weights; default: that of the package, which it replaces")
    arguments = parser.parse_args()
    kind = kinds[arguments.dataset]
    require_writable((arguments.out or kind.weights).parent, "folder of --out")
    network = fit(kind, LABELLED_SETS[kind.dataset](arguments.data_root), find_device("auto"))
    weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    path = write_atomically(arguments.out or kind.weights, partial(save_file, weights))
    print(f"wrote {path} ({path.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    with errors_in_one_line():
        main()
