"""N GANs as one tensor program: initialise, update, sample, reset rows, state out and in.

All parameters of a network are one `[N, P]` matrix, so Adam is a handful of element-wise operations and a snapshot is a
dictionary of tensors. One update (discriminator step with R1, Adam, generator step, Adam, statistics) is a pure
function that is traced once, gradients included, and compiled; without a compiler it runs as it is.

Rows run together in blocks, and on a CPU every core takes blocks of its own. `choose_block` holds the only rule about
that; nothing outside this file knows it.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from gan_env.gan.augment import AUGMENTATIONS
from gan_env.gan.data import DataBank
from gan_env.gan.losses import batch_weights, discriminator_loss, generator_loss, gradient_penalty, mean
from gan_env.gan.networks import Network, dcgan, mlp
from gan_env.gan.programs import Programs
from gan_env.records import RowSettings
from gan_env.seeding import fold_in, normal, uniform
from gan_env.workers import Workers

BETA_2, EPSILON = 0.99, 1e-8  # Adam (Kingma and Ba 2015, arXiv:1412.6980)
STATISTICS = (
    "loss_d", "loss_g", "penalty", "logit_real", "logit_fake", "sign_real", "sign_fake",
    "square_grad_d", "square_grad_g", "square_loss_d", "square_loss_g",
)  # fmt: skip
"""Columns of `PopulationState.totals`: sums over the updates since `clear_totals`."""

BLOCK_OF_POINTS, BLOCK_OF_IMAGES = 48, 1
"""Rows of a block on a CPU, at most: so that a block stays in a core's cache (tests/benchmarks/throughput.py)."""

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


_STATE, _SETTINGS = len(fields(PopulationState)), len(fields(RowSettings))


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
    """How many rows run through a program at once: all on a GPU; on a CPU so many that every core has work.

    Blocks are of one size where that is possible: every size is a program to compile.
    """
    if device.type != "cpu":
        return num_rows
    threads = torch.get_num_threads()
    largest = min(BLOCK_OF_IMAGES if sample_dims == 3 else BLOCK_OF_POINTS, math.ceil(num_rows / threads))
    even = [b for b in range(largest, largest // 2, -1) if num_rows % b == 0 and num_rows // b % threads == 0]
    return even[0] if even else largest


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
        self._programs = Programs(self.device, compiled)
        self._workers = Workers(self.device)

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
        values = [knobs["instance_noise"], knobs["augment"], knobs["r1"]]

        def train(*part: Tensor) -> None:
            key, step = RowSettings(*part[_STATE : _STATE + _SETTINGS]).key, PopulationState(*part[:_STATE]).step
            steps = step + torch.arange(count, device=self.device)[:, None]  # [count, n]
            streams = [fold_in(fold_in(key, stream), steps) for stream in (_UNIFORM, _NORMAL)]
            for keys in zip(*streams, strict=True):
                draws = self._programs.run(self._draw, *keys)
                self._programs.run(self._update_in_place, *part, *draws)

        self._workers.each_block(train, [*self.state.tensors(), *_tensors(self.settings), *values], self.block)

    def _draw(self, uniform_key: Tensor, normal_key: Tensor) -> tuple[Tensor, Tensor]:
        """The random numbers of one update of n rows, uniform [n, U] and normal [n, V].

        A program of its own: inside the update's, every kernel that uses a number would compute it anew.
        """
        return uniform(uniform_key, self._uniforms), normal(normal_key, self._normals)

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
        return self._shaped(torch.cat(self._workers.each_block(self.generator, [weights, z], self.block)))

    @torch.no_grad()
    def clean_logits(self) -> tuple[Tensor, Tensor]:
        """Mean logits on training and on held-out samples, without noise or augmentation: each [N]."""
        count = self.config.batch_size
        draws = uniform(fold_in(fold_in(self.settings.key, _PROBE), self.state.step), 2, count)
        train = self.bank.pick_train(draws[:, 0], self.settings)
        held_out = self.bank.pick_held_out(draws[:, 1], self.settings)
        inputs = torch.cat([train, held_out], dim=1)
        logits = torch.cat(self._workers.each_block(self.discriminator, [self.state.d, inputs], self.block))
        train_mean, held_out_mean = logits.view(-1, 2, count).mean(dim=2).unbind(dim=1)
        return train_mean, held_out_mean

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

    def _update_in_place(self, *inputs: Tensor) -> None:
        state = PopulationState(*inputs[:_STATE])
        settings = RowSettings(*inputs[_STATE : _STATE + _SETTINGS])
        new_state = self._update(state, settings, *inputs[_STATE + _SETTINGS :])
        for old, new in zip(state.tensors(), new_state, strict=True):
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
        new_d, mean_d, square_d = _adam(
            state.d, grad_d, state.mean_d, state.square_d, state.step, rows.lr_d, rows.beta_1
        )

        # Generator, against the new discriminator, on the same fakes.
        loss_g = generator_loss(self.discriminator(new_d, fake).squeeze(-1), weights)
        (grad_g,) = torch.autograd.grad(loss_g.sum(), g)
        new_g, mean_g, square_g = _adam(
            state.g, grad_g, state.mean_g, state.square_g, state.step, rows.lr_g, rows.beta_1
        )
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
    weights: Tensor, grad: Tensor, first: Tensor, second: Tensor, step: Tensor, rate: Tensor, beta_1: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Adam: [N, P] each, and for each row [N] its step count, learning rate and momentum."""
    grad, t = grad.detach(), (step + 1).float()
    first = torch.lerp(first, grad, 1 - beta_1[:, None])
    second = torch.lerp(second, grad.square(), 1 - BETA_2)
    size = rate / (1 - beta_1**t)
    root = torch.sqrt(second / (1 - BETA_2**t)[:, None]) + EPSILON
    return weights.detach() - size[:, None] * first / root, first, second


def _tensors(settings: RowSettings) -> list[Tensor]:
    return [getattr(settings, field.name) for field in fields(settings)]


def _idle_settings(num_rows: int, device: torch.device) -> RowSettings:
    """Settings of rows that were not reset yet."""
    ones = torch.ones(num_rows, device=device)
    whole = torch.ones(num_rows, dtype=torch.int64, device=device)
    keys = torch.arange(num_rows, device=device)
    return RowSettings(keys, whole * 0, whole * 0, whole, whole, ones, ones * 0, ones * 0, ones * 0)
