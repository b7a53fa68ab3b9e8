"""N GANs as one tensor program: initialise, update, sample, reset rows, state out and in.

All parameters of a network are one `[N, P]` matrix, so Adam is a handful of element-wise operations and a snapshot is a
dictionary of tensors. One update is a pure function (`update.py`) that is traced once, gradients included, and
compiled; without a compiler it runs as it is. Rows run together in blocks, and on a CPU every core takes blocks of its
own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TypeVar

import torch
from torch import Tensor

from gan_env.data.bank import DataBank
from gan_env.gan.fast.programs import Programs
from gan_env.gan.spectral import initial_vectors
from gan_env.gan.update import PopulationConfig, PopulationState, Update, architecture_of, by_sample
from gan_env.records import MEANS, Quality, RowSettings
from gan_env.seeding import even_normal, fold_in, normal, uniform
from gan_env.workers import each_block, threads_on

T = TypeVar("T")

BLOCKS: dict[str, tuple[tuple[int, int], ...]] = {
    "mlp": ((16, 48), (64, 12), (256, 4)),
    "dcgan": ((64, 4),),
    "dcgan_bn": ((64, 4),),
}
"""Architecture -> (numbers of a sample up to which, rows of a block on a CPU): the fastest of those that were tried, so
that a block stays in a core's cache (tests/benchmarks/blocks.py). Beyond them, and for all others, rows run alone."""
JUDGED_TOGETHER = 24
"""Rows that one core of a CPU judges at a time, at most: their samples are in memory together."""

_INIT_G, _INIT_D, _UNIFORM, _NORMAL, _FIXED_LATENT, _PROBE, _VECTORS = range(7)  # streams of a row's key
_NO_LATENTS = torch.empty(0, 0, 0)
_STATE, _SETTINGS = len(fields(PopulationState)), len(fields(RowSettings))


def largest_block(architecture: str, sample_shape: tuple[int, ...]) -> int:
    """Rows of a block on a CPU, at most, for an architecture's networks and samples of a shape."""
    numbers = math.prod(sample_shape)
    return next((rows for most, rows in BLOCKS.get(architecture, ()) if numbers <= most), 1)


