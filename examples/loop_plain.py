"""A DCGAN in a plain PyTorch loop that a policy of gan_env controls: `python examples/loop_plain.py`.

The policy is ADA's rule; `python examples/loop_plain.py FOLDER` plays a trained controller. Marked lines are all that
the loop needs for it.
"""

import sys

import torch
from torch import nn
from torch.nn.functional import softplus

from gan_env.controller import GANController

UPDATES, BATCH, LATENT, WIDTH = 300, 32, 32, 16


def rings(count):
    """Grey images of circles of several sizes and places, [count, 1, 16, 16] in [-1, 1]."""
    place = torch.linspace(-1, 1, 16)
    x, y = (0.4 * torch.randn(count, 1, 1) for _ in range(2))
    radius = 0.3 + 0.4 * torch.rand(count, 1, 1)
    distance = ((place - x) ** 2 + (place[:, None] - y) ** 2).sqrt() - radius
    return (2 * torch.exp(-60 * distance**2) - 1)[:, None]


def networks():
    """Generator and discriminator as in PyTorch's DCGAN example, smaller and for side 16."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, 2 * WIDTH, 4, 1, 0), nn.BatchNorm2d(2 * WIDTH), nn.ReLU(),
        nn.ConvTranspose2d(2 * WIDTH, WIDTH, 4, 2, 1), nn.BatchNorm2d(WIDTH), nn.ReLU(),
        nn.ConvTranspose2d(WIDTH, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, WIDTH, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(WIDTH, 2 * WIDTH, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * WIDTH, 1, 4, 1, 0), nn.Flatten(0),
    )  # fmt: skip
    return generator, discriminator


def main(policy):
    """Trains, and shows what the policy did."""
    torch.manual_seed(0)
    data, (generator, discriminator) = rings(512), networks()
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.99)) for net in (generator, discriminator))
    control = GANController.load(policy, opt_g, opt_d, total_steps=UPDATES)  # <- 1

    for _ in range(UPDATES):
        real = control.augment(data[torch.randint(len(data), (BATCH,))])  # only where the policy moves such knobs
        fake = control.augment(generator(torch.randn(BATCH, LATENT, 1, 1)))
        logits_real, logits_fake = discriminator(real), discriminator(fake.detach())
        loss_d = softplus(-logits_real).mean() + softplus(logits_fake).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        loss_g = softplus(-discriminator(fake)).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()

        control.observe(real=logits_real, fake=logits_fake, loss_d=loss_d, loss_g=loss_g)  # <- 2
        control.step()  # <- 3

    print(control.report())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ada")
