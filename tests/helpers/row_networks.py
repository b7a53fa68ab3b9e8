"""Small networks, with rows of weights and inputs for them."""

import torch
from torch import Tensor

from gan_env.gan.layers import Network
from gan_env.gan.networks import ARCHITECTURES, Sizes

ROWS, BATCH = 3, 5
KEYS = torch.arange(ROWS) + 40
FULL = torch.ones(ROWS)
WIDE, NARROW = 16, 8  # units of the full networks, and of the rows that use half of them
IMAGE = (1, 8, 8)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(name: str, width: int = WIDE, shape: tuple[int, ...] = IMAGE, depth: int = 2) -> tuple[Network, Network]:
    return ARCHITECTURES[name](Sizes(latent_dim=4, width=width, depth=depth, sample_shape=shape))


def parameters(network: Network, seed: int = 1) -> Tensor:
    """Random weights and biases: initialised ones have biases of zero."""
    return 0.3 * random(ROWS, network.size, seed=seed)


NETWORKS = {
    "mlp points G": (lambda width: build("mlp", width, (2,))[0], (4,)),
    "mlp points D": (lambda width: build("mlp", width, (2,))[1], (2,)),
}
NETWORKS |= {f"{name} G": (lambda width, name=name: build(name, width)[0], (4,)) for name in ARCHITECTURES}
NETWORKS |= {f"{name} D": (lambda width, name=name: build(name, width)[1], IMAGE) for name in ARCHITECTURES}
