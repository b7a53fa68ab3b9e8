"""The table of statistics: the observation space, values, documentation and ablations all come from it.

Every statistic is something that a real training run has at hand: losses, gradients, logits on training and validation
data, the quality metric on a validation set, and the hyperparameters that the run was started with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_env.instance_lists import HYPERPARAMETERS
from gan_env.mdp.steps import AGE, LARGEST, POWER, RULES, SHARE_D, SHARE_G, TINY, apart, measured
from gan_env.records import FLOOR, Moment

BOUND = 10.0


@dataclass(frozen=True)
class Statistic:
    """One entry of the observation.

    Attributes:
        name: unique name.
        group: what `EnvConfig.observation` switches it by.
        compute: the values `[N]`.
        description: what it is.
        formula: the same in symbols. x: real samples as D sees them, z: latents, w: weights, g: a gradient, L: a loss,
            m: the metric, after t of T decisions; E: the mean over batch and interval, rms: the root of the mean square
            over the interval.
        inverse: takes observed values back to what they stand for (a learning rate, not its logarithm), so that no
            policy undoes a scaling by hand; None: no policy needs it.
        low, high: bounds; values are clipped to them.
        source: where it comes from, if it was published.
    """

    name: str
    group: str
    compute: Callable[[Moment], Tensor]
    description: str
    formula: str = ""
    inverse: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    low: float = -BOUND
    high: float = BOUND
    source: str = ""


ADA = "Karras et al. 2020, arXiv:2006.06676"
METRIC_SOURCES = (
    "points: Rabin et al. 2011, sliced Wasserstein; images: Heusel et al. 2017, arXiv:1706.08500, other features"
)
SHARE_OF_G = f"s = min({SHARE_G:g} (1 + |d'|)^({POWER:g} sign d'), 1); d' as in separation"
REGISTERED: dict[str, Statistic] = {}
"""Users' own statistics by name, each a group of its own; `gan_env.register_statistic` fills it."""


def symlog(x: Tensor) -> Tensor:
    """sign(x) log(1 + |x|): keeps small values, tames heavy tails (Hafner et al. 2023, arXiv:2301.04104)."""
    return torch.sign(x) * torch.log1p(x.abs())


def _log(x: Tensor) -> Tensor:
    """log10 with a floor, so that an observation before the first update is finite."""
    return torch.log10(x + FLOOR)


def _log_ratio(a: Tensor, b: Tensor) -> Tensor:
    """log10 of a / b, 0 before the first update."""
    return torch.log10((a + TINY) / (b + TINY))


def _logarithm(name: str, base: int, shift: int) -> Statistic:
    """A hyperparameter on a log scale."""
    describe, log = f"log{base} {HYPERPARAMETERS[name].what}, {shift:+d}", {10: torch.log10, 2: torch.log2}[base]
    compute, inverse = lambda m: log(getattr(m.settings, name)) + shift, lambda x: float(base) ** (x - shift)
    return Statistic(name, "context", compute, describe, f"log{base}({name}) {shift:+d}", inverse)


def _share(name: str, what: str) -> Statistic:
    """A hyperparameter between 0 and 1."""
    return Statistic(name, "context", lambda m: getattr(m.settings, name), what, name, lambda x: x, 0, 1)


def _relative_rate(unit: str, player: str, wanted: str, *where: str) -> Statistic:
    """The learning rate of G or D, relative to its weights, over what the rule of a unit wants: a formula in t."""
    compute, inverse = lambda m: _log(measured(m, unit)[:, "GD".index(player)]), lambda x: 10.0**x
    describe = f"log10 of {player}'s learning rate over what the rule {RULES[unit]} wants"
    formula = "; ".join([f"log10(lr_{player} / (rms(w_{player}) {wanted}))", f"t: updates of {player}", *where])
    return Statistic(f"{unit}_{player.lower()}", unit, compute, describe, formula, inverse)


def _knob(index: int, name: str) -> Statistic:
    """Where a controlled knob is."""
    compute, inverse = lambda m: 2 * m.coordinates[:, index] - 1, lambda x: (x + 1) / 2
    return Statistic(f"knob_{name}", "knobs", compute, "the knob's coordinate u, as -1 to 1", "2u - 1", inverse, -1, 1)


def _chosen(index: int, name: str) -> Statistic:
    """Whether a run has a loss."""
    compute, describe = lambda m: (m.settings.loss == index).float(), f"1 where the adversarial loss is {name}"
    return Statistic(f"loss_{name}", "context", compute, describe, f"1 if loss = {name} else 0", low=0, high=1)


