"""One update of N GANs as a pure function of tensors: discriminator step, generator step, Adam, statistics.

Which losses, networks, knobs and augmentations there are is decided before it is traced: what is off costs nothing.
The gradient of D(real) by its inputs is there even where R1 is off, since it is observed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_env.config import EnvConfig
from gan_env.errors import require
from gan_env.gan.adam import adam, bias_corrections, cosine, square_step
from gan_env.gan.augment import PARTS, POINT_PARTS, Augmentation
from gan_env.gan.layers import Network
from gan_env.gan.losses import LOSSES, batch_weights, gradient_penalty, interpolation_penalty, mean
from gan_env.gan.networks import ARCHITECTURES, Sizes
from gan_env.gan.spectral import normalise
from gan_env.records import MEANS, Rows, RowSettings


@dataclass(frozen=True)
class PopulationState(Rows):
    """Everything that training changes, row by row."""

    g: Tensor  # [N, P_G]
    d: Tensor  # [N, P_D]
    mean_g: Tensor  # Adam's moments
    square_g: Tensor
    mean_d: Tensor
    square_d: Tensor
    ema: Tensor  # [N, P_G], average of the generator's weights
    correction_1: Tensor  # [N], Adam's bias corrections 1 - beta^t
    correction_2: Tensor  # [N]
    vectors: Tensor  # [N, V], the discriminator's left singular vectors, for `spectral`
    step: Tensor  # [N] int64, updates since the row's reset
    totals: Tensor  # [N, len(MEANS)], sums over the updates since they were cleared


@dataclass(frozen=True)
class PopulationConfig:
    """What all rows share."""

    latent_dim: int  # length of z
    width_g: int  # hidden units or channels of the generator at full width
    width_d: int  # the same of the discriminator
    depth: int  # hidden layers of the mlp
    batch_size: int  # samples in the batch tensor; a row uses at most so many
    ema_decay: float  # decay of the averaged generator in one update
    warmup_updates: int = 0  # updates of a run over which learning rates rise to what they are set to
    penalty_every: int = 1  # updates of an interval from one with gradient penalties to the next
    knobs: tuple[str, ...] = ("instance_noise", "augment", "r1")  # those that act; all others do nothing
    losses: tuple[str, ...] = ("non_saturating",)  # names in `LOSSES`; a row has one of them
    architecture: str = "auto"  # one of `ARCHITECTURES`, or auto: mlp for points, dcgan for images

    @classmethod
    def of(cls, config: EnvConfig, knobs: tuple[str, ...]) -> "PopulationConfig":
        """That of an environment in which these knobs act."""
        return cls(
            latent_dim=config.latent_dim,
            width_g=config.instances.width_g[1],
            width_d=config.instances.width_d[1],
            depth=config.depth,
            batch_size=config.instances.batch_size[1],
            ema_decay=config.ema_decay,
            warmup_updates=config.warmup_updates,
            penalty_every=config.penalty_every,
            knobs=knobs,
            losses=config.losses,
            architecture=config.architecture,
        )


class Update:
    """The update of one configuration.

    Args:
        shape: of a sample, (2,) or (C, H, W).
        config: sizes, networks, losses and knobs.
        differentiable: whether the new state is a differentiable function of the old one and of the knobs. Then the
            probability of a coin (`augment` and its parts, `pseudo`) has no slope, `spectral` has the slope at constant
            singular vectors, `augment_strength` on images that of their colours; all other slopes are exact.

    Attributes:
        generator, discriminator: the networks.
        uniforms, normals: how many random numbers one update of a row takes. Each has its place whatever knobs there
            are, so a run with a knob that does nothing is the run without that knob (but for rounding, where a compiled
            program fuses a product with what comes before).

    Raises:
        ConfigError: an unknown name, or a knob or architecture that is not for such samples.
    """

    def __init__(self, shape: tuple[int, ...], config: PopulationConfig, differentiable: bool = False) -> None:
        self.config, self.differentiable = config, differentiable
        is_image = len(shape) == 3
        self.generator, self.discriminator = build_networks(shape, config)
        for loss in config.losses:
            require(loss in LOSSES, "losses", loss, f"names out of {sorted(LOSSES)}")
        self.losses = [LOSSES[loss] for loss in config.losses]
        known = PARTS if is_image else POINT_PARTS
        for part in PARTS:
            fits = part in known or part not in config.knobs
            require(fits, "knobs", part, f"images: of points' augmentations only {known[0]!r} has a knob of its own")
        square = not is_image or shape[1] == shape[2]
        require(square or "rotate" not in config.knobs, "sample_shape", shape, "square images, to rotate them")
        self.augmentation = Augmentation.of_knobs(shape, config.knobs)
        pixels, batch = math.prod(shape), config.batch_size
        self.uniforms = batch * (1 + 2 * self.augmentation.draws)
        if "pseudo" in config.knobs:  # its coins come after those of all parts that there might be
            self.uniforms = batch * (1 + 2 * Augmentation(shape, known).draws + 1)
        self.normals = batch * (config.latent_dim + (2 * pixels if "instance_noise" in config.knobs else 0))

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def __call__(
        self,
        state: PopulationState,
        rows: RowSettings,
        knobs: dict[str, Tensor],
        samples: Tensor,
        uniforms: Tensor,
        normals: Tensor,
        penalised: bool = True,
    ) -> list[Tensor]:
        """One update of n rows: the new state's tensors.

        `knobs` holds the value [n] of each; `samples` of the training sets are [n, B, *shape], `uniforms` [n, U] and
        `normals` [n, V] are random numbers. Only where `penalised` there are gradient penalties, which then stand for
        those of the `penalty_every` updates of which it is one.
        """
        count = self.config.batch_size
        weights = batch_weights(rows.batch_size, count)  # [N, B]
        mix, turns = uniforms.split([count, uniforms.shape[1] - count], dim=1)
        z, noise = normals.split([count * self.config.latent_dim, normals.shape[1] - count * self.config.latent_dim], 1)
        z = z.unflatten(1, (count, -1))
        if "latent_noise" in knobs:
            z = z * knobs["latent_noise"][:, None, None]
        g, d = self._variable(state.g), self._variable(state.d)

        # What the discriminator sees, [N, B, *shape].
        turns = turns[:, : 2 * count * self.augmentation.draws].unflatten(1, (2, -1, count))
        noise = noise.unflatten(1, (2, -1))
        fake = self.generator(g, z)
        if "pseudo" in knobs:
            samples = fakes_as_real(samples, fake, uniforms[:, -count:] < knobs["pseudo"][:, None])
        scale = by_sample(rows.input_scale, samples)
        real = self._disturb(samples, turns[:, 0], noise[:, 0], knobs) * scale
        fake = self._disturb(fake, turns[:, 1], noise[:, 1], knobs) * scale

        # Discriminator. Losses are summed over rows, so each row's gradient is its own.
        real, seen = self._variable(real), self._variable(fake)
        used, vectors = self._normalised(d, state.vectors, knobs)
        logit_real, logit_fake = self._judge(used, real), self._judge(used, seen)
        every = self.config.penalty_every
        penalty = gradient_penalty(logit_real, real, weights) * every if penalised else torch.zeros_like(rows.lr_d)
        loss_d = mean(_own(rows.loss, [loss.discriminator(logit_real, logit_fake) for loss in self.losses]), weights)
        regularised = loss_d
        if "r1" in knobs and penalised:
            regularised = regularised + knobs["r1"] / 2 * penalty
        if "r2" in knobs and penalised:
            regularised = regularised + knobs["r2"] / 2 * every * gradient_penalty(logit_fake, seen, weights)
        if "gp" in knobs and penalised:
            between = interpolation_penalty(lambda x: self._judge(used, x), real, seen, mix, weights)
            regularised = regularised + knobs["gp"] * every * between
        (grad_d,) = torch.autograd.grad(regularised.sum(), d, create_graph=self.differentiable)
        rate_g, rate_d = self._rates(state, rows, knobs)
        corrections = bias_corrections((state.correction_1, state.correction_2), rows.beta_1)
        new_d, mean_d, square_d = adam(state.d, grad_d, state.mean_d, state.square_d, rate_d, rows.beta_1, corrections)

        # Generator, against the new discriminator, on the same fakes. Its gradient goes through the fakes alone, not
        # through what the discriminator has just learnt from them.
        used, vectors = self._normalised(new_d, vectors, knobs)
        new_real = self._judge(used, real) if any(loss.paired for loss in self.losses) else logit_real
        shown = self._variable(fake)
        new_fake = self._judge(used, shown)
        loss_g = mean(_own(rows.loss, [loss.generator(new_real, new_fake) for loss in self.losses]), weights)
        (slope,) = torch.autograd.grad(loss_g.sum(), shown, create_graph=self.differentiable)
        (grad_g,) = torch.autograd.grad(fake, g, slope, create_graph=self.differentiable)
        new_g, mean_g, square_g = adam(state.g, grad_g, state.mean_g, state.square_g, rate_g, rows.beta_1, corrections)
        ema = torch.lerp(state.ema, new_g, 1 - self.config.ema_decay)

        logits, new = (logit_real, logit_fake, new_fake), (new_d, new_g)
        found = self._measured(state, rows, weights, penalty, (loss_d, loss_g), logits, (grad_d, grad_g), new)
        totals = state.totals + torch.stack([found[name] for name in MEANS], dim=1)
        tensors = [new_g, new_d, mean_g, square_g, mean_d, square_d, ema, *corrections, vectors, state.step + 1, totals]
        return tensors if self.differentiable else [tensor.detach() for tensor in tensors]

    def _rates(self, state: PopulationState, rows: RowSettings, knobs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Learning rates of G and of D in this update, [n] each."""
        rate_g = rows.lr_g * knobs["lr_g"] if "lr_g" in knobs else rows.lr_g
        rate_d = rows.lr_d * knobs["lr_d"] if "lr_d" in knobs else rows.lr_d
        if not self.config.warmup_updates:
            return rate_g, rate_d
        risen = ((state.step + 1) / self.config.warmup_updates).clamp(max=1)
        return rate_g * risen, rate_d * risen

    def _measured(
        self,
        state: PopulationState,
        rows: RowSettings,
        weights: Tensor,
        penalty: Tensor,
        losses: tuple[Tensor, Tensor],
        logits: tuple[Tensor, Tensor, Tensor],
        gradients: tuple[Tensor, Tensor],
        new: tuple[Tensor, Tensor],
    ) -> dict[str, Tensor]:
        """All of `MEANS` in an update, [n] each. Of losses, gradients and new weights D's come first.

        Logits are those on real and on fake inputs, and after D's step on the fakes, [n, B].
        """
        (loss_d, loss_g), (real, fake, after), (grad_d, grad_g) = losses, logits, gradients
        found = {"loss_d": loss_d, "loss_g": loss_g, "penalty": penalty}
        found |= {"logit_real": mean(real, weights), "logit_fake": mean(fake, weights)}
        middle = _own(rows.loss, [torch.full_like(weights, loss.middle or 0.0) for loss in self.losses])
        margin = _own(rows.loss, [torch.full_like(weights, loss.margin) for loss in self.losses])
        found |= {f"sign_{kind}": mean((x - middle).sign(), weights) for kind, x in (("real", real), ("fake", fake))}
        found |= {"align_d": cosine(grad_d, state.mean_d), "align_g": cosine(grad_g, state.mean_g)}
        found["logit_after"] = mean(after, weights)
        sure = {"saturated_real": real - middle, "saturated_fake": middle - fake}
        found |= {name: mean((right > margin).float(), weights) for name, right in sure.items()}
        found |= {"square_grad_d": grad_d.square().sum(dim=1), "square_grad_g": grad_g.square().sum(dim=1)}
        found |= {"square_loss_d": loss_d.square(), "square_loss_g": loss_g.square()}
        found |= {"square_step_d": square_step(state.d, new[0]), "square_step_g": square_step(state.g, new[1])}
        found |= {"square_logit_real": mean(real.square(), weights), "square_logit_fake": mean(fake.square(), weights)}
        return found

    def clean_logits(self, state: PopulationState, inputs: Tensor, knobs: dict[str, Tensor]) -> Tensor:
        """Logits of inputs [n, B, *shape] as they are: [n, B]."""
        used, _ = self._normalised(state.d, state.vectors, knobs)
        return self._judge(used, inputs)

    def _variable(self, x: Tensor) -> Tensor:
        """`x` to take gradients by: on its own or, differentiably, still tied to what it came from."""
        return x.view_as(x) if self.differentiable and x.requires_grad else x.detach().requires_grad_()

    def _disturb(self, x: Tensor, turns: Tensor, noise: Tensor, knobs: dict[str, Tensor]) -> Tensor:
        """Augmented, with Gaussian instance noise (Soenderby et al. 2017, arXiv:1610.04490)."""
        none, full = torch.zeros(len(x), device=x.device), torch.ones(len(x), device=x.device)
        probabilities = self.augmentation.probabilities(knobs.get("augment", none), knobs)
        x = self.augmentation.apply(x, turns, probabilities, knobs.get("augment_strength", full))
        if "instance_noise" in knobs:
            x = x + noise.view(x.shape) * by_sample(knobs["instance_noise"], x)
        return x

    def _normalised(self, d: Tensor, vectors: Tensor, knobs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if "spectral" not in knobs:
            return d, vectors
        return normalise(self.discriminator, d, vectors, knobs["spectral"])

    def _judge(self, weights: Tensor, x: Tensor) -> Tensor:
        return self.discriminator(weights, x).squeeze(-1)  # [N, B]


def _own(chosen: Tensor, values: Sequence[Tensor]) -> Tensor:
    """Each row's own of several values [N, B], by its index in `chosen` [N]: [N, B]."""
    own = values[0]
    for index, value in enumerate(values[1:], start=1):
        own = torch.where((chosen == index)[:, None], value, own)
    return own


def by_sample(values: Tensor, samples: Tensor) -> Tensor:
    """One value a row, shaped to act on its samples: [N], [N, B, *shape] -> [N, 1, ...]."""
    return values.view(-1, *[1] * (samples.dim() - 1))


def fakes_as_real(real: Tensor, fake: Tensor, chosen: Tensor) -> Tensor:
    """Shows the discriminator fakes as if they were real: APA's pseudo augmentation (arXiv:2111.06849).

    The fake is the batch's previous one, so that a paired loss does not compare a sample with itself. Unlike in APA it
    is shown as a fake in the same step, too. Samples are [N, B, *shape]; chosen ones (bool [N, B]) are replaced.
    """
    return torch.where(chosen.view(*chosen.shape, *[1] * (real.dim() - 2)), fake.roll(1, dims=1), real)


def build_networks(sample_shape: tuple[int, ...], config: PopulationConfig) -> tuple[Network, Network]:
    """Generator and discriminator of a configuration for samples of this shape; each has its own width.

    Raises:
        ConfigError: an unknown architecture, or one that is not for such samples.
    """
    name = architecture_of(sample_shape, config)
    require(name in ARCHITECTURES, "architecture", name, f"auto or one of {sorted(ARCHITECTURES)}")
    sizes = [Sizes(config.latent_dim, width, config.depth, sample_shape) for width in (config.width_g, config.width_d)]
    (generator, _), (_, discriminator) = map(ARCHITECTURES[name], sizes)
    return generator, discriminator


def architecture_of(sample_shape: tuple[int, ...], config: PopulationConfig) -> str:
    """The name of the architecture; auto is mlp for points and dcgan for images."""
    usual = "mlp" if len(sample_shape) == 1 else "dcgan"
    return usual if config.architecture == "auto" else config.architecture
