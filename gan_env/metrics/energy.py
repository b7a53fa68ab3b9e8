"""Energy distance between each row's samples and references: differentiable by the samples, in points or features."""

import torch
from torch import Tensor


def energy_distance(samples: Tensor, references: Tensor) -> Tensor:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely and Rizzo, "Energy statistics", JSPI 2013), all pairs counted.

    Pairs of a sample with itself count too, so it is never negative, and zero only for equal sets. For two sets from
    one distribution it is of the order of 1 / S + 1 / M. [N, S, F] and [N, M, F] -> [N].
    """
    between, within, fixed = (
        torch.cdist(x, y).mean(dim=(1, 2))
        for x, y in ((samples, references), (samples, samples), (references, references))
    )
    return 2 * between - within - fixed
