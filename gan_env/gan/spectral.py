"""Spectral normalisation as a knob between none and full (Miyato et al. 2018, arXiv:1802.05957).

Each weight, as a matrix of outputs by everything else, is divided by `sigma ** strength`, where sigma is its largest
singular value: at strength 1 that matrix has a gain of at most one (a convolution's own gain may be larger, as in the
paper), at strength 0 nothing changes. Sigma comes from one step of power iteration a call, from left singular vectors
that the caller keeps between calls.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gan_env.gan.layers import Network
from gan_env.seeding import normal, power


def initial_vectors(network: Network, key: Tensor) -> Tensor:
    """Random left vectors to start from: int64 [N] -> [N, V], one number for each output of each layer."""
    return normal(key, sum(network.outputs))


def normalise(network: Network, parameters: Tensor, vectors: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """Divides each weight by its largest singular value to the power `strength` [N]; biases and norms stay as they are.

    As in the paper the gradient runs through sigma = u^T W v, but not through the vectors u and v. A weight of zeros
    stays zero.

    Returns:
        The parameters to use, [N, P], and the left vectors for the next call, [N, V]: of length one for each layer
        whose weight isn't zero. The first call takes those of `initial_vectors`.
    """
    parts: list[Tensor] = []
    kept: list[Tensor] = []
    lefts = vectors.detach().split(network.outputs, dim=1)
    for layer, (weight, bias), left in zip(network.layers, network.split(parameters), lefts, strict=True):
        if layer.kind == "norm":
            parts += [weight.flatten(1), bias]
            kept.append(left)
            continue
        matrix = layer.matrix(weight)  # [N, O, M]
        fixed = matrix.detach()
        right = normalize((fixed.mT @ left[..., None])[..., 0], dim=1)  # [N, M]
        image = (fixed @ right[..., None])[..., 0]
        left = torch.where(image.any(dim=1, keepdim=True), normalize(image, dim=1), left)
        sigma = (left * (matrix @ right[..., None])[..., 0]).sum(dim=1)  # [N]
        divisor = power(torch.where(sigma > 0, sigma, 1), strength)
        parts += [weight.flatten(1) / divisor[:, None], bias]
        kept.append(left)
    return torch.cat(parts, dim=1), torch.cat(kept, dim=1)
