"""The loop's two optimisers: their learning rates are written, their gradients and steps are read by hooks."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from gan_env.controller.limits import warn_loop
from gan_env.controller.watched import (
    Watched,
    age,
    leaves,
    momentum_of,
    of_adam,
    parameters_of,
    plain,
    relative_rates_of,
)
from gan_env.errors import ConfigError, require
from gan_env.mdp.steps import walk_step

PLAYERS = ("g", "d")
STEERED = "_gan_env_steered"
"""The mark of an optimiser whose learning rates a controller writes."""


class Optimisers:
    """The optimisers of both players.

    Args:
        generator, discriminator: `torch.optim.Optimizer`s, or wrappers that have one as `optimizer` (accelerate's,
            Lightning's).
        warmup: steps of a player over which rates that are written rise linearly to what they are set to.

    Attributes:
        rates: learning rate of each parameter group of each player, as the optimiser was given.
        stepped: the players that took a step since this was last cleared.

    Raises:
        ConfigError: one isn't an optimiser or has a learning rate of 0, both move the same parameters or share a
            learning rate, or parameters are sharded.
    """

    def __init__(self, generator: Any, discriminator: Any, warmup: int = 0) -> None:
        self._optimisers = {"g": plain("opt_g", generator), "d": plain("opt_d", discriminator)}
        ids = [{id(p) for p in parameters_of(optimiser)} for optimiser in self._optimisers.values()]
        require(
            not ids[0] & ids[1],
            "opt_d",
            type(discriminator).__name__,
            "an optimiser of other parameters than those of opt_g",
        )
        parameters = [p for optimiser in self._optimisers.values() for p in parameters_of(optimiser)]
        sharded = sorted({type(p).__name__ for p in parameters if hasattr(p, "to_local")})
        require(not sharded, "parameters", sharded, "whole ones: norms of sharded parameters (FSDP) are not supported")
        groups = [group for optimiser in self._optimisers.values() for group in optimiser.param_groups]
        tensors = [id(group["lr"]) for group in groups if isinstance(group["lr"], Tensor)]
        own = "a tensor of its own in each group: pass lr.clone()"
        require(len(set(tensors)) == len(tensors), "lr", "one tensor for several groups", own)
        self.rates = {player: [float(g["lr"]) for g in o.param_groups] for player, o in self._optimisers.items()}
        for player, rates in self.rates.items():
            above = (
                "one above 0, such as 1e-3: make a scheduler that warms up after `load`; it has an effect only where "
                "the policy leaves learning rates alone"
            )
            require(rates[0] > 0, f"opt_{player}", f"a learning rate of {rates[0]:g}", above)
        self.warmup = warmup
        self._units = dict.fromkeys(PLAYERS, 1.0)  # what a knob is a factor on, as a factor on `rates`
        self.stepped: set[str] = set()
        self._steps = dict.fromkeys(PLAYERS, 0)  # 0 until the first that is seen
        self._written: dict[str, list[float]] = {player: [] for player in PLAYERS}  # what its first groups are set to
        self._left: dict[str, list[object]] = {player: [] for player in PLAYERS}  # and what `_marks` were then
        self._warned = False
        self._hooks: list[RemovableHandle] = []
        self._steered: set[str] = set()  # players whose rates are written

    def begin_at(self, rates: Mapping[str, float]) -> dict[str, float]:
        """From now on a knob is a factor on these learning rates of the players' first groups, `lr_g` and `lr_d`.

        Other groups keep their ratios. Knobs that are not named stay factors on what the optimiser was given.

        Returns:
            The named knobs' values now.
        """
        for name, rate in rates.items():
            player = name.removeprefix("lr_")
            self._units[player] = rate / self.rates[player][0]
        return {name: 1 / self._units[name.removeprefix("lr_")] for name in rates}

    def watch(
        self, observe: Callable[[dict[str, Tensor]], None], needed: Collection[str] = (), steered: Collection[str] = ()
    ) -> None:
        """From now on `observe` is given what each step shows, a number [] each, and rates of `steered` are held.

        What something else writes into their groups is overwritten before the next step, with one warning.

        Always `square_grad_d`, the squared norm of the gradient. Where they are `needed`: `align_d`, the cosine of the
        gradient and Adam's running mean of those before; and `square_step_d`, the square of |step| / |weights|, for
        which the weights are copied at every step.

        Raises:
            ConfigError: a cosine is needed, and an optimiser has no running mean of gradients; or another controller
                writes the rates of a player in `steered`. Nothing has changed then.
        """
        for player, optimiser in self._optimisers.items():
            averages = f"align_{player}" not in needed or "betas" in optimiser.defaults
            adams = f"one of Adam's kind: the controller observes align_{player}, which needs its mean of gradients"
            require(averages, f"opt_{player}", type(optimiser).__name__, adams)
            if player in steered and hasattr(optimiser, STEERED):
                raise ConfigError(
                    f"opt_{player} has a controller already, which writes its learning rates: call `remove()` of that "
                    "controller first, or make the optimisers anew"
                )
        self._steered = set(steered)
        for player in self._steered:
            setattr(self._optimisers[player], STEERED, True)
        for player, optimiser in self._optimisers.items():
            watched = Watched(player, observe, needed)
            before, after = optimiser.register_step_pre_hook, optimiser.register_step_post_hook
            self._hooks += [before(self._begin(player)), before(watched.before_step), after(watched.after_step)]

    @property
    def device(self) -> torch.device:
        """Where the discriminator is."""
        return next(iter(parameters_of(self._optimisers["d"]))).device

    def require_order(self, logits: Tensor) -> None:
        """Refuses optimisers in the wrong order: D's logits on real inputs come from D's weights.

        Args:
            logits: those, with their graph; without one nothing is known.

        Raises:
            ConfigError: they come from weights of the generator's optimiser, and from none of the discriminator's.
        """
        found = leaves(logits)
        of_g, of_d = (any(id(p) in found for p in parameters_of(self._optimisers[who])) for who in PLAYERS)
        if of_g and not of_d:
            raise ConfigError(
                "the logits on real inputs come from weights of opt_g: give the generator's optimiser first, then the "
                "discriminator's"
            )

    @property
    def drift(self) -> dict[str, float]:
        """What something else, such as a scheduler, has made of rates that aren't steered, as factors on the first."""
        others = [player for player in PLAYERS if player not in self._steered]
        now = {player: float(self._optimisers[player].param_groups[0]["lr"]) for player in others}
        return {f"lr_{player}": rate / self.rates[player][0] for player, rate in now.items()}

    def adams(self, rates: Collection[str]) -> bool:
        """Whether all with these rates are of Adam's kind, which makes steps of one size whatever the gradient's."""
        return all(of_adam(self._optimisers[player]) for player in PLAYERS if f"lr_{player}" in rates)

    def of_both(self, sized: bool) -> dict[str, Tensor]:
        """What a `Moment` has of the generator and of the discriminator, [1, 2] each.

        Args:
            sized: whether `relative_rates` are needed, which takes norms of all weights; else they are 1. They are 0
                where an optimiser isn't of Adam's kind. Every rank has to ask.
        """
        optimisers = [self._optimisers[player] for player in PLAYERS]
        counts = [float(sum(p.numel() for p in parameters_of(optimiser))) for optimiser in optimisers]
        ages = torch.tensor([[float(self._steps[who] or age(self._optimisers[who])) for who in PLAYERS]])
        momenta = torch.tensor([[momentum_of(optimiser) or 0.0 for optimiser in optimisers]])
        return {
            "parameters": torch.tensor([counts]),
            "ages": ages,
            "walk": walk_step(ages, momenta),
            "relative_rates": relative_rates_of(optimisers, self._rates()) if sized else torch.ones(1, 2),
        }

    @property
    def context(self) -> dict[str, float]:
        """What a controller may know of how the loop was started: learning rates, and momentum where there is one."""
        momentum = momentum_of(self._optimisers["g"])
        known = {} if momentum is None else {"beta_1": momentum}
        return known | {f"lr_{player}": self._units[player] * self.rates[player][0] for player in PLAYERS}

    @property
    def start(self) -> dict[str, Any]:
        """What has to be the same on all ranks, for people; the last bits of a rate don't count."""
        found: dict[str, Any] = {}
        for player, optimiser in self._optimisers.items():
            found[f"learning rates of opt_{player}"] = ", ".join(f"{rate:.6g}" for rate in self.rates[player])
            found[f"momentum of opt_{player}"] = momentum_of(optimiser)
            found[f"steps of opt_{player} so far"] = age(optimiser)
        found["warmup_steps"] = self.warmup
        return found

    def write(self, factors: Mapping[str, float]) -> None:
        """Sets each learning rate to factor x where it counts from; keys are `lr_g` and `lr_d`."""
        for name, factor in factors.items():
            player = name.removeprefix("lr_")
            self._add_groups(player)
            self._written[player] = [factor * self._units[player] * rate for rate in self.rates[player]]
            self._write(player)

    def _rates(self) -> list[list[float]]:
        """Of all groups: those that were written, not a scheduler's; of a player that isn't steered its own."""
        for player in self._steered:
            self._add_groups(player)
        groups = {player: optimiser.param_groups for player, optimiser in self._optimisers.items()}
        return [self._written[player] or [float(group["lr"]) for group in groups[player]] for player in PLAYERS]

    def _own(self, player: str) -> list[float]:
        """The rates that the groups came with, those that were added since included.

        One that came with the rate of an older group, as it is written now, keeps to that group.
        """
        rates = self.rates[player]
        older = list(zip(self._risen(player), rates, strict=False))  # none where nothing is written
        new = [float(group["lr"]) for group in self._optimisers[player].param_groups[len(rates) :]]
        return rates + [next((own for now, own in older if math.isclose(now, lr, rel_tol=1e-6)), lr) for lr in new]

    def _add_groups(self, player: str) -> None:
        """Groups that were added since get the factor of the others."""
        rates, written = self._own(player), self._written[player]
        new = rates[len(self.rates[player]) :]
        if new:
            self.rates[player] = rates
            written += [written[0] / rates[0] * rate for rate in new]
            self._write(player)

    def _risen(self, player: str) -> list[float]:
        """What the rates of its first groups are in the warm-up's next step: a part of what they are set to."""
        taken = self._steps[player] or age(self._optimisers[player])
        part = min(1.0, max(taken, 1) / max(self.warmup, 1))
        return [part * rate for rate in self._written[player]]

    def _write(self, player: str) -> None:
        groups = self._optimisers[player].param_groups
        for group, rate in zip(groups, self._risen(player), strict=False):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._left[player] = self._marks(player)

    def _marks(self, player: str) -> list[object]:
        """What differs once something else sets a rate. A tensor isn't read: that would wait for its device."""
        rates = [group["lr"] for group in self._optimisers[player].param_groups[: len(self._written[player])]]
        return [(id(rate), rate._version) if isinstance(rate, Tensor) else rate for rate in rates]

    def _begin(self, player: str) -> Callable[..., None]:
        """A hook before each step of a player: counts it, and sees to it that the rates are those that were written."""

        def begin(*_: Any) -> None:
            self.stepped.add(player)
            others = player in self._steered and self._marks(player) != self._left[player]
            if others:
                self._note_others(player)
            self._steps[player] = (self._steps[player] or age(self._optimisers[player])) + 1
            if others or (player in self._steered and self._steps[player] <= self.warmup):
                self._write(player)

        return begin

    def _note_others(self, player: str) -> None:
        """Warns once where a rate isn't the one that was written."""
        pairs = zip(self._optimisers[player].param_groups, self._risen(player), strict=False)
        found = [] if self._warned else [(float(group["lr"]), rate) for group, rate in pairs]
        others = [(lr, rate) for lr, rate in found if not math.isclose(lr, rate, rel_tol=1e-6)]
        if others:
            self._warned = True
            lr, rate = others[0]
            warn_loop(
                f"something else writes learning rates as well ({lr:g} where the controller had written {rate:g} for"
                f" lr_{player}): the controller's hold. Leave out the lr_scheduler, load the controller's own state"
                " after a restart, or use dry_run=True"
            )

    def remove(self) -> None:
        """Takes the hooks off and gives the rates that were written back as they were."""
        for hook in self._hooks:
            hook.remove()
        units, warmup = self._units, self.warmup
        self._units, self.warmup = dict.fromkeys(PLAYERS, 1.0), 0
        self.write({f"lr_{player}": 1.0 for player in self._steered})
        self._units, self.warmup = units, warmup  # a state that is taken now is whole
        for player in self._steered:
            delattr(self._optimisers[player], STEERED)
        self._steered = set()

    def get_state(self) -> dict[str, Any]:
        """The rates that the optimisers were given, where knobs count from, steps so far, and those of the warm-up."""
        rates = {player: self._own(player) for player in PLAYERS}
        counts = {"stepped": sorted(self.stepped), "steps": dict(self._steps)}
        return {"rates": rates, "units": dict(self._units), "warmup": self.warmup, **counts}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `get_state` gave.

        Raises:
            ConfigError: an optimiser has another number of parameter groups.
        """
        for player, rates in state["rates"].items():
            groups = len(self._optimisers[player].param_groups)
            require(groups == len(rates), f"groups of opt_{player}", groups, f"{len(rates)}, as when it was saved")
        self.rates = {player: list(rates) for player, rates in state["rates"].items()}
        self._units, self.warmup = dict(state["units"]), state.get("warmup", 0)
        self.stepped, self._steps = set(state["stepped"]), dict(state.get("steps", self._steps))
