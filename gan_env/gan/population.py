"""N GANs as one tensor program: initialise, update, sample, reset rows, state out and in.

All parameters of a network are one `[N, P]` matrix, so Adam is a handful of element-wise operations and a snapshot is a
dictionary of eleven tensors. One update (discriminator step with R1, Adam, generator step, Adam, statistics) is a pure
function that is traced once, gradients included, and compiled; without a compiler it runs as it is.

Rows run together in blocks. `choose_block` holds the only rule about that; nothing outside this file knows it.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from gan_env.gan.augment import AUGMENTATIONS
from gan_env.gan.data import DataBank
from gan_env.gan.losses import batch_weights, discriminator_loss, generator_loss, gradient_penalty, mean
from gan_env.gan.networks import Network, dcgan, mlp
from gan_env.records import RowSettings
from gan_env.seeding import fold_in, normal, uniform

logger = logging.getLogger(__name__)

BETA_1, BETA_2, EPSILON = 0.5, 0.99, 1e-8  # Adam (Kingma and Ba 2015, arXiv:1412.6980)
STATISTICS = (
    "loss_d", "loss_g", "penalty", "logit_real", "logit_fake", "sign_real", "sign_fake",
    "square_grad_d", "square_grad_g", "square_loss_d", "square_loss_g",
)  # fmt: skip
"""Columns of `PopulationState.totals`: sums over the updates since `clear_totals`."""

DRAWS_AT_ONCE = 500_000
"""Random numbers drawn ahead of the updates that use them; more would leave the cache."""

_INIT_G, _INIT_D, _UNIFORM, _NORMAL, _FIXED_LATENT, _PROBE = range(6)  # streams of a row's key


@dataclass(frozen=True)
class PopulationState:
    """Everything that training changes, row by row. Moments are Adam's; `ema` averages the generator's weights."""

    g: Tensor  # [N, P_G]
    d: Tensor  # [N, P_D]
    mean_g: Tensor
    square_g: Tensor
    mean_d: Tensor
    square_d: Tensor
    ema: Tensor
    step: Tensor  # [N] int64, updates since the row's reset
    totals: Tensor  # [N, len(STATISTICS)]

    def tensors(self) -> list[Tensor]:
        """The tensors in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]


@dataclass(frozen=True)
class PopulationConfig:
    """Sizes shared by all rows.

    Attributes:
        latent_dim: length of z.
        width: hidden units (points) or channels (images) at full width.
        depth: hidden layers of the networks for points.
        batch_size: samples in the batch tensor; a row uses at most so many.
        ema_decay: decay an update of the averaged generator.
    """

    latent_dim: int
    width: int
    depth: int
    batch_size: int
    ema_decay: float


def choose_block(num_rows: int, sample_dims: int, device: torch.device) -> int:
    """How many rows run through the program at once.

    Small dense networks and anything on a GPU run together. Images on a CPU run four rows at a time: more would leave
    the cache, fewer would leave a core idle (tests/benchmarks/throughput.py).
    """
    return min(4, num_rows) if sample_dims == 3 and device.type == "cpu" else num_rows


