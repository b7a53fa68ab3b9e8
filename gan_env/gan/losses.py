"""Adversarial losses and regularisers: pure functions of logits, `[N, B] -> [N]`.

Every mean is a weighted sum over the batch, since rows have batch sizes of their own (weights are 1/size or 0).
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus


def batch_weights(batch_size: Tensor, width: int) -> Tensor:
    """Weights of a mean over the first `batch_size` of `width` samples: [N] -> [N, width]."""
    used = torch.arange(width, device=batch_size.device) < batch_size[:, None]
    return used.float() / batch_size[:, None].float()


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over the batch: [N, B] -> [N]."""
    return (values * weights).sum(dim=1)


def discriminator_loss(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """-log D(real) - log(1 - D(fake)) of logits (Goodfellow et al. 2014, arXiv:1406.2661): [N, B] -> [N]."""
    return mean(softplus(-real) + softplus(fake), weights)


def generator_loss(fake: Tensor, weights: Tensor) -> Tensor:
    """The non-saturating loss -log D(fake) of logits (Goodfellow et al. 2014): [N, B] -> [N]."""
    return mean(softplus(-fake), weights)


def gradient_penalty(logits: Tensor, inputs: Tensor, weights: Tensor) -> Tensor:
    """E||grad_x D(x)||^2 (Mescheder et al. 2018, arXiv:1801.04406), without the factor gamma/2.

    Rows and samples do not mix in the discriminator, so one gradient of the sum holds each sample's own.

    Args:
        logits: [N, B], computed from `inputs` with gradients enabled.
        inputs: [N, B, *shape], requiring gradients.
        weights: [N, B].

    Returns:
        [N], differentiable a second time.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return mean(gradient.flatten(2).square().sum(dim=2), weights)
