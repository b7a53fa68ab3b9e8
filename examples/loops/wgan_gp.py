"""WGAN-GP, controlled: `python examples/loops/wgan_gp.py`.

Gulrajani et al. 2017 (arXiv:1704.00028): a critic without BatchNorm takes five steps for each of the generator's; the
norm of its gradient between real and generated images is held at 1. All critic steps are shown to the controller,
which counts updates of the generator.
"""

import torch
from common import command_line
from torch import nn

from gan_env.controller import GANController

LATENT, WIDTH, BATCH, LR, CRITIC_STEPS, LAMBDA = 128, 64, 64, 1e-4, 5, 10.0


def networks(channels, side, width=WIDTH):
    """Latents [B, 128, 1, 1] -> images [B, C, H, W] in [-1, 1]; images -> values, [B]."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(LATENT, 2 * width, side // 4, 1, 0, bias=False), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, side // 4, 1, 0), nn.Flatten(0),
    )  # fmt: skip
    return generator, critic


def gradient_penalty(critic, real, fake):
    """E(||grad D(x)|| - 1)^2 at random points between pairs of images."""
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def train(images, lr, updates, controller, width=WIDTH, batch=BATCH, optimiser=torch.optim.Adam, watch=None):
    """Trains on images [P, C, H, W] in [-1, 1]; returns the generator and the controller.

    `watch(generator)` is called after each update, where it is given.
    """
    device = images.device
    generator, critic = (net.to(device) for net in networks(images.shape[1], images.shape[2], width))
    opt_g = optimiser(generator.parameters(), lr, betas=(0.0, 0.9))
    opt_d = optimiser(critic.parameters(), lr, betas=(0.0, 0.9))
    context = {"loss": "wasserstein"}
    control = GANController.load(controller, opt_g, opt_d, total_steps=updates, context=context)  # 1

    for _ in range(updates):
        for _ in range(CRITIC_STEPS):
            real = images[torch.randint(len(images), (batch,), device=device)]
            fake = generator(torch.randn(batch, LATENT, 1, 1, device=device)).detach()
            values_real, values_fake = critic(real), critic(fake)
            loss_d = values_fake.mean() - values_real.mean()
            penalty = gradient_penalty(critic, real, fake)
            opt_d.zero_grad()
            (loss_d + control.get("gp", LAMBDA) * penalty).backward()  # 2, where it shall move the penalty too
            opt_d.step()
            control.observe(real=values_real, fake=values_fake, loss_d=loss_d)  # 3

        loss_g = -critic(generator(torch.randn(batch, LATENT, 1, 1, device=device))).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        control.observe(loss_g=loss_g)  # 4
        control.step()  # 5
        if watch:
            watch(generator)

    return generator, control


if __name__ == "__main__":
    command_line(train, lr=LR, updates=60)
