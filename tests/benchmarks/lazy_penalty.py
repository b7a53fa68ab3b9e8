"""A loop in which the first steps break some generators: `python tests/benchmarks/lazy_penalty.py --seeds 10`.

As StyleGAN2's, in small: no normalisation, R1 in every sixteenth step of the discriminator, two of which belong to one
of the generator, and an average of the generator's weights, which is judged. It draws circles, squares and rings. For
each policy it prints how runs end, as log Frechet distances, and how many are broken: their images are nearly all the
same. The table is in docs/step_size.md.
"""

import argparse
import copy
import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gan_env.controller import GANController
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance

SIDE, LATENT, BATCH, UPDATES, EVERY = 16, 32, 32, 400, 16
ALIKE = 0.05
"""Standard deviation of a pixel between images below which all are the same."""
POLICIES = ("fixed", "steady_walk", "timed_walk", "learned/family", "limited_walk")


def shapes(count: int = 4000) -> Tensor:
    """Images [count, 1, 16, 16] in [-1, 1] of a circle, a square or a ring each."""
    draws = torch.Generator().manual_seed(0)
    kind = torch.randint(3, (count, 1, 1), generator=draws)
    x, y = torch.rand(2, count, 1, 1, generator=draws) * 6 + 5
    size = torch.rand(count, 1, 1, generator=draws) * 2 + 2
    along, down = (torch.arange(SIDE).view(shape) for shape in ((1, 1, SIDE), (1, SIDE, 1)))
    circle = torch.hypot(along - x, down - y) - size
    square = torch.maximum((along - x).abs(), (down - y).abs()) - size
    inside = torch.where(kind == 0, circle, torch.where(kind == 1, square, circle.abs() - 1))
    return torch.tanh(-inside)[:, None]


def networks() -> tuple[nn.Module, nn.Module]:
    """Latents [B, 32] -> images [B, 1, 16, 16]; images -> logits [B, 1]."""
    generator = nn.Sequential(
        nn.Linear(LATENT, 512), nn.Unflatten(1, (32, 4, 4)), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2d(32, 16, 3, 1, 1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 32, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(512, 1),
    )  # fmt: skip
    return generator, discriminator


def train(images: Tensor, policy: str, seed: int, beta_1: float, warmup: int) -> nn.Module:
    """Returns the generator with the average of its weights."""
    torch.manual_seed(seed)
    generator, discriminator = networks()
    average = copy.deepcopy(generator)
    opt_g = torch.optim.Adam(generator.parameters(), 1e-4, (beta_1, 0.99))
    opt_d = torch.optim.Adam(discriminator.parameters(), 4e-4, (beta_1, 0.99))
    warmup_steps = 0 if policy == "fixed" else warmup  # which leaves the learning rates alone
    control = GANController.load(policy, opt_g, opt_d, total_steps=UPDATES, warmup_steps=warmup_steps)
    for step in range(2 * UPDATES):
        real = images[torch.randint(len(images), (BATCH,))].requires_grad_()
        fake = generator(torch.randn(BATCH, LATENT)).detach()
        logits_real, logits_fake = discriminator(real), discriminator(fake)
        loss_d = softplus(-logits_real).mean() + softplus(logits_fake).mean()
        if step % EVERY == 0:
            (slope,) = torch.autograd.grad(logits_real.sum(), real, create_graph=True)
            loss_d = loss_d + EVERY / 2 * slope.square().sum((1, 2, 3)).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        control.observe(real=logits_real, fake=logits_fake)
        if step % 2:
            loss_g = softplus(-discriminator(generator(torch.randn(BATCH, LATENT)))).mean()
            opt_g.zero_grad()
            loss_g.backward()
            opt_g.step()
            control.step()
            with torch.no_grad():
                for mean, weight in zip(average.parameters(), generator.parameters(), strict=True):
                    mean.lerp_(weight, 0.01)
    return average


def main() -> None:
    """Prints one line for each policy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--policies", nargs="+", default=POLICIES)
    parser.add_argument("--warmup", type=int, default=0, help="updates over which both rates rise")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    images = shapes()
    extract = ClassifierFeatures(torch.device("cpu"), (1, SIDE, SIDE))
    distance = FrechetDistance([extract(images[2000:])])
    latents = torch.randn(2000, LATENT, generator=torch.Generator().manual_seed(0))

    for policy in options.policies:
        ends = []
        for seed in range(options.seeds):
            for beta_1 in (0.0, 0.5):
                generator = train(images[:2000], policy, seed, beta_1, options.warmup)
                with torch.no_grad():
                    made = generator(latents)
                final = distance(extract(made)[None], torch.zeros(1, dtype=torch.int64)).log()
                ends.append((float(final), float(made.std(dim=0).mean()) < ALIKE))
        finals, broken = np.array(ends).T
        median, worst = np.median(finals), finals.max()
        print(
            f"{policy:15} median {median:.2f}, worst {worst:.2f}; broken {int(broken.sum())} of {len(ends)}", flush=True
        )


if __name__ == "__main__":
    main()
