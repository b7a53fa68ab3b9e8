"""A hinge GAN with spectral normalisation, controlled: `python examples/loops/hinge.py`.

Miyato et al. 2018 (arXiv:1802.05957): torch's own `spectral_norm` keeps each layer of the discriminator 1-Lipschitz.
The controller reads gradients and steps of the weights that the optimiser moves, which are those before it.
"""

import torch
from common import command_line
from torch import nn
from torch.nn.functional import relu
from torch.nn.utils.parametrizations import spectral_norm

from gan_env.controller import GANController

LATENT, WIDTH, BATCH, LR = 128, 64, 64, 2e-4


def networks(channels, side, width=WIDTH):
    """Latents [B, 128, 1, 1] -> images [B, C, H, W] in [-1, 1]; images -> logits, [B]."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, 2 * width, side // 4, 1, 0, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        spectral_norm(nn.Conv2d(channels, width, 3, 1, 1)), nn.LeakyReLU(0.1),
        spectral_norm(nn.Conv2d(width, width, 4, 2, 1)), nn.LeakyReLU(0.1),
        spectral_norm(nn.Conv2d(width, 2 * width, 4, 2, 1)), nn.LeakyReLU(0.1),
        nn.Flatten(), spectral_norm(nn.Linear(2 * width * (side // 4) ** 2, 1)), nn.Flatten(0),
    )  # fmt: skip
    return generator, discriminator


def train(images, lr, updates, controller, width=WIDTH, batch=BATCH, optimiser=torch.optim.Adam, watch=None):
    """Trains on images [P, C, H, W] in [-1, 1]; returns the generator and the controller.

    `watch(generator)` is called after each update, where it is given.
    """
    device = images.device
    generator, discriminator = (net.to(device) for net in networks(images.shape[1], images.shape[2], width))
    opt_g = optimiser(generator.parameters(), lr, betas=(0.0, 0.9))
    opt_d = optimiser(discriminator.parameters(), lr, betas=(0.0, 0.9))
    control = GANController.load(controller, opt_g, opt_d, total_steps=updates, context={"loss": "hinge"})  # 1

    for _ in range(updates):
        real = images[torch.randint(len(images), (batch,), device=device)]
        fake = generator(torch.randn(batch, LATENT, 1, 1, device=device))
        real, fake = control.augment(real), control.augment(fake)  # 2, where it shall move augmentation and noise too
        logits_real, logits_fake = discriminator(real), discriminator(fake.detach())
        loss_d = relu(1 - logits_real).mean() + relu(1 + logits_fake).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        loss_g = -discriminator(fake).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()

        control.observe(real=logits_real, fake=logits_fake, loss_d=loss_d, loss_g=loss_g)  # 3
        control.step()  # 4
        if watch:
            watch(generator)

    return generator, control


if __name__ == "__main__":
    command_line(train, lr=LR, updates=150)
