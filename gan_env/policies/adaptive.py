"""Adaptive rules: a knob follows the discriminator's overfitting, as in StyleGAN2-ADA and its relatives.

All of them watch r_t = E[sign D(real)], which goes to 1 when the discriminator recognises every training sample. (The
sign is that of D minus the loss's middle, which is 0, or 1/2 for least squares. Losses without a middle are refused.)
While r_t is above a target, a strength p in [0, 1] rises; below, it falls; at the target it stays. The rules differ in
the knob, how p sets its value, and how fast p moves.
"""

from dataclasses import dataclass

import numpy as np
import torch

from gan_env.errors import require
from gan_env.gan.losses import LOSSES
from gan_env.policies.steering import EpisodeStart, State, Steerable, Steering
from gan_env.policies.tables import TablePolicy
from gan_env.records import Float32, Float64

Curve = tuple[Float64, Float64]


@dataclass(frozen=True)
class Rule:
    """The rule of ADA (Karras et al. 2020, arXiv:2006.06676): p <- clip(p + sign(r_t - target) images / speed, 0, 1).

    The defaults are ADA's, and p is the knob's value. StudioGAN's code has the upper clip, StyleGAN2-ADA's has not.

    Attributes:
        knob: the knob that p sets.
        target: r_t at which p stays, in [-1, 1]. ADA's 0.6 is for the non-saturating loss; with hinge, StudioGAN's
            author advises 0.2 (its issue 13).
        speed_images: real images shown while p goes from 0 to 1; ADA has 500,000. None: the share `speed_share` of the
            run's images, but p moves by at most the environment's `max_change` in an interval: runs here are so short
            that it would jump from end to end at every decision.
        speed_share: the published speed as a share of the published run: 500 thousand of 25 million images.
    """

    knob: str = "augment"
    target: float = 0.6
    speed_images: float | None = None
    speed_share: float = 0.02

    def __post_init__(self) -> None:
        require(-1 <= self.target <= 1, "policy.rule.target", self.target, "-1 to 1")
        speed = self.speed_images is None or self.speed_images > 0
        require(speed, "policy.rule.speed_images", self.speed_images, "more than 0, or null: scaled to the run")
        require(0 < self.speed_share <= 1, "policy.rule.speed_share", self.speed_share, "more than 0 and at most 1")

    def curve(self) -> Curve:
        """Strengths p, ascending from 0 to 1, and the knob's value at each, ascending: [P] both."""
        strengths = np.linspace(0, 1, 1001)
        return strengths, strengths


@dataclass(frozen=True)
class DiffusionRule(Rule):
    """The rule of Diffusion-GAN (Wang et al. 2022, arXiv:2206.02262), which sets instance noise.

    p sets the number of steps T = T_min + p (T_max - T_min) of a diffusion

        y = sqrt(abar) x + sqrt(1 - abar) s e,    abar = (1 - beta_1) ... (1 - beta_T),    e ~ N(0, 1),

    with beta going linearly from its first to its last value in T steps, whatever T is (as in their code).
    Dividing y by sqrt(abar), which the discriminator could do as well, gives x + s sqrt((1 - abar) / abar) e. So the
    knob is set to s sqrt((1 - abar) / abar), the standard deviation of noise on undamped data.

    Three things differ from the paper. All samples have the noise of step T, where theirs are spread over the steps 0
    to T and the discriminator sees which. T is not rounded, since p is read back from the knob. And p stops where the
    knob's range ends: with the defaults and noise up to 1 at p = 0.589 (T = 593).

    Attributes:
        steps: T at p = 0 and at p = 1.
        betas: first and last beta.
        noise_std: s, in units of data.
    """

    knob: str = "instance_noise"
    speed_share: float = 0.004  # 100 thousand of 25 million images
    steps: tuple[int, int] = (10, 1000)
    betas: tuple[float, float] = (1e-4, 2e-2)
    noise_std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.steps[0] < self.steps[1], "policy.rule.steps", self.steps, "1 <= first < last")
        require(0 < self.betas[0] <= self.betas[1] < 1, "policy.rule.betas", self.betas, "0 < first <= last < 1")
        require(self.noise_std > 0, "policy.rule.noise_std", self.noise_std, "more than 0")

    def curve(self) -> Curve:
        """Strengths p, one a number of steps T, and the standard deviation of the noise at each: [P] both."""
        first, last = self.steps
        log_alpha_bar = np.array([np.log1p(-np.linspace(*self.betas, t)).sum() for t in range(first, last + 1)])
        return np.linspace(0, 1, last - first + 1), self.noise_std * np.sqrt(np.expm1(-log_alpha_bar))


