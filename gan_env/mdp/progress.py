"""How far the run in each row has come: what its observation, its reward and its end are made from."""

import math

import torch
from torch import Tensor

from gan_env.config import EnvConfig
from gan_env.mdp.observation import Observer
from gan_env.mdp.rewards import Reward
from gan_env.mdp.steps import BY_RULE, measured, walk_step
from gan_env.records import Moment, Quality, RowSettings, TrainStats

DERIVED = ("parameters", "updates")
"""What follows from the rows' instances and from the options, and is in no snapshot."""


class Progress:
    """Follows the runs of N rows from the untrained generator to the end.

    Attributes:
        decision: decisions taken, int64 [N].
        coordinates: the knobs, [N, K] in [0, 1].
        first, first_score: log metric and score of the untrained generator, [N].
        first_grad_d, first_grad_g: gradient norms in the first interval, 0 before it, [N].
        previous, best: log metric after the last decision, and the lowest so far, [N].
        gained: sum of the rewards, [N].
        observation: the last one, [N, F].
        parameters: numbers of weights and biases of G and of D, [N, 2].
        updates: of the whole run, [N].
        steps: what `gan_env.mdp.steps.measured` gives for the action mode, [N, 2].
        bases: what the environment's rule multiplies the instance's learning rates of G and of D by, before the knobs
            do, [N, 2]; 1 without a rule.

    Raises:
        ConfigError: a statistic or a reward term can't be computed, or isn't one value a row.
    """

    def __init__(self, observer: Observer, reward: Reward, config: EnvConfig, coordinates: Tensor) -> None:
        self.observer, self.reward, self.num_decisions = observer, reward, config.num_decisions
        self.mode, self.wanted = config.action_mode, BY_RULE.get(config.rates)
        observer.check(coordinates.shape[1])
        reward.check(coordinates.shape[1])
        self.coordinates = coordinates
        zeros = torch.zeros(len(coordinates), device=coordinates.device)
        self.decision = zeros.long()
        self.first, self.first_score, self.previous, self.best, self.gained = (zeros.clone() for _ in range(5))
        self.first_grad_d, self.first_grad_g = zeros.clone(), zeros.clone()
        self.observation = zeros[:, None].repeat(1, len(observer.names))
        self.steps = zeros[:, None].repeat(1, 2)
        self.bases, self.parameters = torch.ones_like(self.steps), torch.ones_like(self.steps)
        self.updates = zeros + config.updates

    @torch.no_grad()  # a statistic or reward of one's own may hold a network
    def start(
        self,
        rows: Tensor,
        stats: TrainStats,
        quality: Quality,
        settings: RowSettings,
        parameters: Tensor,
        rates: Tensor,
        factors: Tensor,
    ) -> dict[str, Tensor]:
        """Starts runs in some `rows` (bool [N]), whose knobs have been set and whose networks are untrained.

        `rates` are `relative_rates`, `factors` what the instance's learning rates are multiplied by, of both players,
        [N, 2]. Returns `obs` [N, F], and the infos `log_metric` and `score` [N].
        """
        self.decision = torch.where(rows, 0, self.decision)
        self.gained = torch.where(rows, 0, self.gained)
        self.first, self.previous, self.best = (
            torch.where(rows, quality.log_metric, old) for old in (self.first, self.previous, self.best)
        )
        self.first_score = torch.where(rows, quality.score, self.first_score)
        self.first_grad_d, self.first_grad_g = (
            torch.where(rows, 0, old) for old in (self.first_grad_d, self.first_grad_g)
        )
        self.parameters = torch.where(rows[:, None], parameters, self.parameters)
        moment = self._moment(stats, quality, settings, rates)
        self.steps = torch.where(rows[:, None], measured(moment, self.mode), self.steps)
        self.bases = torch.where(rows[:, None], self._bases(moment, factors), self.bases)
        self.observation = torch.where(rows[:, None], self.observer(moment), self.observation)
        return {"obs": self.observation, "log_metric": self.first, "score": self.first_score}

    @torch.no_grad()
    def advance(
        self, stats: TrainStats, quality: Quality, settings: RowSettings, rates: Tensor, factors: Tensor
    ) -> dict[str, Tensor]:
        """Takes in one more interval of all rows. Returns `obs` [N, F], `reward`, `ended` and the infos, [N] each.

        `rates` and `factors` are as of `start`, at its end.
        """
        self.decision = self.decision + 1
        self.first_grad_d = torch.where(self.first_grad_d == 0, stats.grad_d, self.first_grad_d)
        self.first_grad_g = torch.where(self.first_grad_g == 0, stats.grad_g, self.first_grad_g)
        moment, penalty = self._moment(stats, quality, settings, rates), self.reward.crash_penalty
        self.steps, self.bases = measured(moment, self.mode), self._bases(moment, factors)
        crashed = ~(stats.finite & (quality.log_metric < moment.limit))  # True for NaN
        reward = torch.where(crashed, self.reward.of_crash(moment, self.gained), self.reward(moment))
        log_metric = torch.where(crashed, moment.limit, quality.log_metric)
        self.observation = torch.where(crashed[:, None], self.observation, self.observer(moment))
        self.gained = self.gained + reward
        self.previous, self.best = log_metric, torch.minimum(self.best, log_metric)
        return {
            "obs": self.observation,
            "reward": reward,
            "ended": crashed | moment.last,
            "log_metric": log_metric,
            "score": torch.where(crashed, self.first_score + penalty, quality.score),
            "collapse": torch.where(crashed, -math.inf, quality.collapse),
            "crashed": crashed,
            **{name: torch.where(crashed, math.nan, getattr(stats, name)) for name in ("loss_d", "loss_g")},
            **{name: torch.where(crashed, 0.0, value) for name, value in quality.extras.items()},
        }

    def get_state(self) -> dict[str, Tensor]:
        """A copy of everything that a run changes."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return {name: value.clone() for name, value in tensors.items() if name not in DERIVED}

    def set_state(self, state: dict[str, Tensor]) -> None:
        """Continues from what `get_state` gave."""
        for name, value in state.items():
            setattr(self, name, value.to(self.coordinates.device).clone())

    def _bases(self, moment: Moment, factors: Tensor) -> Tensor:
        """What takes the instance's rates, which `factors` [N, 2] multiply now, to those that the rule wants."""
        if self.wanted is None:
            return torch.ones_like(factors)
        return self.wanted(moment.stats, moment.ages) * factors / moment.relative_rates

    def _moment(self, stats: TrainStats, quality: Quality, settings: RowSettings, rates: Tensor) -> Moment:
        progress = self.decision / self.num_decisions
        age = progress * self.updates  # of both players, which step once an update
        walk = walk_step(age, settings.beta_1)
        return Moment(
            stats,
            quality,
            coordinates=self.coordinates,
            progress=progress,
            previous=self.previous,
            best=self.best,
            first=self.first,
            first_grad_d=self.first_grad_d,
            first_grad_g=self.first_grad_g,
            limit=self.first + self.reward.crash_penalty,
            settings=settings,
            parameters=self.parameters,
            updates=self.updates,
            walk=torch.stack([walk, walk], dim=1),
            ages=torch.stack([age, age], dim=1),
            relative_rates=rates,
            left=self.num_decisions - self.decision,
        )
