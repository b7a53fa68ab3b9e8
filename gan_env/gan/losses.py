"""Adversarial losses and gradient penalties: pure functions of logits.

Every mean over a batch is a weighted sum, since rows have batch sizes of their own (weights are 1/size or 0).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


def batch_weights(batch_size: Tensor, width: int) -> Tensor:
    """Weights of a mean over the first `batch_size` of `width` samples: [N] -> [N, width]."""
    used = torch.arange(width, device=batch_size.device) < batch_size[:, None]
    return used.float() / batch_size[:, None].float()


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over the batch: [N, B] -> [N]."""
    return (values * weights).sum(dim=1)


@dataclass(frozen=True)
class AdversarialLoss:
    """What the two players minimise: functions of the logits of real and of fake samples, [N, B] each -> [N, B]."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    middle: float | None = None  # the logit between those of what is taken for real and for fake, if there is one
    margin: float = math.inf  # so far beyond it D's loss has a tenth of its steepest slope; inf: no one logit decides
    paired: bool = False  # whether the generator's uses the logits of real samples


LOSSES = {
    # Goodfellow et al. 2014, arXiv:1406.2661: -log D(real) - log(1 - D(fake)) for D, -log D(fake) for G.
    "non_saturating": AdversarialLoss(
        lambda real, fake: softplus(-real) + softplus(fake),
        lambda real, fake: softplus(-fake),
        middle=0.0,
        margin=math.log(9),
    ),
    # Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957.
    "hinge": AdversarialLoss(
        lambda real, fake: relu(1 - real) + relu(1 + fake), lambda real, fake: -fake, middle=0.0, margin=1.0
    ),
    # Arjovsky et al. 2017, arXiv:1701.07875; D must be kept Lipschitz, by the knob `gp` or by `spectral`.
    "wasserstein": AdversarialLoss(lambda real, fake: fake - real, lambda real, fake: -fake),
    # Mao et al. 2017, arXiv:1611.04076, equation 9: targets 1 for real, 0 for fake, 1 for the generator.
    "least_squares": AdversarialLoss(
        lambda real, fake: ((real - 1).square() + fake.square()) / 2,
        lambda real, fake: (fake - 1).square() / 2,
        middle=0.5,
    ),
    # Of pairs, sample i of the real batch with sample i of the fake one (Jolicoeur-Martineau 2018, arXiv:1807.00734;
    # Huang et al. 2025, arXiv:2501.05441, with R1 and R2).
    "relativistic": AdversarialLoss(
        lambda real, fake: softplus(fake - real), lambda real, fake: softplus(real - fake), paired=True
    ),
}


def gradient_penalty(logits: Tensor, inputs: Tensor, weights: Tensor) -> Tensor:
    """E||grad_x D(x)||^2 (Mescheder et al. 2018, arXiv:1801.04406), without the factor gamma/2: [N].

    Of real samples it is R1, of fake ones R2. The logits [N, B] come from the inputs [N, B, *shape]. Rows and samples
    do not mix in the discriminator, so one gradient of the sum holds each sample's own. Differentiable a second time.

    In an update the inputs are what the discriminator sees, after noise and augmentation; StyleGAN2-ADA and R3GAN take
    the gradient by the images before augmentation. For noise, flips and turns that is the same; colours, holes, shifts
    and scaling change it.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return mean(gradient.flatten(2).square().sum(dim=2), weights)


def interpolation_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor, weights: Tensor
) -> Tensor:
    """E(||grad D(x)|| - 1)^2 between samples (Gulrajani et al. 2017, arXiv:1704.00028), without lambda: [N].

    In an update both are what the discriminator sees, after noise and augmentation; the paper has neither. Where the
    gradient vanishes the norm has no derivative; zero is taken for it.

    Args:
        critic: inputs [N, B, *shape] -> logits [N, B]; rows and samples do not mix.
        real: real samples, [N, B, *shape].
        fake: fake samples, [N, B, *shape].
        mix: share of the real sample, uniform in [0, 1), [N, B].
        weights: of a mean over the batch, [N, B].
    """
    inputs = torch.lerp(fake, real, mix.view(*mix.shape, *[1] * (real.dim() - 2))).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(inputs).sum(), inputs, create_graph=True)
    square = gradient.flatten(2).square().sum(dim=2)  # [N, B]
    norm = torch.where(square > 0, square, 1).sqrt() * (square > 0)
    return mean((norm - 1).square(), weights)