PROGRESS = Statistic(
    "progress", "progress", lambda m: m.progress, "share of the budget used", "t / T", lambda x: x, 0, 1
)
FIXED = (
    Statistic("logit_real", "logits", lambda m: symlog(m.stats.logit_real), "symlog mean logit on real",
              "symlog(E[D(x)])"),
    Statistic("logit_fake", "logits", lambda m: symlog(m.stats.logit_fake), "symlog mean logit on fake",
              "symlog(E[D(G(z))])"),
    Statistic("sign_real", "logits", lambda m: m.stats.sign_real, "E[sign D(real)], ADA's r_t",
              "E[sign(D(x) - c)]; c = 1/2 with the least-squares loss, else 0", low=-1, high=1, source=ADA),
    Statistic("sign_fake", "logits", lambda m: m.stats.sign_fake, "E[sign D(fake)]",
              "E[sign(D(G(z)) - c)]; c = 1/2 with the least-squares loss, else 0", low=-1, high=1),
    Statistic("clean_train", "validation", lambda m: symlog(m.stats.clean_train),
              "symlog mean logit on undisturbed training samples", "symlog(E_train[D])"),
    Statistic("overfitting", "validation", lambda m: symlog(m.stats.clean_train - m.stats.clean_held_out),
              "symlog of the mean logit on training samples minus that on validation samples",
              "symlog(E_train[D] - E_validation[D])", source=f"what r_v measures in {ADA}"),
    Statistic("loss_d", "losses", lambda m: symlog(m.stats.loss_d), "symlog loss of D", "symlog(E[L_D])"),
    Statistic("loss_g", "losses", lambda m: symlog(m.stats.loss_g), "symlog loss of G", "symlog(E[L_G])"),
    Statistic("spread_d", "losses", lambda m: _log(m.stats.spread_d), "log10 spread of D's loss",
              "log10(std(L_D))"),
    Statistic("spread_g", "losses", lambda m: _log(m.stats.spread_g), "log10 spread of G's loss",
              "log10(std(L_G))"),
    Statistic("grad_d", "gradients", lambda m: _log(m.stats.grad_d), "log10 norm of D's gradient",
              "log10(rms |g_D|)"),
    Statistic("grad_g", "gradients", lambda m: _log(m.stats.grad_g), "log10 norm of G's gradient",
              "log10(rms |g_G|)"),
    Statistic("grad_ratio", "gradients", lambda m: _log(m.stats.grad_g) - _log(m.stats.grad_d),
              "log10 ratio of G's gradient norm to D's", "log10(rms |g_G| / rms |g_D|)"),
    Statistic("penalty", "slope", lambda m: _log(m.stats.penalty), "log10 E||grad D(real)||^2",
              "log10(E[|dD/dx|^2])", source="R1 of Mescheder et al. 2018, arXiv:1801.04406"),
    Statistic("step_d", "steps", lambda m: _log(m.stats.step_d), "log10 of D's |step| / |weights|",
              "log10(rms(|w_D' - w_D| / |w_D|))", lambda x: 10.0**x),
    Statistic("step_g", "steps", lambda m: _log(m.stats.step_g), "log10 of G's |step| / |weights|",
              "log10(rms(|w_G' - w_G| / |w_G|))", lambda x: 10.0**x),
    Statistic("align_d", "steps", lambda m: m.stats.align_d,
              "cosine of D's gradient and the running mean of those before",
              "E[cos(g_D, m_D)]; m_D: Adam's first moment", low=-1, high=1),
    Statistic("align_g", "steps", lambda m: m.stats.align_g,
              "cosine of G's gradient and the running mean of those before",
              "E[cos(g_G, m_G)]; m_G: Adam's first moment", low=-1, high=1),
    Statistic("separation", "balance",
              lambda m: symlog(apart(m.stats.logit_real, m.stats.logit_fake, m.stats)),
              "symlog of the standard deviations between the mean logits on real and on fake",
              "symlog((E[D(x)] - E[D(G(z))]) / s); s^2 = (var[D(x)] + var[D(G(z))]) / 2",
              source="the sensitivity index d' of signal detection (Green and Swets 1966)"),
    Statistic("variety", "balance",
              lambda m: _log_ratio(m.stats.logit_spread_fake, m.stats.logit_spread_real),
              "log10 ratio of the logits' spread on fake to that on real: low where fakes look alike to D",
              "log10(std[D(G(z))] / std[D(x)])"),
    Statistic("step_ratio", "balance", lambda m: _log_ratio(m.stats.step_g, m.stats.step_d),
              "log10 ratio of G's |step| / |weights| to D's",
              "log10(rms(|w_G' - w_G| / |w_G|) / rms(|w_D' - w_D| / |w_D|))"),
    _relative_rate("balanced", "D", f"{SHARE_D:g} / sqrt(t + {AGE:g})"),
    _relative_rate("balanced", "G", f"s / sqrt(t + {AGE:g})", SHARE_OF_G),
    _relative_rate("limited", "D", f"min({SHARE_D:g} / sqrt(t), {LARGEST:g})"),
    _relative_rate("limited", "G", f"min(s / sqrt(t), {LARGEST:g})", SHARE_OF_G),
    Statistic("walk_d", "walk", lambda m: _log(m.stats.step_d / m.walk[:, 1]),
              "log10 of D's |step| / |weights| in units of a random walk's",
              "log10(rms(|w_D' - w_D| / |w_D|) / r); r = sqrt((1 - beta_1) / (1 + beta_1)) / sqrt(updates of D)",
              lambda x: 10.0**x),
    Statistic("walk_g", "walk", lambda m: _log(m.stats.step_g / m.walk[:, 0]),
              "log10 of G's |step| / |weights| in units of a random walk's",
              "log10(rms(|w_G' - w_G| / |w_G|) / r); r = sqrt((1 - beta_1) / (1 + beta_1)) / sqrt(updates of G)",
              lambda x: 10.0**x),
    Statistic("push_d", "response",
              lambda m: symlog(10 * apart(m.stats.logit_fake, m.stats.logit_after, m.stats)),
              "symlog of ten times how far one step of D pushes the mean logit on fake down, in units of the "
              "logits' spread; where the logits are level, G's steps push it up as far",
              "symlog(10 (E[D(G(z))] - E[D'(G(z))]) / s); D': D after its step; s as in separation"),
    Statistic("saturated_real", "response", lambda m: m.stats.saturated_real,
              "share of real samples of which D is so sure that its loss is flat; 0 with losses that one logit "
              "alone can't make flat",
              "E[D(x) - c > a]; c = 0 and a = log 9 with the non-saturating loss, a = 1 with hinge; else 0",
              low=0, high=1),
    Statistic("saturated_fake", "response", lambda m: m.stats.saturated_fake,
              "the same share of fakes", "E[c - D(G(z)) > a]", low=0, high=1),
    Statistic("grad_d_change", "changes", lambda m: _log_ratio(m.stats.grad_d, m.first_grad_d),
              "log10 ratio of D's gradient norm to that of the run's first interval",
              "log10(rms |g_D| / rms_1 |g_D|); rms_1: over the first interval"),
    Statistic("grad_g_change", "changes", lambda m: _log_ratio(m.stats.grad_g, m.first_grad_g),
              "log10 ratio of G's gradient norm to that of the run's first interval",
              "log10(rms |g_G| / rms_1 |g_G|); rms_1: over the first interval"),
    Statistic("size_g", "size", lambda m: torch.log10(m.parameters[:, 0]) - 4,
              "log10 of how many weights and biases G has, -4", "log10(number of w_G) - 4"),
    Statistic("size_d", "size", lambda m: torch.log10(m.parameters[:, 1]) - 4,
              "log10 of how many weights and biases D has, -4", "log10(number of w_D) - 4"),
    Statistic("updates", "size", lambda m: torch.log10(m.updates) - 3,
              "log10 of the updates of the whole run, -3", "log10(updates in T decisions) - 3",
              inverse=lambda x: 10 ** (x + 3)),
    Statistic("log_metric", "quality", lambda m: m.quality.log_metric, "log quality metric", "log m(t)",
              source=METRIC_SOURCES),
    Statistic("improvement", "quality", lambda m: m.quality.log_metric - m.first,
              "log metric minus that of the untrained generator", "log m(t) - log m(0)"),
    Statistic("change", "quality", lambda m: 5 * (m.quality.log_metric - m.previous),
              "five times the log metric's last change", "5 (log m(t) - log m(t-1))"),
    Statistic("above_best", "quality", lambda m: 5 * (m.quality.log_metric - m.best),
              "five times the log metric's distance from the best before",
              "5 (log m(t) - min over s < t of log m(s))"),
    Statistic("collapse", "quality", lambda m: m.quality.collapse,
              "log of the samples' spread over the data's: negative when modes collapse",
              "log(E|f(G(z)) - f(G(z'))| / E|f(x) - f(x')|); f: the metric's features"),
    _logarithm("lr_g", 10, 3),
    _logarithm("lr_d", 10, 3),
    _share("beta_1", HYPERPARAMETERS["beta_1"].what),
    _logarithm("num_samples", 10, -3),
    _logarithm("batch_size", 2, -5),
    _share("width_g", "share of the largest width of G"),
    _share("width_d", "share of the largest width of D"),
    _logarithm("gain_g", 10, 0),
    _logarithm("gain_d", 10, 0),
    _logarithm("input_scale", 10, 0),
)  # fmt: skip
"""Those that all runs have; the others stand for knobs, losses, and what users register."""


def statistics(knob_names: Sequence[str], losses: Sequence[str]) -> list[Statistic]:
    """The whole table, in the order of the observation's entries.

    Args:
        knob_names: the controlled knobs.
        losses: the adversarial losses that instances may have, in the order of `RowSettings.loss`.
    """
    return [
        PROGRESS,
        *(_knob(index, name) for index, name in enumerate(knob_names)),
        *FIXED,
        *(_chosen(index, name) for index, name in enumerate(losses)),
        *(REGISTERED[name] for name in sorted(REGISTERED)),
    ]


def groups_of(names: Sequence[str], knob_names: Sequence[str], losses: Sequence[str]) -> tuple[str, ...]:
    """The groups that statistics are in, by their names; a name that isn't known stands for a group of its own."""
    known = {s.name: s.group for s in statistics(knob_names, losses)}
    return tuple(dict.fromkeys(known.get(name, name) for name in names))
