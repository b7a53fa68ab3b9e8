"""Training loops as people write them: networks of torch.nn, optimisers of torch.optim."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, softplus

from gan_env.controller import GANController


def networks(data: int = 2, latent: int = 4, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """Small networks of points."""
    torch.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(latent, 16), nn.LeakyReLU(0.2), nn.Linear(16, data))
    return generator, nn.Sequential(nn.Linear(data, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))


@dataclass
class PlainGAN:
    """A non-saturating GAN of points with R1."""

    generator: nn.Module
    discriminator: nn.Module
    opt_g: Any
    opt_d: Any

    @classmethod
    def make(cls, rate: float = 1e-3, seed: int = 0, **options: Any) -> "PlainGAN":
        nets = networks(seed=seed)
        return cls(*nets, *(torch.optim.Adam(net.parameters(), rate, (0.5, 0.99), **options) for net in nets))

    @property
    def rates(self) -> list[float]:
        """Learning rates of the generator and of the discriminator now."""
        return [self.opt_g.param_groups[0]["lr"], self.opt_d.param_groups[0]["lr"]]

    def split_discriminator(self, *rates: float) -> None:
        """Gives each of its layers with weights a parameter group, with a learning rate of its own."""
        layers = [layer for layer in self.discriminator.children() if isinstance(layer, nn.Linear)]
        groups = [{"params": layer.parameters(), "lr": rate} for layer, rate in zip(layers, rates, strict=True)]
        self.opt_d = torch.optim.Adam(groups)

    def control(self, source: Any, total_steps: int, **options: Any) -> GANController:
        return GANController.load(source, self.opt_g, self.opt_d, total_steps=total_steps, **options)

    def update(self, control: GANController | None = None, generator: torch.Generator | None = None) -> dict[str, Any]:
        """One update; gives back what `observe` takes."""
        real = torch.randn(16, 2, generator=generator)
        latents = torch.randn(16, self.generator[0].in_features, generator=generator)  # type: ignore[index]
        r1 = 1.0 if control is None else control["r1"]
        return gan_update(self.generator, self.discriminator, self.opt_g, self.opt_d, real, latents, r1=r1)

    def run(self, control: GANController, updates: int, **more: Any) -> None:
        """So many updates, all shown."""
        for _ in range(updates):
            control.observe(**{**self.update(control), **more})
            control.step()


def gan_update(
    generator: Any, discriminator: Any, opt_g: Any, opt_d: Any, real: Tensor, latents: Tensor, r1: Any = 1.0,
    noise: Any = 0.0, noises: tuple[Any, Any] = (0.0, 0.0),
) -> dict[str, Tensor]:  # fmt: skip
    """One update of a non-saturating GAN: D's step with R1 and instance noise, then G's on the same fakes."""
    real = (real + noise * noises[0]).requires_grad_()
    fake = generator(latents) + noise * noises[1]
    logit_real, logit_fake = discriminator(real), discriminator(fake.detach())
    (slope,) = torch.autograd.grad(logit_real.sum(), real, create_graph=True)
    penalty = slope.flatten(1).square().sum(1).mean()
    loss_d = (softplus(-logit_real) + softplus(logit_fake)).mean()
    opt_d.zero_grad()
    (loss_d + r1 / 2 * penalty).backward()
    opt_d.step()

    fake_after = discriminator(fake)
    loss_g = softplus(-fake_after).mean()
    opt_g.zero_grad()
    loss_g.backward()
    opt_g.step()
    shown = {"real": logit_real, "fake": logit_fake, "fake_after": fake_after, "penalty": penalty}
    return {name: value.detach() for name, value in (shown | {"loss_d": loss_d, "loss_g": loss_g}).items()}


class Mlp(nn.Module):
    """`gan_env.gan.networks.build_mlp` for points, of torch's layers."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = leaky_relu(layer(x), 0.2)
        return self.layers[-1](x)  # type: ignore[no-any-return]


class DcganG(nn.Module):
    """`build_dcgan`'s generator of images of side 8."""

    def __init__(self, latent: int, width: int, channels: int) -> None:
        super().__init__()
        self.deep = 2 * width
        up = (nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((self.deep, width), (width, channels)))
        self.layers = nn.ModuleList([nn.Linear(latent, self.deep * 4), *up])

    def forward(self, z: Tensor) -> Tensor:
        x = leaky_relu(self.layers[0](z), 0.2).unflatten(1, (self.deep, 2, 2))
        return torch.tanh(self.layers[2](leaky_relu(self.layers[1](x), 0.2)))


class DcganD(nn.Module):
    """`build_dcgan`'s discriminator of images of side 8."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        down = (nn.Conv2d(a, b, 4, 2, 1) for a, b in ((channels, width), (width, 2 * width)))
        self.layers = nn.ModuleList([*down, nn.Linear(2 * width * 4, 1)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = leaky_relu(layer(x), 0.2)
        return self.layers[-1](x.flatten(1))  # type: ignore[no-any-return]


def copy_weights(tensors: list[tuple[Tensor, Tensor]], module: nn.Module) -> None:
    """Weights and biases of a row, `Network.split`'s [1, ...], into torch's layers."""
    with torch.no_grad():
        for (weight, bias), layer in zip(tensors, _layers(module), strict=True):
            own = weight[0].T if isinstance(layer, nn.Linear) else weight[0]
            layer.weight.copy_(own)  # type: ignore[operator,union-attr]
            layer.bias.copy_(bias[0])  # type: ignore[operator,union-attr]


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    return iter(module.layers)  # type: ignore[arg-type]
