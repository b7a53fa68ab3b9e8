"""Trains the classifier whose features judge images, and writes the weights that the package ships.

Run: python -m gan_env.fit_features [DATA_ROOT]
It takes some three minutes on two cores and prints the test accuracy.
"""

import sys

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from gan_env.config import find_device
from gan_env.gan.data import decode, fashion_mnist_arrays
from gan_env.metrics.features import WEIGHTS, Classifier

EPOCHS, BATCH, RATE = 12, 128, 3e-3


def main() -> None:
    """Trains, prints the accuracy on the test images and saves the weights."""
    torch.manual_seed(0)
    device = find_device("auto")
    arrays = fashion_mnist_arrays(sys.argv[1] if len(sys.argv) > 1 else "data")
    images = {s: decode(torch.from_numpy(arrays[f"{s}_images"].copy()))[:, None].to(device) for s in ("train", "test")}
    labels = {s: torch.from_numpy(arrays[f"{s}_labels"].copy()).long().to(device) for s in ("train", "test")}
    network = Classifier().to(device)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    batches = len(images["train"]) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * batches)
    for epoch in range(EPOCHS):
        for pick in torch.randperm(len(images["train"]), device=device)[: batches * BATCH].view(batches, BATCH):
            batch = images["train"][pick]
            batch = torch.where(torch.rand(BATCH, 1, 1, 1, device=device) < 0.5, batch.flip(-1), batch)
            loss = cross_entropy(network(batch), labels["train"][pick])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            logits = torch.cat([network(part) for part in images["test"].split(1000)])
        accuracy = (logits.argmax(dim=1) == labels["test"]).float().mean().item()
        print(f"epoch {epoch + 1}/{EPOCHS}: test accuracy {accuracy:.2%}", flush=True)
    save_file({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, WEIGHTS)
    print(f"wrote {WEIGHTS} ({WEIGHTS.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    main()
