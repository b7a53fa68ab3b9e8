"""What flows between the wings: small typed records of tensors with one entry a row (`[N]`)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class RowSettings:
    """What is constant over one row's episode: its instance and its seed.

    Attributes:
        key: the row's random key, int64.
        dataset: index into the environment's data sets, int64.
        window: where the row's training set begins in the (shuffled) training pool, int64.
        num_samples: number of training samples, int64.
        batch_size: at most the width of the batch tensor, int64.
        width: share of the full network width in (0, 1], float32.
        lr_g: learning rate of the generator, float32.
        lr_d: learning rate of the discriminator, float32.
        beta_1: momentum of both players' Adam, float32.
    """

    key: Tensor
    dataset: Tensor
    window: Tensor
    num_samples: Tensor
    batch_size: Tensor
    width: Tensor
    lr_g: Tensor
    lr_d: Tensor
    beta_1: Tensor

    def with_rows(self, rows: Tensor, other: "RowSettings") -> "RowSettings":
        """A copy in which the rows `rows` (int64 indices) come from `other`, in its order."""
        return RowSettings(
            **{f.name: getattr(self, f.name).index_copy(0, rows, getattr(other, f.name)) for f in fields(self)}
        )

    def take(self, rows: Tensor | slice) -> "RowSettings":
        """The given rows alone."""
        return RowSettings(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True)
class TrainStats:
    """Training statistics over one decision interval, each `[N]`; means over the interval unless said otherwise.

    Attributes:
        loss_d, loss_g: adversarial losses, without the penalty.
        spread_d, spread_g: standard deviation of the losses within the interval.
        penalty: E||grad D(x)||^2 on the discriminator's real inputs (R1 without gamma/2).
        logit_real, logit_fake: mean logits on the (augmented, noisy) inputs of training.
        sign_real, sign_fake: E[sign D]; on real it is ADA's r_t.
        grad_d, grad_g: root mean square over the interval of the gradient's norm.
        clean_train, clean_held_out: mean logits at the interval's end on undisturbed training samples and on
            undisturbed validation samples: their difference shows the discriminator's overfitting.
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
    clean_train: Tensor
    clean_held_out: Tensor
    finite: Tensor


FLOOR = 1e-6
"""Added to the metric and to the spread before their logarithms are taken, which are finite then."""


@dataclass(frozen=True)
class Quality:
    """How good the generators are at one moment, each `[N]`.

    Attributes:
        log_metric: logarithm of the quality metric on the validation half of the held-out data (lower is better).
            Observations, rewards and all choices rest on it.
        score: the same on the other half, which nothing else sees: what is reported.
        collapse: log of the samples' spread over the data's: 0 = as diverse as the data, negative = collapsed.
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
        names = ("log_metric", "score", "collapse")
        return Quality(**{n: torch.cat([getattr(part, n) for part in parts]) for n in names}, extras=extras)


def to_host(columns: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """Copies `[N]` or `[N, F]` columns to the host in one transfer, as float32."""
    widths = [c.shape[1] if c.dim() == 2 else 1 for c in columns.values()]
    packed = torch.cat([c.reshape(c.shape[0], -1).float() for c in columns.values()], dim=1).cpu()
    parts = packed.split(widths, dim=1)
    return {
        name: (part.squeeze(1) if column.dim() == 1 else part).numpy()
        for (name, column), part in zip(columns.items(), parts, strict=True)
    }


@dataclass(frozen=True)
class Moment:
    """All that an observation or a reward may look at after one decision, each `[N]` unless said otherwise.

    Attributes:
        stats: training statistics of the interval.
        quality: judgement of the samples at its end.
        coordinates: the knobs, [N, K] in [0, 1].
        progress: share of the budget used, 0 to 1.
        previous: log metric at the end of the interval before.
        best: lowest log metric of the run before this interval.
        first: log metric of the untrained generator.
        limit: log metric at which a run counts as crashed.
        settings: the rows' instances.
        left: decisions left after this one, int64.
    """

    stats: TrainStats
    quality: Quality
    coordinates: Tensor
    progress: Tensor
    previous: Tensor
    best: Tensor
    first: Tensor
    limit: Tensor
    settings: RowSettings
    left: Tensor

    @property
    def last(self) -> Tensor:
        """Whether the budget is used up, bool [N]."""
        return self.left == 0
