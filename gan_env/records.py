"""Small typed records that the parts of gan_env hand to each other. Tensors are `[N]`, an entry a row, unless noted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floats = NDArray[Any]
"""Arrays of floats of single precision, of double precision, and of either."""


@dataclass(frozen=True)
class Dataset:
    """Samples of one data set, [P, *shape]: float32 points, or images as bytes (`decode` makes floats of them).

    Policies see the judgement of the validation half of the held-out samples, and choices rest on it; the one of the
    scored half is reported. The halves alternate, since some sets are in the order of their classes.

    Attributes:
        train: training samples.
        held_out: samples that nothing is trained on.
        centers: the modes, [M, 2]; M = 0: not known.
        std: standard deviation of each mode; 0: not known.
    """

    train: Tensor
    held_out: Tensor
    centers: Tensor = field(default_factory=lambda: torch.zeros(0, 2))
    std: float = 0.0

    @property
    def validation(self) -> Tensor:
        """The half at even places."""
        return self.held_out[::2]

    @property
    def scored(self) -> Tensor:
        """The half at odd places."""
        return self.held_out[1::2]


def decode(samples: Tensor) -> Tensor:
    """Samples as float32: bytes become [-1, 1], floats pass."""
    return samples.float() / 127.5 - 1 if samples.dtype == torch.uint8 else samples


@dataclass(frozen=True)
class Rows:
    """Base of records whose tensors all have one entry per row."""

    def tensors(self) -> list[Tensor]:
        """The tensors in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    def take(self, rows: Tensor | slice) -> Self:
        """The given rows alone."""
        return type(self)(*(tensor[rows] for tensor in self.tensors()))


WHOLE = ("key", "dataset", "window", "num_samples", "batch_size", "loss")
"""Fields of `RowSettings` that are whole numbers."""


@dataclass(frozen=True)
class RowSettings(Rows):
    """What is constant over one row's episode: its instance and its seed.

    Attributes:
        key: the row's random key, int64.
        dataset: index into the environment's data sets, int64.
        window: where the row's training set begins in the (shuffled) training pool, int64.
        num_samples: number of training samples, int64.
        batch_size: at most the width of the batch tensor, int64.
        loss: index into the environment's losses, int64.
        width_g: share of the full width of the generator in (0, 1], float32.
        width_d: the same of the discriminator.
        gain_g: factor on the generator's initial weights, float32.
        gain_d: the same of the discriminator's.
        input_scale: factor on what the discriminator sees, float32.
        lr_g: learning rate of the generator, float32.
        lr_d: learning rate of the discriminator, float32.
        beta_1: momentum of both players' Adam, float32.
    """

    key: Tensor
    dataset: Tensor
    window: Tensor
    num_samples: Tensor
    batch_size: Tensor
    loss: Tensor
    width_g: Tensor
    width_d: Tensor
    gain_g: Tensor
    gain_d: Tensor
    input_scale: Tensor
    lr_g: Tensor
    lr_d: Tensor
    beta_1: Tensor

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[float]], device: torch.device) -> "RowSettings":
        """From the numbers of each field, one a row."""
        types = {name: torch.int64 if name in WHOLE else torch.float32 for name in columns}
        return cls(**{name: torch.tensor(column, dtype=types[name], device=device) for name, column in columns.items()})

    def with_rows(self, rows: Tensor, other: "RowSettings") -> "RowSettings":
        """A copy in which the rows `rows` (int64 indices) come from `other`, in its order."""
        pairs = zip(self.tensors(), other.tensors(), strict=True)
        return RowSettings(*(mine.index_copy(0, rows, theirs) for mine, theirs in pairs))


@dataclass(frozen=True)
class TrainStats:
    """Training statistics over one decision interval; means over the interval unless noted.

    Attributes:
        loss_d: adversarial loss of the discriminator D, without the penalty.
        loss_g: the same of the generator G.
        spread_d: standard deviation of D's loss within the interval.
        spread_g: the same of G's.
        penalty: E||grad D(x)||^2 on D's real inputs (R1 without gamma/2).
        logit_real: mean logit on the (augmented, noisy) real inputs of training.
        logit_fake: the same on fake ones.
        sign_real: E[sign D] on real inputs, around the loss's middle (1/2 for least squares): ADA's r_t.
        sign_fake: the same on fake ones.
        grad_d: root mean square over the interval of the norm of D's gradient.
        grad_g: the same of G's.
        align_d: mean cosine of a gradient of D and the running mean of those before, Adam's first moment.
        align_g: the same of G's.
        logit_after: mean logit on the same fakes after D's step, at G's.
        saturated_real: share of D's real inputs on which its loss is flat, see `gan_env.gan.losses`.
        saturated_fake: the same of fake ones.
        step_d: root mean square over the interval of |step| / |weights| of D.
        step_g: the same of G.
        logit_spread_real: standard deviation of the logits on real inputs over the interval's batches.
        logit_spread_fake: the same on fake ones.
        clean_train: mean logit at the interval's end on undisturbed training samples.
        clean_held_out: the same on validation samples; the difference shows D's overfitting.
        finite: whether losses and weights are finite and below the explosion bound, bool.
    """

    loss_d: Tensor
    loss_g: Tensor
    spread_d: Tensor
    spread_g: Tensor
    penalty: Tensor
    logit_real: Tensor
    logit_fake: Tensor
    sign_real: Tensor
    sign_fake: Tensor
    grad_d: Tensor
    grad_g: Tensor
    align_d: Tensor
    align_g: Tensor
    logit_after: Tensor
    saturated_real: Tensor
    saturated_fake: Tensor
    step_d: Tensor
    step_g: Tensor
    logit_spread_real: Tensor
    logit_spread_fake: Tensor
    clean_train: Tensor
    clean_held_out: Tensor
    finite: Tensor

    @classmethod
    def of_means(
        cls, means: Mapping[str, Tensor], clean_train: Tensor, clean_held_out: Tensor, finite: Tensor
    ) -> "TrainStats":
        """From the means `MEANS` over the interval, [N] each."""
        spreads = {f"spread_{player}": _spread(means, f"loss_{player}") for player in ("d", "g")}
        spreads |= {f"logit_spread_{kind}": _spread(means, f"logit_{kind}") for kind in ("real", "fake")}
        norms = {name: means[f"square_{name}"].sqrt() for name in ("grad_d", "grad_g", "step_d", "step_g")}
        return cls(
            **{name: means[name] for name in AVERAGED},
            **spreads,
            **norms,
            clean_train=clean_train,
            clean_held_out=clean_held_out,
            finite=finite,
        )

    @classmethod
    def untrained(cls, clean_train: Tensor, clean_held_out: Tensor) -> "TrainStats":
        """Before the first interval: zeros, but for the clean logits."""
        zero = torch.zeros_like(clean_train)
        return cls.of_means(dict.fromkeys(MEANS, zero), clean_train, clean_held_out, torch.ones_like(zero).bool())


