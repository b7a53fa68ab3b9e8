"""The slope of a validation loss by the knobs, through unrolled GAN updates.

The GANs of an environment train ahead for a window of updates. At its end fresh samples are compared with held-out
data, and the chain rule leads back to the knobs (Maclaurin et al. 2015, arXiv:1502.03492). The samples come from the
averaged generator, which the metric judges too; slopes of the current one are noisier. The window is truncated (Shaban
et al. 2019, arXiv:1810.10667): effects after it are not seen, which favours what pays soon (Wu et al. 2018,
arXiv:1803.02021). The slope ignores jumps: Adam's first steps without momentum are mere signs.

Random choices have no slope by their probability, so a controller can't learn to move `augment` and its parts, which
stay where they start. `gan_env.gan.update.Update` says what holds for the other knobs.
"""

import torch
from torch import Tensor

from gan_env import GANVectorEnv
from gan_env.errors import require
from gan_env.gan.unrolled import Unrolled
from gan_env.metrics.energy import energy_distance
from gan_env.metrics.judge import ImageJudge, RegisteredJudge
from gan_env.records import FLOOR
from gan_env.seeding import fold_in, normal, uniform
from gan_env.workers import each_block

_VALIDATION = 2**21  # a stream of a row's key that neither training nor saved generators use


class Hypergradient:
    """Looks a few updates ahead in every run of an environment, and leaves the runs as they are.

    Args:
        env: the environment.
        window: updates that are unrolled with the knobs held; the length of the interval: exactly the updates to come.
        samples: generated and held-out samples per row that are compared.

    Attributes:
        gan_updates: updates of all rows that were unrolled so far.

    Raises:
        ConfigError: a size out of range.
    """

    def __init__(self, env: GANVectorEnv, window: int, samples: int) -> None:
        require(window >= 1, "window", window, "at least 1")
        require(samples >= 2, "samples", samples, "at least 2")
        self.env, self.window, self.samples = env, window, samples
        self.gan_updates = 0
        self._unrolled = Unrolled(env.population)

    def __call__(self, coordinates: Tensor, draw: int = 0) -> tuple[Tensor, Tensor]:
        """The validation loss after a window with these knobs, and its slope.

        Args:
            coordinates: of the controlled knobs, [N, K] in [0, 1].
            draw: number of the draw of fresh samples and held-out data; the same number at the same moment repeats it.

        Returns:
            Losses [N], NaN for a row that diverges, and slopes [N, K] of length one at most, zero where there is none.
        """

        def look(rows: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
            with torch.enable_grad():
                knobs = part.detach().requires_grad_()
                values = self.env.training_values(self.env.knobs.values(knobs), rows)
            ahead = self._unrolled.look_ahead(rows, {k: v.detach() for k, v in values.items()}, self.window)
            with torch.enable_grad():
                weights = ahead.state.ema.requires_grad_()
                loss = self._loss(rows, weights, draw)
                (by_weights,) = torch.autograd.grad(loss.sum(), weights)
            slopes = self._unrolled.pull_back(ahead, by_weights)
            moving = self.env.config.knobs
            by_knobs = torch.autograd.grad([values[name] for name in moving], knobs, [slopes[name] for name in moving])
            return loss.detach(), by_knobs[0]

        everyone = torch.arange(self.env.num_envs, device=self.env.device)
        parts = each_block(look, [everyone, coordinates.to(self.env.device)], self.env.population.block)
        self.gan_updates += self.env.num_envs * self.window
        loss, slope = (torch.cat(column).cpu() for column in zip(*parts, strict=True))
        usable = (loss.isfinite() & slope.isfinite().all(dim=1))[:, None]
        length = torch.where(usable, slope, 1).norm(dim=1, keepdim=True)
        # Some runs are chaotic; no row may outweigh all others.
        return loss, torch.where(usable, slope / length.clamp(min=1), 0)

    def _loss(self, rows: Tensor, weights: Tensor, draw: int) -> Tensor:
        """Log energy distance between held-out data and fresh samples of averaged generators [n, P_G]: [n]."""
        population, bank = self.env.population, self.env.bank
        settings = population.settings.take(rows)
        key = fold_in(fold_in(fold_in(settings.key, _VALIDATION), population.state.step[rows]), draw)
        latents = normal(fold_in(key, 0), self.samples, population.config.latent_dim)
        held_out = bank.pick_held_out(uniform(fold_in(key, 1), self.samples), settings)
        distance = energy_distance(self._features(population.generator(weights, latents)), self._features(held_out))
        return torch.log(distance + FLOOR)

    def _features(self, samples: Tensor) -> Tensor:
        """Where distances are measured: points themselves, features of images. [n, S, *shape] -> [n, S, F]."""
        judge = self.env.judge.built_in if isinstance(self.env.judge, RegisteredJudge) else self.env.judge
        return judge.extract(samples) if isinstance(judge, ImageJudge) else samples
