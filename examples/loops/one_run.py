"""One run of the study in compare.py: a loop, a data set, learning rates, a method and a seed -> how good it became."""

import copy
import math
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from gan_env.data.bank import load_dataset
from gan_env.errors import needs
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.records import FLOOR, Dataset, decode

LOOPS = {"dcgan": 16, "wgan_gp": 8, "hinge": 8, "r3gan": 8}
"""Loop -> the width of its networks in the study, at which 3,000 steps of the discriminator take a core 30 to 60 s."""
BATCH = 32
DATA = {"fashion_mnist": 28, "photo_tiles": 32}
"""Data set -> side of its images."""
OPTIMISERS = ("prodigy", "schedule_free")
"""Methods that are optimisers for both players, and have no learning rate that one would choose."""
PUBLISHED = "published"
"""The loop at the learning rate of its paper, and with the paper's schedule where it has one."""
WITHOUT_RATE = (*OPTIMISERS, PUBLISHED)
"""Methods of which one run counts at each learning rate."""
REPLACED = 1e-3
"""The learning rate of the optimisers where a controller has its own, which it writes before the first update."""
RANDOM = "random"
"""The loop as it is, at random learning rates."""
RANDOM_RATES = (1e-5, 1e-2)
"""Ends of their range."""
LOOKS = 50
"""Updates between two looks at whether all weights are finite."""


@dataclass(frozen=True)
class Run:
    """What is played: runs that are equal end equal.

    Attributes:
        method: a policy's name, a controller's folder, `RANDOM` or one of `WITHOUT_RATE`.
        seed: of the initial networks and the batches; shared by all methods and rates.
        lr_g, lr_d: learning rates of the players; None where the method has none, or its own.
    """

    loop: str
    data: str
    method: str
    seed: int
    lr_g: float | None
    lr_d: float | None


@dataclass(frozen=True)
class Settings:
    """What all runs of a study share.

    Attributes:
        updates: steps of the discriminator.
        samples: generated images that a distance is measured on.
        width: of the networks; None: those of `LOOPS`.
    """

    updates: int = 3000
    samples: int = 2000
    width: int | None = None


class Diverged(Exception):
    """A weight or an image is not finite any more."""