def _spread(means: Mapping[str, Tensor], name: str) -> Tensor:
    """Standard deviation from the first two moments, whose difference may be negative by rounding."""
    return (means[f"square_{name}"] - means[name].square()).clamp(min=0).sqrt()


AVERAGED = (
    *("loss_d", "loss_g", "penalty", "logit_real", "logit_fake", "sign_real", "sign_fake", "align_d", "align_g"),
    *("logit_after", "saturated_real", "saturated_fake"),
)
"""Fields of `TrainStats` that are plain means over an interval's updates."""
MEANS = (
    *AVERAGED,
    "square_grad_d",
    "square_grad_g",
    "square_loss_d",
    "square_loss_g",
    "square_step_d",
    "square_step_g",
    "square_logit_real",
    "square_logit_fake",
)
"""All that is averaged over an interval: these, and squares of gradient norms, losses, relative steps and logits."""


STILL = 1e-8
"""A player whose |update| / |weights| is no larger stands still: no learning rate follows from that."""
FLOOR = 1e-6
"""Added to the metric, to the spread and to what is observed as log10, so that their logarithms are finite."""


@dataclass(frozen=True)
class Quality:
    """How good the generators are at one moment.

    Observations, rewards and all choices rest on `log_metric`; nothing but the report sees `score`.

    Attributes:
        log_metric: log of the quality metric on the validation half of the held-out data (lower is better).
        score: the same on the scored half.
        collapse: log of the samples' spread over the data's: 0 is as diverse as the data, negative is collapsed.
        extras: what else is known about the samples, for infos alone; 0 is the worst value.
    """

    log_metric: Tensor
    score: Tensor
    collapse: Tensor
    extras: dict[str, Tensor]

    @staticmethod
    def join(parts: Sequence["Quality"]) -> "Quality":
        """The rows of all parts, in their order."""
        extras = {name: torch.cat([part.extras[name] for part in parts]) for name in parts[0].extras}
        log_metric, score, collapse = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("log_metric", "score", "collapse")
        )
        return Quality(log_metric, score, collapse, extras)


@dataclass(frozen=True)
class Moment:
    """All that an observation or a reward may look at after one decision: one value a row, [N], unless noted.

    Attributes:
        stats: of the interval.
        quality: of the samples at its end.
        coordinates: the knobs, [N, K] in [0, 1].
        progress: share of the budget used, 0 to 1.
        previous: log metric at the end of the interval before.
        best: lowest log metric of the run before this interval.
        first: log metric of the untrained generator.
        first_grad_d: `stats.grad_d` of the run's first interval, 0 before it.
        first_grad_g: the same of `stats.grad_g`.
        limit: log metric at which a run counts as crashed.
        settings: the rows' instances.
        parameters: numbers of weights and biases of G and of D, [N, 2].
        updates: GAN updates of the whole run.
        walk: |step| / |weights| of G and of D in an equally long random walk, [N, 2]; see `walk_step`.
        ages: updates that G and D have taken, [N, 2].
        relative_rates: learning rates of G and of D over the rms of their weights, [N, 2]. 0: not an Adam's.
        left: decisions left after this one, int64.
    """

    stats: TrainStats
    quality: Quality
    coordinates: Tensor
    progress: Tensor
    previous: Tensor
    best: Tensor
    first: Tensor
    first_grad_d: Tensor
    first_grad_g: Tensor
    limit: Tensor
    settings: RowSettings
    parameters: Tensor
    updates: Tensor
    walk: Tensor
    ages: Tensor
    relative_rates: Tensor
    left: Tensor

    @property
    def last(self) -> Tensor:
        """Whether the budget is used up, bool [N]."""
        return self.left == 0


def to_host(columns: dict[str, Tensor]) -> dict[str, Float32]:
    """Copies `[N]` or `[N, F]` columns to the host in one transfer, as float32."""
    widths = [c.shape[1] if c.dim() == 2 else 1 for c in columns.values()]
    packed = torch.cat([c.reshape(c.shape[0], -1).float() for c in columns.values()], dim=1).cpu()
    parts = packed.split(widths, dim=1)
    return {
        name: (part.squeeze(1) if column.dim() == 1 else part).numpy()
        for (name, column), part in zip(columns.items(), parts, strict=True)
    }
