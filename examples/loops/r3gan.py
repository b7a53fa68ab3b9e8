"""R3GAN's loss, controlled: `python examples/loops/r3gan.py`.

Huang et al. 2025 (arXiv:2501.05441): a relativistic loss of pairs of a real and a generated image, R1 on real and R2 on
generated ones, no normalisation. The networks are small plain ones in place of the paper's. `--controller r3gan` plays
the paper's schedule of rates, gamma and augmentation.
"""

import torch
from common import command_line
from torch import nn
from torch.nn.functional import softplus

from gan_env.controller import GANController

LATENT, WIDTH, BATCH, LR, GAMMA, SCHEDULE = 64, 64, 64, 2e-4, 1.0, "r3gan"


def networks(channels, side, width=WIDTH):
    """Latents [B, 64, 1, 1] -> images [B, C, H, W]; images -> logits, [B]."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, 2 * width, side // 4, 1, 0), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(width, channels, 4, 2, 1),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, side // 4, 1, 0), nn.Flatten(0),
    )  # fmt: skip
    return generator, discriminator


def zero_centred(logits, inputs):
    """E||grad D(x)||^2."""
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()


def train(images, lr, updates, controller, width=WIDTH, batch=BATCH, optimiser=torch.optim.Adam, watch=None):
    """Trains on images [P, C, H, W] in [-1, 1]; returns the generator and the controller.

    `watch(generator)` is called after each update, where it is given.
    """
    device = images.device
    generator, discriminator = (net.to(device) for net in networks(images.shape[1], images.shape[2], width))
    opt_g = optimiser(generator.parameters(), lr, betas=(0.0, 0.99))
    opt_d = optimiser(discriminator.parameters(), lr, betas=(0.0, 0.99))
    context = {"loss": "relativistic"}
    control = GANController.load(controller, opt_g, opt_d, total_steps=updates, context=context)  # 1

    for _ in range(updates):
        real = images[torch.randint(len(images), (batch,), device=device)]
        fake = generator(torch.randn(batch, LATENT, 1, 1, device=device))
        real, fake = control.augment(real), control.augment(fake)  # 2, where it shall move augmentation and noise too
        inputs_real, inputs_fake = (x.detach().requires_grad_() for x in (real, fake))
        logits_real, logits_fake = discriminator(inputs_real), discriminator(inputs_fake)
        loss_d = softplus(logits_fake - logits_real).mean()
        r1, r2 = zero_centred(logits_real, inputs_real), zero_centred(logits_fake, inputs_fake)
        gamma_1, gamma_2 = control.get("r1", GAMMA), control.get("r2", GAMMA)  # 3, where it shall move these too
        opt_d.zero_grad()
        (loss_d + gamma_1 / 2 * r1 + gamma_2 / 2 * r2).backward()
        opt_d.step()

        loss_g = softplus(discriminator(real.detach()) - discriminator(fake)).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()

        control.observe(real=logits_real, fake=logits_fake, loss_d=loss_d, loss_g=loss_g, penalty=r1)  # 4
        control.step()  # 5
        if watch:
            watch(generator)

    return generator, control


if __name__ == "__main__":
    command_line(train, lr=LR, updates=100)
