"""A GAN of points in Lightning that a policy of gan_env controls: `python examples/loops/points_lightning.py`.

GANs optimise manually in Lightning. The callback makes the controller and counts batches; the module shows it what
happens. It needs `pip install "gan_env[loops]"`.
"""

import sys

import lightning.pytorch as pl
import torch
from torch import nn
from torch.nn.functional import softplus

from gan_env.controller.lightning import ControllerCallback

LATENT = 4


class GAN(pl.LightningModule):
    """A non-saturating GAN with R1, whose weight is a knob."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(LATENT, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
        self.discriminator = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))

    def configure_optimizers(self):
        """The generator's first."""
        return [torch.optim.Adam(net.parameters(), 1e-3, (0.5, 0.99)) for net in (self.generator, self.discriminator)]

    def training_step(self, batch, index):
        """One update; `self.control` is the callback's."""
        opt_g, opt_d = self.optimizers()
        real = self.control.augment(batch[0]).requires_grad_()
        fake = self.control.augment(self.generator(torch.randn(len(real), LATENT)))
        logits_real, logits_fake = self.discriminator(real), self.discriminator(fake.detach())
        (slope,) = torch.autograd.grad(logits_real.sum(), real, create_graph=True)
        penalty = slope.square().sum(dim=1).mean()
        loss_d = softplus(-logits_real).mean() + softplus(logits_fake).mean()
        opt_d.zero_grad()
        self.manual_backward(loss_d + self.control["r1"] / 2 * penalty)
        opt_d.step()

        loss_g = softplus(-self.discriminator(fake)).mean()
        opt_g.zero_grad()
        self.manual_backward(loss_g)
        opt_g.step()
        self.control.observe(real=logits_real, fake=logits_fake, loss_d=loss_d, loss_g=loss_g, penalty=penalty)


if __name__ == "__main__":
    pl.seed_everything(0)
    angle = 2 * torch.pi * torch.randint(8, (1024,)) / 8
    points = torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(1024, 2)
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(points), batch_size=32, shuffle=True)
    callback = ControllerCallback(sys.argv[1] if len(sys.argv) > 1 else "cosine")
    quiet = {"enable_progress_bar": False, "enable_checkpointing": False, "logger": False}
    pl.Trainer(max_epochs=10, accelerator="cpu", callbacks=[callback], **quiet).fit(GAN(), batches)
    print(callback.control.report())