def choose_block(num_rows: int, most: int, device: torch.device) -> int:
    """How many rows run through a program at once: all on a GPU; on a CPU at most `most`, so that every core has work.

    Blocks have one size where that is possible: every size is a program to compile. Where there are blocks of several
    rows, none has one row: its program would round otherwise, and a row's bits would depend on N.
    """
    if device.type != "cpu":
        return num_rows
    threads = torch.get_num_threads()
    largest = min(most, math.ceil(num_rows / threads))
    even = [b for b in range(largest, largest // 2, -1) if num_rows % b == 0 and num_rows // b % threads == 0]
    block = even[0] if even else largest
    while most > 1 and num_rows > 1 and (block == 1 or num_rows % block == 1):
        block += 1
    return block


class Population:
    """N GANs that train side by side, their update compiled or not; raises what `Update` does.

    Attributes:
        paired: whether a single row is computed as if others stood beside it, so that it has the same bits. It takes
            up to a third longer.
    """

    paired = False

    def __init__(self, bank: DataBank, config: PopulationConfig, num_rows: int, compiled: bool) -> None:
        self.bank, self.config, self.num_rows, self.device = bank, config, num_rows, bank.device
        self._update = Update(bank.sample_shape, config)
        self.generator, self.discriminator = self._update.generator, self._update.discriminator
        self.settings, self._latents = _idle_settings(num_rows, self.device), _NO_LATENTS
        self.state = self._blank_state()
        self._most = largest_block(architecture_of(bank.sample_shape, config), bank.sample_shape)
        self.block = choose_block(num_rows, self._most, self.device)
        self.programs = Programs(compiled)

    def reset(self, rows: Tensor, settings: RowSettings) -> None:
        """Starts new GANs in the rows `rows` (int64 indices); `settings` has one entry for each of them."""
        self.settings, self._latents = self.settings.with_rows(rows, settings), _NO_LATENTS
        g = self.generator.init(fold_in(settings.key, _INIT_G), settings.width_g) * settings.gain_g[:, None]
        d = self.discriminator.init(fold_in(settings.key, _INIT_D), settings.width_d) * settings.gain_d[:, None]
        fresh = {"g": g, "ema": g, "d": d}
        if "spectral" in self.config.knobs:
            fresh["vectors"] = initial_vectors(self.discriminator, fold_in(settings.key, _VECTORS))
        for tensor in self.state.tensors():
            tensor.index_fill_(0, rows, 0)
        for name, values in fresh.items():
            getattr(self.state, name).index_copy_(0, rows, values)

    def update(self, knobs: dict[str, Tensor], count: int) -> None:
        """Runs `count` updates of every row; `knobs` holds the value [N] of each of `config.knobs`."""
        values = [knobs[name] for name in self.config.knobs]

        def train(*part: Tensor) -> None:
            state, settings, _ = unpack(part)
            for index, source in enumerate(self.sources(settings, state.step, count)):
                inputs = [*part, *self.draws(*source)]
                self.programs.run(self.update_in_place, *inputs, penalised=self.penalised(index))

        self._each_block(train, [*self.state.tensors(), *self.settings.tensors(), *values])

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """Samples of each row's averaged generator from its fixed latents: [N, count, *shape]."""
        return torch.cat(each_block(self._generate, [self.state.ema, self.latents(count)], self.block))

    def judge(self, judge: Callable[[Tensor, Tensor], Quality], count: int) -> Quality:
        """Judges `count` samples of every row's averaged generator from its fixed latents.

        `judge` is called with n rows at a time, so that never all samples are in memory: with their samples [n, count,
        *shape] and the indices [n] of their data sets.
        """

        def judge_block(weights: Tensor, latents: Tensor, dataset: Tensor) -> Quality:
            parts = zip(weights.split(self.block), latents.split(self.block), strict=True)
            return judge(torch.cat([self._generate(*part) for part in parts]), dataset)

        share = min(JUDGED_TOGETHER, math.ceil(self.num_rows / threads_on(self.device)))
        block = math.ceil(share / self.block) * self.block  # whole blocks, as in training
        rows = [self.state.ema, self.latents(count), self.settings.dataset]
        return Quality.join(each_block(judge_block, rows, block))

    def parameters(self) -> Tensor:
        """How many weights and biases each row's G and D have, [N, 2]."""
        players = (self.generator, self.settings.width_g), (self.discriminator, self.settings.width_d)
        return torch.stack([network.count(width) for network, width in players], dim=1)

    def weights(self) -> Tensor:
        """Norms of the weights of each row's G and D, [N, 2]."""
        return torch.stack([self.state.g.norm(dim=1), self.state.d.norm(dim=1)], dim=1)

    def latents(self, count: int) -> Tensor:
        """Each row's fixed latents, evenly spread so that the metric's noise is small: [N, count, latent_dim].

        Fewer are the first of more. They are kept until a row is reset.
        """
        if self._latents.shape[1] != count:
            self._latents = even_normal(fold_in(self.settings.key, _FIXED_LATENT), count, self.config.latent_dim)
        return self._latents

    @torch.no_grad()
    def clean_logits(self, knobs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean logits on training and on held-out samples, without noise or augmentation: each [N]."""
        count = self.config.batch_size
        draws = uniform(fold_in(fold_in(self.settings.key, _PROBE), self.state.step), 2, count)
        train = self.bank.read(self.bank.places(draws[:, 0], self.settings))
        held_out = self.bank.pick_held_out(draws[:, 1], self.settings)

        def judge(inputs: Tensor, *part: Tensor) -> Tensor:
            scale, *values = part[_STATE:]
            knobs = dict(zip(self.config.knobs, values, strict=True))
            return self._update.clean_logits(PopulationState(*part[:_STATE]), inputs * by_sample(scale, inputs), knobs)

        inputs = [torch.cat([train, held_out], dim=1), *self.state.tensors(), self.settings.input_scale]
        inputs += [knobs[name] for name in self.config.knobs]
        logits = torch.cat(self._each_block(judge, inputs))[: self.num_rows]
        train_mean, held_out_mean = logits.view(-1, 2, count).mean(dim=2).unbind(dim=1)
        return train_mean, held_out_mean

    def get_state(self) -> dict[str, Tensor]:
        """A copy of everything that training changes."""
        return {name: tensor.clone() for name, tensor in self._kept().items()}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Continues from what `get_state` of a population of the same form gave."""
        for name, tensor in self._kept().items():
            tensor.copy_(state[name])
        self._latents = _NO_LATENTS

    def _generate(self, weights: Tensor, latents: Tensor) -> Tensor:
        """Samples of a block: weights [n, P_G], latents [n, count, latent_dim] -> [n, count, *shape]."""
        if not self._pairs:
            return self.generator(weights, latents)
        return self.generator(weights.repeat(2, 1), latents.repeat(2, 1, 1))[:1]

    @property
    def _pairs(self) -> bool:
        """Whether the only row runs beside a copy of itself."""
        return self.paired and self.num_rows == 1 and self._most > 1

    def _each_block(self, work: Callable[..., T], tensors: Sequence[Tensor]) -> list[T]:
        """`each_block`; where `paired`, a single row runs beside a copy of itself.

        Alone it would be rounded otherwise than in a block: products of one matrix and one vector add up in another
        order. Where rows always run one by one they are always alone.
        """
        if not self._pairs:
            return each_block(work, tensors, self.block)
        pair = [tensor.repeat(2, *[1] * (tensor.dim() - 1)) for tensor in tensors]
        results = each_block(work, pair, 2)
        for tensor, both in zip(tensors, pair, strict=True):
            tensor.copy_(both[:1])
        return results

    def _kept(self) -> dict[str, Tensor]:
        return vars(self.state) | {f"settings.{name}": tensor for name, tensor in vars(self.settings).items()}

    def _blank_state(self) -> PopulationState:
        def zeros(columns: int) -> Tensor:
            return torch.zeros(self.num_rows, columns, device=self.device)

        g, d = self.generator.size, self.discriminator.size
        vectors = sum(self.discriminator.outputs) if "spectral" in self.config.knobs else 0
        step = torch.zeros(self.num_rows, dtype=torch.int64, device=self.device)
        moments, corrections = (zeros(g), zeros(g), zeros(d), zeros(d)), (step.float(), step.float())
        totals = zeros(len(MEANS))
        return PopulationState(zeros(g), zeros(d), *moments, zeros(g), *corrections, zeros(vectors), step, totals)

    def sources(self, settings: RowSettings, step: Tensor, count: int) -> list[tuple[Tensor, ...]]:
        """For each of the next `count` updates of n rows: places of its samples [n, B], keys of its random numbers [n].

        Places are found for all updates at once, so that a pool on the host costs one copy.
        """
        steps = step + torch.arange(count, device=step.device)[:, None]  # [count, n]
        uniform_keys, normal_keys = (fold_in(fold_in(settings.key, stream), steps) for stream in (_UNIFORM, _NORMAL))
        places = self.bank.places(uniform(uniform_keys, self.config.batch_size), settings)
        return list(zip(places, uniform_keys, normal_keys, strict=True))

    def draws(self, places: Tensor, *keys: Tensor) -> tuple[Tensor, ...]:
        """What one update of n rows draws: samples [n, B, *shape], uniform numbers [n, U] and normal ones [n, V].

        Numbers have a program of their own: inside the update's, every kernel that uses one would compute it anew.
        Samples are read outside of programs, which would hold a copy of the whole pool.
        """
        return self.bank.read(places), *self.programs.run(self._draw_numbers, *keys)

    def _draw_numbers(self, uniform_key: Tensor, normal_key: Tensor) -> tuple[Tensor, Tensor]:
        taken = self.config.batch_size  # by the places of samples
        numbers = uniform(uniform_key, taken + self._update.uniforms)[:, taken:]
        return numbers.contiguous(), normal(normal_key, self._update.normals)

    def penalised(self, index: int) -> bool:
        """Whether there are gradient penalties in an interval's update, by its number from 0."""
        return index % self.config.penalty_every == 0

    def update_in_place(self, *inputs: Tensor, penalised: bool) -> None:
        """One update of n rows; the inputs are those of `unpack`, of which the state's are overwritten."""
        state, settings, (*values, samples, uniforms, normals) = unpack(inputs)
        knobs = dict(zip(self.config.knobs, values, strict=True))
        new_state = self._update(state, settings, knobs, samples, uniforms, normals, penalised)
        for old, new in zip(state.tensors(), new_state, strict=True):
            old.copy_(new)


def unpack(inputs: Sequence[Tensor]) -> tuple[PopulationState, RowSettings, Sequence[Tensor]]:
    """State and settings from a program's inputs, and the others."""
    settings = RowSettings(*inputs[_STATE : _STATE + _SETTINGS])
    return PopulationState(*inputs[:_STATE]), settings, inputs[_STATE + _SETTINGS :]


def _idle_settings(num_rows: int, device: torch.device) -> RowSettings:
    """Settings of rows that were not reset yet; no two share a tensor."""
    none = dict.fromkeys(("dataset", "window", "loss", "lr_g", "lr_d", "beta_1"), [0] * num_rows)
    columns = dict.fromkeys([field.name for field in fields(RowSettings)], [1] * num_rows) | none
    return RowSettings.of({**columns, "key": range(num_rows)}, device)
