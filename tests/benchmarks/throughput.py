"""GAN updates a second: our environment beside what a user would write instead, in one process.

    python tests/benchmarks/throughput.py [--rows 96] [--rounds 5] [--device cpu|cuda|auto] [--json FILE]

Compared, in turn and round after round (medians are reported, since a shared machine is noisy):
  environment   `GANVectorEnv.step`: updates, samples, metric, observation, reward, everything
  core          the same N GANs without metric and observation
  plain loop    one GAN in eager PyTorch: nn.Module, torch.optim.Adam, the same networks, losses and batch
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan_env import GANVectorEnv
from gan_env.gan.networks import Network
from gan_env.gan.population import BETA_2

PROBLEMS: dict[str, dict[str, Any]] = {
    "points": {"preset": "points"},
    "16x16, 16 channels": {"preset": "fashion_mnist", "image_size": 16},
    "28x28, 16 channels": {"preset": "fashion_mnist", "image_size": 28},
}


class Plain(nn.Module):
    """One of our networks as ordinary modules."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.image, self.bounded = network.image, network.bounded
        make = {
            "linear": lambda i, o: nn.Linear(i, o),
            "down": lambda i, o: nn.Conv2d(i, o, 4, 2, 1),
            "up": lambda i, o: nn.ConvTranspose2d(i, o, 4, 2, 1),
        }
        self.layers = nn.ModuleList(make[layer.kind](layer.inputs, layer.outputs) for layer in network.layers)

    def forward(self, x: Tensor) -> Tensor:
        """As `Network.__call__`, for one row."""
        for index, layer in enumerate(self.layers):
            x = layer(x.flatten(1) if isinstance(layer, nn.Linear) else x)
            if index == 0 and self.image is not None:
                x = x.view(-1, self.image[0], self.image[1], self.image[1])
            if index < len(self.layers) - 1:
                x = nn.functional.leaky_relu(x, 0.2)
        return torch.tanh(x) if self.bounded else x


def plain_loop(env: GANVectorEnv) -> Callable[[int], None]:
    """A user's own training loop for one GAN; returns what runs so many updates."""
    population, device = env.population, env.device
    config = population.config
    g, d = Plain(population.generator).to(device), Plain(population.discriminator).to(device)
    optimizer_g = torch.optim.Adam(g.parameters(), 1e-3, (0.5, BETA_2))
    optimizer_d = torch.optim.Adam(d.parameters(), 1e-3, (0.5, BETA_2))
    data = env.bank.datasets[0].train
    data = data.float() / 127.5 - 1 if data.dtype == torch.uint8 else data
    softplus = nn.functional.softplus

    def update() -> None:
        real = data[torch.randint(len(data), (config.batch_size,), device=device)]
        real = (real + 0.1 * torch.randn_like(real)).requires_grad_()
        fake = g(torch.randn(config.batch_size, config.latent_dim, device=device)).view(real.shape)
        fake = fake + 0.1 * torch.randn_like(real)
        logit = d(real)
        (slope,) = torch.autograd.grad(logit.sum(), real, create_graph=True)
        penalty = slope.flatten(1).square().sum(1).mean()
        loss_d = softplus(-logit).mean() + softplus(d(fake.detach())).mean() + 0.5 * penalty
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()
        loss_g = softplus(-d(fake)).mean()
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()

    def run(count: int) -> None:
        for _ in range(count):
            update()

    return run


def measure(problem: str, rows: int, rounds: int, seconds: float, device: str) -> dict[str, float]:
    """Median updates a second of each competitor."""
    env = GANVectorEnv(rows, device=device, num_decisions=10_000, **PROBLEMS[problem])
    started = time.perf_counter()
    env.reset(seed=0)
    action = 0 * env.action_space.sample()
    env.step(action)
    first = time.perf_counter() - started
    knobs = env.knobs.values(env._coordinates)
    per_step = rows * env.config.updates_per_decision
    plain = plain_loop(env)
    competitors: dict[str, tuple[Callable[[], object], int]] = {
        "environment": (lambda: env.step(action), per_step),
        "core": (lambda: env.population.update(knobs, env.config.updates_per_decision), per_step),
        "plain loop": (lambda: plain(20), 20),
    }
    rates: dict[str, list[float]] = {name: [] for name in competitors}
    for _ in range(rounds):
        for name, (call, updates) in competitors.items():
            rates[name].append(_rate(call, updates, seconds, env.device))
    result = {name: statistics.median(values) for name, values in rates.items()}
    return result | {
        "environment over plain loop": result["environment"] / result["plain loop"],
        "share of a decision outside updates": 1 - result["environment"] / result["core"],
        "seconds to the first decision": first,
    }


def _rate(call: Callable[[], object], updates: int, seconds: float, device: torch.device) -> float:
    """Updates a second of `call`, which runs so many, over at least `seconds`."""
    call()
    started, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < seconds:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        done += updates
    return done / elapsed


def main() -> None:
    """Prints a table and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=96, help="GANs side by side on points; images take a sixth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="least time of each measurement")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    for problem in PROBLEMS:
        rows = options.rows if problem == "points" else max(1, options.rows // 6)
        try:
            results[problem] = measure(problem, rows, options.rounds, options.seconds, options.device)
        except RuntimeError as error:
            print(f"{problem}: skipped ({error})")
            continue
        print(f"\n{problem}, N = {rows}")
        for name, value in results[problem].items():
            print(f"  {name:<38} {value:10,.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
