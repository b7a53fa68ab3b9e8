"""What a user would write instead of our batched environment; `throughput.py` measures it beside ours."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import SubprocVecEnv
from torch import Tensor, nn

from gan_env import GANEnv
from gan_env.gan.adam import BETA_2
from gan_env.gan.layers import Network
from gan_env.gan.population import Population
from gan_env.records import decode


class Plain(nn.Module):
    """One of our networks as ordinary modules."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.body = network.body
        make = {
            "linear": lambda i, o: nn.Linear(i, o),
            "down": lambda i, o: nn.Conv2d(i, o, 4, 2, 1),
            "up": lambda i, o: nn.ConvTranspose2d(i, o, 4, 2, 1),
        }
        self.layers = nn.ModuleList(make[layer.kind](layer.inputs, layer.outputs) for layer in network.layers)

    def forward(self, x: Tensor) -> Tensor:
        """As `Network.__call__`, for one row."""
        return self.body([partial(_apply, layer) for layer in self.layers], x[None])[0]


def _apply(layer: nn.Module, x: Tensor) -> Tensor:
    """One of torch's layers as a map of one row: [1, B, ...] -> [1, B, ...]."""
    return layer(x[0].flatten(1) if isinstance(layer, nn.Linear) else x[0])[None]


def plain_loop(population: Population) -> Callable[[int], None]:
    """A user's own eager training loop for one GAN, same networks, losses and batch; returns what runs n updates."""
    device, config = population.device, population.config
    g, d = Plain(population.generator).to(device), Plain(population.discriminator).to(device)
    optimizer_g = torch.optim.Adam(g.parameters(), 1e-3, (0.5, BETA_2))
    optimizer_d = torch.optim.Adam(d.parameters(), 1e-3, (0.5, BETA_2))
    data = decode(population.bank.datasets[0].train)
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


def subprocess_envs(cores: int, options: dict[str, Any]) -> tuple[SubprocVecEnv, Callable[[], object]]:
    """stable-baselines3's `SubprocVecEnv` with one single environment a core, and what steps it once."""

    def make() -> GANEnv:
        torch.set_num_threads(1)
        return GANEnv(**options)

    envs = SubprocVecEnv([make] * cores)
    envs.reset()
    actions = np.zeros((cores, *envs.action_space.shape), np.float32)  # type: ignore[misc]
    return envs, lambda: envs.step(actions)
