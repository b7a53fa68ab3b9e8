"""The DCGAN of PyTorch's own examples, controlled: `python examples/loops/dcgan.py`.

Radford et al. 2016 (arXiv:1511.06434): BatchNorm in both networks, and a discriminator that ends in a sigmoid, with
binary cross-entropy. Only the sizes differ, for images of 28x28 or 32x32. Numbered lines and the import are all that
the controller needs. `--controller fixed` is the loop without it; `--controller ada` moves augmentation.
"""

import torch
from common import command_line
from torch import nn

from gan_env.controller import GANController

LATENT, WIDTH, BATCH, LR = 100, 64, 64, 2e-4


def networks(channels, side, width=WIDTH):
    """Latents [B, 100, 1, 1] -> images [B, C, H, W] in [-1, 1]; images -> probabilities of being real, [B]."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, 2 * width, side // 4, 1, 0, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(True),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True),
        nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, side // 4, 1, 0, bias=False), nn.Flatten(0), nn.Sigmoid(),
    )  # fmt: skip
    for net in (generator, discriminator):
        net.apply(initialise)
    return generator, discriminator


def initialise(module):
    """As the paper does."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def train(images, lr, updates, controller, width=WIDTH, batch=BATCH, optimiser=torch.optim.Adam, watch=None):
    """Trains on images [P, C, H, W] in [-1, 1]; returns the generator and the controller.

    `watch(generator)` is called after each update, where it is given.
    """
    device, criterion = images.device, nn.BCELoss()
    generator, discriminator = (net.to(device) for net in networks(images.shape[1], images.shape[2], width))
    opt_g = optimiser(generator.parameters(), lr, betas=(0.5, 0.999))
    opt_d = optimiser(discriminator.parameters(), lr, betas=(0.5, 0.999))
    control = GANController.load(controller, opt_g, opt_d, total_steps=updates)  # 1
    ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)

    for _ in range(updates):
        # Discriminator: log D(x) + log(1 - D(G(z))).
        real = images[torch.randint(len(images), (batch,), device=device)]
        fake = generator(torch.randn(batch, LATENT, 1, 1, device=device))
        real, fake = control.augment(real), control.augment(fake)  # 2, where it shall move augmentation and noise too
        output_real, output_fake = discriminator(real), discriminator(fake.detach())
        loss_d = criterion(output_real, ones) + criterion(output_fake, zeros)
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()

        # Generator: log D(G(z)).
        loss_g = criterion(discriminator(fake), ones)
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()

        logits_real, logits_fake = output_real.logit(1e-6), output_fake.logit(1e-6)  # 3, those before the sigmoid
        # Losses are for policies that observe them.
        control.observe(real=logits_real, fake=logits_fake, loss_d=loss_d, loss_g=loss_g)  # 4
        control.step()  # 5
        if watch:
            watch(generator)

    return generator, control


if __name__ == "__main__":
    command_line(train, lr=LR, updates=200)