class Observer:
    """What a loop is given: it makes the optimisers, and looks at the generator at each third of the run.

    Attributes:
        made: the optimisers, the generator's first.
        distances: what `judge` says at each third so far.
    """

    def __init__(self, run: Run, updates: int, judge: Callable[[nn.Module], list[float]]) -> None:
        self.method, self.rates, self.judge = run.method, iter((run.lr_g, run.lr_d)), judge
        self.updates, self.update = updates, 0
        self.thirds = [-(-updates * third // 3) for third in (1, 2, 3)]
        self.made: list[Any] = []
        self.distances: list[list[float]] = []

    def optimiser(self, parameters: Iterable[Tensor], lr: float, betas: tuple[float, float]) -> Optimizer:
        """In the place of `torch.optim.Adam(parameters, lr, betas)`; only `PUBLISHED` keeps `lr`."""
        rate = lr if self.method == PUBLISHED else next(self.rates)
        if self.method == "prodigy":
            with needs("loops"):
                from prodigyopt import Prodigy
            self.made.append(Prodigy(parameters, lr=1.0, betas=betas))  # the rate that its authors advise
        elif self.method == "schedule_free":
            with needs("loops"):
                from schedulefree import AdamWScheduleFree
            warmup, own = self.updates // 20, (0.9, betas[1])  # its beta_1 is no momentum, and may not be 0
            self.made.append(AdamWScheduleFree(parameters, lr=0.0025, betas=own, warmup_steps=warmup))
            self.made[-1].train()
        else:
            self.made.append(Adam(parameters, REPLACED if rate is None else rate, betas))
        return self.made[-1]  # type: ignore[no-any-return]

    def watch(self, generator: nn.Module) -> None:
        """Called after each update.

        Raises:
            Diverged: see there.
        """
        self.update += 1
        if (self.update % LOOKS == 0 or self.update in self.thirds) and not self.finite:
            raise Diverged
        if self.update in self.thirds:
            averaging = [optimiser for optimiser in self.made if hasattr(optimiser, "eval")]
            for optimiser in averaging:
                optimiser.eval()  # from the weights that gradients are taken at to their average
            distances = self.judge(generator)
            for optimiser in averaging:
                optimiser.train()
            if not all(map(math.isfinite, distances)):
                raise Diverged
            self.distances.append(distances)

    @property
    def finite(self) -> bool:
        """Whether all weights of both players are."""
        groups = [group for optimiser in self.made for group in optimiser.param_groups]
        return all(bool(p.isfinite().all()) for group in groups for p in group["params"])

    @property
    def learning_rates(self) -> list[float]:
        """Those of both players now."""
        return [float(optimiser.param_groups[0]["lr"]) for optimiser in self.made]


class Judge:
    """Log Frechet distances to the validation and to the scored half of a data set's held-out images.

    Args:
        data: the data set.
        samples: S, the number of generated images.
    """

    def __init__(self, data: Dataset, samples: int) -> None:
        self.samples = samples
        self.extract = ClassifierFeatures(data.held_out.device, data.held_out.shape[1:])
        self.distance = FrechetDistance([self.extract.of_stored(half) for half in (data.validation, data.scored)])

    @torch.no_grad()
    def __call__(self, generator: nn.Module, latent: int) -> list[float]:
        """Of a generator of latents [B, latent, 1, 1]: [validation, scored]; NaN where an image is not finite.

        The latents are always the same. As in PyTorch's own DCGAN, BatchNorm takes the statistics of the batch.
        """
        generator = copy.deepcopy(generator)  # whose running statistics may change
        draws = torch.randn(self.samples, latent, 1, 1, generator=torch.Generator().manual_seed(0))
        images = torch.cat([generator(part).clamp(-1, 1) for part in draws.split(500)])  # [S, C, H, W]
        distances = self.distance(self.extract(images)[None], torch.tensor([[0, 1]]))
        return [round(number, 5) for number in torch.log(distances + FLOOR)[0].tolist()]


@cache
def prepared(data: str, samples: int) -> tuple[Tensor, Judge]:
    """Training images [P, C, H, W] in [-1, 1] and the judge of a data set."""
    loaded = load_dataset(data, "data", DATA[data])
    return decode(loaded.train), Judge(loaded, samples)


def updates_of(loop: str, steps: int) -> int:
    """Updates of the generator in a loop, where the discriminator takes so many steps."""
    return steps // int(getattr(import_module(loop), "CRITIC_STEPS", 1))


def play(run: Run, settings: Settings) -> dict[str, Any]:
    """Trains and judges.

    A run that diverges counts as a crash, and from there on has the distance of its untrained generator.

    Returns:
        The fields of the run and of the settings; `log_metric` (validation half) and `score` (scored half), log Frechet
        distances at each third of the run; `untrained`, the latter before it; `crashed`; `rates`, the learning rates at
        its end; and `seconds`.
    """
    began, loop = time.perf_counter(), import_module(run.loop)
    width = settings.width or LOOPS[run.loop]
    images, judge = prepared(run.data, settings.samples)
    torch.manual_seed(run.seed)
    untrained = judge(loop.networks(images.shape[1], images.shape[2], width)[0], loop.LATENT)
    updates = updates_of(run.loop, settings.updates)
    observer = Observer(run, updates, lambda generator: judge(generator, loop.LATENT))
    torch.manual_seed(run.seed)
    controller = "fixed" if run.method in (RANDOM, *WITHOUT_RATE) else run.method
    if run.method == PUBLISHED:
        controller = getattr(loop, "SCHEDULE", "fixed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the controller's, which compare.py has shown
            loop.train(images, loop.LR, updates, controller, width, BATCH, observer.optimiser, observer.watch)
    except Diverged:
        pass
    except RuntimeError as error:
        if "between 0 and 1" not in str(error):  # so torch's cross-entropy refuses a NaN
            raise
    reached = len(observer.distances)
    thirds = observer.distances + [untrained] * (3 - reached)
    log_metric, score = (list(column) for column in zip(*thirds, strict=True))
    return {
        **asdict(run), **asdict(settings), "untrained": untrained[1], "log_metric": log_metric, "score": score,
        "crashed": reached < 3, "rates": observer.learning_rates, "seconds": round(time.perf_counter() - began, 1),
    }  # fmt: skip
