"""A GAN of points under accelerate that a policy of gan_env controls: `python examples/loops/points_accelerate.py`.

The controller takes the prepared optimisers, and `register_for_checkpointing` puts it into accelerate's checkpoints.
With several processes all decide alike. It needs `pip install "gan_env[loops]"`.
"""

import sys
from tempfile import TemporaryDirectory

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn.functional import softplus

from gan_env.controller import GANController

UPDATES, LATENT = 300, 4


def main(policy):
    """Trains, and shows what the policy did."""
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    generator = nn.Sequential(nn.Linear(LATENT, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
    discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    opt_g, opt_d = (torch.optim.Adam(net.parameters(), 1e-3, (0.5, 0.99)) for net in (generator, discriminator))
    generator, discriminator, opt_g, opt_d = accelerator.prepare(generator, discriminator, opt_g, opt_d)
    control = GANController.load(policy, opt_g, opt_d, total_steps=UPDATES)  # after `prepare`
    accelerator.register_for_checkpointing(control)

    for _ in range(UPDATES):
        angle = 2 * torch.pi * torch.randint(8, (32,)) / 8
        real = control.augment(torch.stack([angle.cos(), angle.sin()], dim=1))
        fake = control.augment(generator(torch.randn(32, LATENT)))
        logits_real, logits_fake = discriminator(real), discriminator(fake.detach())
        loss_d = softplus(-logits_real).mean() + softplus(logits_fake).mean()
        opt_d.zero_grad()
        accelerator.backward(loss_d)
        opt_d.step()

        loss_g = softplus(-discriminator(fake)).mean()
        opt_g.zero_grad()
        accelerator.backward(loss_g)
        opt_g.step()
        control.observe(real=logits_real, fake=logits_fake, loss_d=loss_d, loss_g=loss_g)
        control.step()

    with TemporaryDirectory() as folder:
        accelerator.save_state(folder)
        accelerator.load_state(folder)
    if accelerator.is_main_process:
        print(control.report())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ada")