class Population:
    """N GANs that train side by side.

    Args:
        bank: the data sets.
        config: sizes.
        num_rows: N.
        compiled: whether to compile the update program.
    """

    def __init__(self, bank: DataBank, config: PopulationConfig, num_rows: int, compiled: bool) -> None:
        self.bank = bank
        self.config = config
        self.num_rows = num_rows
        self.device = bank.train.device
        self.generator, self.discriminator = build_networks(bank.sample_shape, config)
        self.settings = _idle_settings(num_rows, self.device)
        self.state = self._blank_state()
        self._augmentation = AUGMENTATIONS[len(bank.sample_shape)]
        self._uniforms = config.batch_size * (1 + 2 * self._augmentation.draws)
        self._normals = config.batch_size * (config.latent_dim + 2 * math.prod(bank.sample_shape))
        self.block = choose_block(num_rows, len(bank.sample_shape), self.device)
        self._compiled = compiled
        self._programs: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def reset(self, rows: Tensor, settings: RowSettings) -> None:
        """Starts new GANs in the rows `rows` (int64 indices); `settings` has one entry for each of them."""
        self.settings = self.settings.with_rows(rows, settings)
        g = self.generator.init(fold_in(settings.key, _INIT_G), settings.width)
        d = self.discriminator.init(fold_in(settings.key, _INIT_D), settings.width)
        for tensor in self.state.tensors():
            tensor.index_fill_(0, rows, 0)
        self.state.g.index_copy_(0, rows, g)
        self.state.d.index_copy_(0, rows, d)
        self.state.ema.index_copy_(0, rows, g)

    def update(self, knobs: dict[str, Tensor], count: int) -> None:
        """Runs `count` updates of every row with the knob values `[N]` (`instance_noise`, `augment`, `r1`)."""
        inputs = [*self.state.tensors(), *_tensors(self.settings)]
        inputs += [knobs["instance_noise"], knobs["augment"], knobs["r1"]]
        ahead = max(1, DRAWS_AT_ONCE // (self.block * (self._uniforms + self._normals)))
        with torch.no_grad():
            for start in range(0, self.num_rows, self.block):
                part = [tensor[start : start + self.block] for tensor in inputs]
                for done in range(0, count, ahead):
                    for draws in self._draw(start, min(ahead, count - done)):
                        self._program(self._update_in_place, [*part, *draws])(*part, *draws)

    def _draw(self, start: int, updates: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The next updates' random numbers, uniform [n, U] and normal [n, V], for the n rows of a block."""
        rows = slice(start, start + self.block)
        steps = self.state.step[rows] + torch.arange(updates, device=self.device)[:, None]  # [k, n]
        key = self.settings.key[rows]
        uniforms = uniform(fold_in(fold_in(key, _UNIFORM), steps), self._uniforms)
        normals = normal(fold_in(fold_in(key, _NORMAL), steps), self._normals)
        return zip(uniforms, normals, strict=True)

    def clear_totals(self) -> None:
        """Starts a new interval of statistics."""
        self.state.totals.zero_()

    @torch.no_grad()
    def sample(self, count: int, average: bool = True) -> Tensor:
        """Samples from each row's fixed latents: [N, count, *shape].

        Args:
            count: samples a row; fewer samples are the first of more.
            average: from the averaged weights, else from the current ones.
        """
        weights = self.state.ema if average else self.state.g
        z = normal(fold_in(self.settings.key, _FIXED_LATENT), count, self.config.latent_dim)
        generate = self.generator.__call__
        parts = zip(weights.split(self.block), z.split(self.block), strict=True)
        return torch.cat([self._shaped(self._program(generate, [*part])(*part)) for part in parts])

    @torch.no_grad()
    def clean_logits(self) -> tuple[Tensor, Tensor]:
        """Mean logits on training and on held-out samples, without noise or augmentation: each [N]."""
        count = self.config.batch_size
        draws = uniform(fold_in(fold_in(self.settings.key, _PROBE), self.state.step), 2, count)
        train = self.bank.pick_train(draws[:, 0], self.settings)
        held_out = self.bank.pick_held_out(draws[:, 1], self.settings)
        means = [
            self.discriminator(weights, inputs).squeeze(-1).unflatten(1, (2, count)).mean(dim=2)
            for weights, inputs in zip(
                self.state.d.split(self.block), torch.cat([train, held_out], dim=1).split(self.block), strict=True
            )
        ]
        return tuple(torch.cat(means).unbind(dim=1))  # type: ignore[return-value]

    def get_state(self) -> dict[str, Tensor]:
        """A copy of everything that training changes."""
        tensors = {f.name: getattr(self.state, f.name) for f in fields(self.state)}
        settings = {f"settings.{f.name}": getattr(self.settings, f.name) for f in fields(self.settings)}
        return {name: tensor.clone() for name, tensor in (tensors | settings).items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Goes on from what `get_state` gave."""
        for field in fields(self.state):
            getattr(self.state, field.name).copy_(state[field.name])
        self.settings = RowSettings(
            **{f.name: state[f"settings.{f.name}"].to(self.device).clone() for f in fields(RowSettings)}
        )

    def _blank_state(self) -> PopulationState:
        def zeros(columns: int) -> Tensor:
            return torch.zeros(self.num_rows, columns, device=self.device)

        g, d = self.generator.size, self.discriminator.size
        step = torch.zeros(self.num_rows, dtype=torch.int64, device=self.device)
        return PopulationState(
            zeros(g), zeros(d), zeros(g), zeros(g), zeros(d), zeros(d), zeros(g), step, zeros(len(STATISTICS))
        )

    def _shaped(self, samples: Tensor) -> Tensor:
        return samples.reshape(*samples.shape[:2], *self.bank.sample_shape)

    def _program(self, function: Callable[..., Any], inputs: list[Tensor]) -> Callable[..., Any]:
        """The compiled `function` for inputs of these shapes, made at its first use; or the function itself."""
        if not self._compiled:
            return function
        key = (function.__qualname__, *inputs[0].shape, *inputs[-1].shape)
        if key not in self._programs:
            self._programs[key] = self._compile(function, inputs)
        return self._programs[key]

    def _compile(self, function: Callable[..., Any], inputs: list[Tensor]) -> Callable[..., Any]:
        """Traces a function, gradients included, into one graph without breaks, and compiles it."""
        example = [tensor.clone() for tensor in inputs]
        try:
            graph = make_fx(lambda *tensors: function(*tensors))(*example)
            program: Callable[..., Any] = torch.compile(graph, dynamic=False)
            program(*example)
        except Exception as error:  # inductor's errors have no common class; eager always works
            logger.warning("torch.compile failed (%s): training runs uncompiled, slower but the same", error)
            self._compiled = False
            return function
        return program

    def _update_in_place(self, *inputs: Tensor) -> None:
        count, rows = len(fields(PopulationState)), len(fields(RowSettings))
        state = PopulationState(*inputs[:count])
        settings = RowSettings(*inputs[count : count + rows])
        for old, new in zip(state.tensors(), self._update(state, settings, *inputs[count + rows :]), strict=True):
            old.copy_(new)

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def _update(
        self,
        state: PopulationState,
        rows: RowSettings,
        sigma: Tensor,
        probability: Tensor,
        r1: Tensor,
        uniforms: Tensor,
        normals: Tensor,
    ) -> list[Tensor]:
        """One update of every row; a pure function. Returns the new state's tensors."""
        count, shape = self.config.batch_size, self.bank.sample_shape
        weights = batch_weights(rows.batch_size, count)  # [N, B]
        pick, turns = uniforms.split([count, uniforms.shape[1] - count], dim=1)
        turns = turns.unflatten(1, (2, -1, count))  # [N, 2, draws, B]
        z, noise = normals.split([count * self.config.latent_dim, 2 * count * math.prod(shape)], dim=1)
        noise = noise.unflatten(1, (2, count, *shape)) * sigma.view(-1, 1, 1, *[1] * len(shape))

        # What the discriminator sees, [N, B, *shape]: augmented, with Gaussian instance noise
        # (Soenderby et al. 2017, arXiv:1610.04490).
        g, d = state.g.detach().requires_grad_(), state.d.detach().requires_grad_()
        real = self.bank.pick_train(pick, rows)
        fake = self._shaped(self.generator(g, z.unflatten(1, (count, -1))))
        real = self._augmentation.apply(real, turns[:, 0], probability) + noise[:, 0]
        fake = self._augmentation.apply(fake, turns[:, 1], probability) + noise[:, 1]

        # Discriminator. Losses are summed over rows, so each row's gradient is its own.
        real = real.detach().requires_grad_()
        logit_real = self.discriminator(d, real).squeeze(-1)  # [N, B]
        logit_fake = self.discriminator(d, fake.detach()).squeeze(-1)
        penalty = gradient_penalty(logit_real, real, weights)
        loss_d = discriminator_loss(logit_real, logit_fake, weights)
        (grad_d,) = torch.autograd.grad((loss_d + r1 / 2 * penalty).sum(), d)
        new_d, mean_d, square_d = _adam(state.d, grad_d, state.mean_d, state.square_d, state.step, rows.lr_d)

        # Generator, against the new discriminator, on the same fakes.
        loss_g = generator_loss(self.discriminator(new_d, fake).squeeze(-1), weights)
        (grad_g,) = torch.autograd.grad(loss_g.sum(), g)
        new_g, mean_g, square_g = _adam(state.g, grad_g, state.mean_g, state.square_g, state.step, rows.lr_g)
        ema = torch.lerp(state.ema, new_g, 1 - self.config.ema_decay)

        sums = [loss_d, loss_g, penalty, mean(logit_real, weights), mean(logit_fake, weights)]
        sums += [mean(logit_real.sign(), weights), mean(logit_fake.sign(), weights)]
        sums += [grad_d.square().sum(dim=1), grad_g.square().sum(dim=1), loss_d.square(), loss_g.square()]
        totals = state.totals + torch.stack(sums, dim=1)
        new = [new_g, new_d, mean_g, square_g, mean_d, square_d, ema, state.step + 1, totals]
        return [tensor.detach() for tensor in new]


def build_networks(sample_shape: tuple[int, ...], config: PopulationConfig) -> tuple[Network, Network]:
    """Generator and discriminator for samples of this shape: an MLP for points, a DCGAN for images."""
    if len(sample_shape) == 1:
        return mlp(config.latent_dim, config.width, config.depth, sample_shape[0])
    return dcgan(config.latent_dim, config.width, sample_shape)


def _adam(
    weights: Tensor, grad: Tensor, first: Tensor, second: Tensor, step: Tensor, rate: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Adam with a learning rate and a step count for each row: [N, P] each, step and rate [N]."""
    grad, t = grad.detach(), (step + 1).float()
    first = torch.lerp(first, grad, 1 - BETA_1)
    second = torch.lerp(second, grad.square(), 1 - BETA_2)
    size = rate / (1 - BETA_1**t)
    root = torch.sqrt(second / (1 - BETA_2**t)[:, None]) + EPSILON
    return weights.detach() - size[:, None] * first / root, first, second


def _tensors(settings: RowSettings) -> list[Tensor]:
    return [getattr(settings, field.name) for field in fields(settings)]


def _idle_settings(num_rows: int, device: torch.device) -> RowSettings:
    """Settings of rows that were not reset yet."""
    ones = torch.ones(num_rows, device=device)
    whole = torch.ones(num_rows, dtype=torch.int64, device=device)
    keys = torch.arange(num_rows, device=device)
    return RowSettings(keys, whole * 0, whole * 0, whole, whole, ones, ones * 0, ones * 0)
