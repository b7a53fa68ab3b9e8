"""Whether the Frechet distance that judges training ranks generators as another, larger classifier does.

    python tests/benchmarks/proxy.py [--side 8] [--rows 32] [--decisions 6] [--updates 100] [--epochs 2]

GANs with learning rates over two decades train on Fashion-MNIST. After each decision all of them are judged by the
scored half of the held-out images: in the features of the package's own classifier for that side, of the one for 28x28,
and of a second one with 256 features that is trained here for nothing else, from other random weights and with other
layers. Printed are Spearman's rank correlations with the last, over all generators and over the final ones.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from gan_env import GANVectorEnv
from gan_env.data.labelled import fashion_mnist, resize_images
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.records import decode

CPU = torch.device("cpu")
FEATURES, BATCH, RATE = 256, 128, 2e-3
SAMPLES = 2048


def larger_classifier(side: int, epochs: int) -> Callable[[Tensor], Tensor]:
    """Features [B, 256] of images [B, 1, side, side], by a classifier of clothes that is trained here."""
    torch.manual_seed(1)
    data = fashion_mnist("data")
    train, test = (decode(resize_images(torch.tensor(x), side)) for x in (data.train_images, data.test_images))
    labels, test_labels = (torch.tensor(x).long() for x in (data.train_labels, data.test_labels))
    body = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.GELU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.GELU(),
        nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.BatchNorm2d(128), nn.GELU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, FEATURES), nn.GELU(),
    )  # fmt: skip
    network = nn.Sequential(body, nn.Linear(FEATURES, 10))
    optimizer, count = torch.optim.AdamW(network.parameters(), RATE), len(train) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * count)
    for _ in range(epochs):
        for pick in torch.randperm(len(train))[: count * BATCH].view(count, BATCH):
            loss = nn.functional.cross_entropy(network(train[pick]), labels[pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval().requires_grad_(False)
    right = torch.cat([network(part) for part in test.split(1000)]).argmax(dim=1) == test_labels
    print(f"second classifier, {side}x{side}: test accuracy {right.float().mean():.2%}", flush=True)
    return lambda images: torch.cat([body(part) for part in images.split(1000)])


def main() -> None:
    """Prints the correlations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("side", 8), ("rows", 32), ("decisions", 6), ("updates", 100), ("epochs", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    preset = "fashion_mnist_8" if options.side == 8 else "fashion_mnist"
    sizes = {"num_decisions": options.decisions, "updates_per_decision": options.updates, "device": "cpu"}
    rates = {"lr_g": [2e-4, 2e-2], "lr_d": [2e-4, 2e-2]}
    env = GANVectorEnv(options.rows, preset, **sizes, image_size=options.side, instances=rates)
    env.reset(seed=0)
    second = larger_classifier(options.side, options.epochs)
    shape = (1, options.side, options.side)
    own = {extract.name: extract for extract in (ClassifierFeatures(CPU, s) for s in (shape, (1, 28, 28)))}
    extractors: dict[str, Callable[[Tensor], Tensor]] = {**own, "second": second}
    real = decode(env.bank.datasets[0].scored)
    distances = {name: FrechetDistance([extract(real)]) for name, extract in extractors.items()}
    found: dict[str, list[float]] = {name: [] for name in extractors}
    action = np.zeros(env.action_space.shape, np.float32)  # type: ignore[arg-type]
    for decision in range(options.decisions):
        if decision:
            env.step(action)
        for row in torch.from_numpy(env.samples(SAMPLES)):
            for name, extract in extractors.items():
                found[name].append(float(distances[name](extract(row)[None], torch.tensor([0]))))
    for name in own:
        pairs = np.array([found[name], found["second"]])
        every, final = (spearmanr(*part).statistic for part in (pairs, pairs[:, -options.rows :]))
        print(f"{name}: {every:.3f} over {pairs.shape[1]} generators, {final:.3f} over the last {options.rows}")


if __name__ == "__main__":
    main()