RULES: dict[str, Rule] = {"ada": Rule(), "apa": Rule(knob="pseudo"), "diffusion": DiffusionRule()}
"""The rules by name. "apa" (Jiang et al. 2021, arXiv:2111.06849) is ADA's rule, with the same target and speed, for the
probability with which the discriminator is shown a fake as if it were real."""
PARTING = tuple(name for name, loss in LOSSES.items() if loss.middle is not None)
"""Losses with which a logit says what its sample is taken for. Others only push logits apart."""
NEEDED = f"one of {PARTING}: with others D's sign, which the rule follows, says nothing about overfitting"
"""What the losses of a run have to be."""


class AdaptivePolicy:
    """Sets one knob by a rule; other controlled knobs stay where they are.

    It has no memory: p is read back from the knob's coordinate in the observation, so any row may be at any moment of
    its run. Runs start at p = 0, and the first decision, before which nothing was shown, leaves it there. In delta
    mode a knob moves by at most `max_change` of its range at a decision; the rest of a larger step is lost.

    Raises:
        ConfigError: the rule's knob is not controlled, a statistic is not observed, or the loss has no such sign.
    """

    def __init__(self, env: Steerable, rule: Rule) -> None:
        config = env.config
        require(set(config.losses) <= set(PARTING), "env.losses", config.losses, NEEDED)
        require(rule.knob in config.knobs, "env.knobs", list(config.knobs), f"{rule.knob!r} among them, which p sets")
        names = ("batch_size", "updates") if rule.speed_images is not None else ()
        told = [name for name in names if name in env.observer.names]
        self.rule, self.steering = rule, Steering(env, ["progress", "sign_real", *told])
        self.column = config.knobs.index(rule.knob)
        knob = env.knobs.controlled[self.column]
        strengths, values = rule.curve()
        coordinates = knob.encode(torch.from_numpy(values)).numpy()
        self.coordinates, first = np.unique(coordinates, return_index=True)  # beyond the knob's range p has no effect
        self.strengths = strengths[first]
        self.start = {knob.name: float(knob.decode(torch.from_numpy(self.coordinates[:1])))}
        self.updates, self.decisions = config.updates_per_decision, config.num_decisions
        self.largest_batch = config.instances.batch_size[1]
        self.scaled_step = min(1 / (rule.speed_share * config.num_decisions), config.max_change)

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """The action that takes p one step up, down or nowhere."""
        wanted = self.steering.coordinates(observation).astype(np.float64)  # [N, K]
        strength = np.interp(wanted[:, self.column], self.coordinates, self.strengths)  # [N]
        # In the observation's own precision, in which r_t can be equal to the target.
        direction = np.sign(self.steering.read(observation, "sign_real") - np.float32(self.rule.target))
        shown = self.steering.value(observation, "progress") > 0
        strength = strength + shown * direction * self.step(observation)
        wanted[:, self.column] = np.interp(strength, self.strengths, self.coordinates)  # which clips it, too
        return self.steering.action(observation, wanted), state

    def step(self, observation: Float32) -> Float64:
        """How far p moves in one interval, [N]; where batch sizes are not observed, as if they were the largest."""
        if self.rule.speed_images is None:
            return np.full(len(observation), self.scaled_step)
        batch = np.full(len(observation), float(self.largest_batch))
        if "batch_size" in self.steering.reads:
            batch = np.rint(self.steering.value(observation, "batch_size"))
        updates = np.full(len(observation), float(self.updates))
        if "updates" in self.steering.reads:  # a loop's may not divide evenly, and may change
            updates = self.steering.value(observation, "updates") / self.decisions
        return np.asarray(batch * updates / self.rule.speed_images)


class RuleOnSchedule:
    """A rule sets its knob, a schedule the others: ADA on top of tuned learning rates, as people use it.

    Args:
        rule: for its knob.
        schedule: for the others.

    Attributes:
        start: where the knobs start.
        steering: the rule's, which reads all that both look at.
    """

    def __init__(self, rule: AdaptivePolicy, schedule: TablePolicy) -> None:
        self.rule, self.schedule, self.start = rule, schedule, schedule.start | rule.start
        self.steering = rule.steering

    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """The schedule's action, but the rule's for its knob."""
        action, _ = self.schedule.predict(observation)
        action[:, self.rule.column] = self.rule.predict(observation)[0][:, self.rule.column]
        return action, state
