"""`GANController`: a learned controller, a schedule or an adaptive rule in any training loop."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_env.controller.arguments import (
    ARGUMENTS,
    GIVEN,
    ONCE,
    as_averages,
    checked,
    needed,
    require_context,
    require_shown,
    require_warmup,
    source,
)
from gan_env.controller.averages import LATEST, Averages
from gan_env.controller.clock import Clock, whole
from gan_env.controller.course import Course
from gan_env.controller.inputs import KNOBS, disturbed
from gan_env.controller.limits import LASTING, Warnings, after_the_end, oddities, outside_of_training, why_kept
from gan_env.controller.moments import settings_of
from gan_env.controller.optimisers import PLAYERS, Optimisers
from gan_env.controller.player import Player, find_player
from gan_env.controller.ranks import require_alike
from gan_env.controller.report import Report
from gan_env.errors import require
from gan_env.gan.losses import LOSSES, AdversarialLoss
from gan_env.mdp.knobs import RATES
from gan_env.resume import require_same_form
from gan_env.workers import torch_defaults

IDLE = 50
"""Calls of `step` in a row after which a player that took no step is not waited for any longer."""
FORGOTTEN = 1000
"""Calls of `observe` in a row, more than an update shown in parts has, after which `step` seems to be forgotten."""


class GANController:
    """Turns the knobs of a GAN's training: learning rates, and whatever else the loop takes from it.

    The run's updates are cut into as many intervals as the policy has decisions:

    - A schedule or rule has 1,000, fewer where an interval would be shorter than four updates.
    - A learned controller has those of its training. In the action modes "steps", "balanced" and "limited" it decides
      as often as a rule if that is more often, provided that it has no memory and sees only progress, knobs, `steps`,
      `balance`, `walk`, `balanced`, `limited` and `size`.
    - A registered policy has the knobs, the action mode and the number of decisions that `gan_env.GANVectorEnv` has by
      default.

    At the start of each interval, the first included, the policy sees what an environment would show of such a run and
    moves the knobs. The result is written into the optimisers' groups (`lr_g`, `lr_d`) and read by the loop
    (`control["r1"]`, `control.augment`).
    Learning rates are factors: on those that the optimisers were given; or, where all runs of a learned controller's
    training began with one rate, on that one. They hold until the next decision: what something else sets, such as an
    lr_scheduler, is overwritten before each step. After `total_steps` updates the knobs stay as they are. A decision
    waits until both players have taken a step since the last one, for 50 updates at most.

    Means are over all that was shown in an interval; with `torch.distributed` initialised, over all ranks, so that all
    decide alike. What isn't finite is left out; where an interval has nothing finite, the knobs stay.

    Make one by `GANController.load`.

    Attributes:
        dry_run: whether it reports what it would do, and moves nothing.

    Example:
        >>> import torch
        >>> g, d = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        >>> opt_g, opt_d = (torch.optim.Adam(net.parameters(), 2e-4) for net in (g, d))
        >>> control = GANController.load("ada", opt_g, opt_d, total_steps=1000)
        >>> images = control.augment(torch.rand(8, 3, 16, 16))
        >>> control["augment"]
        tensor(0.)
    """

    def __init__(
        self,
        player: Player,
        opt_g: Any,
        opt_d: Any,
        total_steps: int,
        untrained: Mapping[str, Any] | None,
        context: Mapping[str, Any] | None,
        dry_run: bool,
        warmup_steps: int,
    ) -> None:
        loop = player.loop
        enough = f"at least {loop.config.num_decisions}, one update a decision"
        require(total_steps >= loop.config.num_decisions, "total_steps", total_steps, enough)
        require_warmup(warmup_steps, total_steps, player.name, any(rate in player.moves for rate in RATES))
        self.player, self.dry_run = player, dry_run
        self._moves = () if dry_run else player.moves
        self._clock = Clock(total_steps, loop.config.num_decisions)
        self._optimisers = Optimisers(opt_g, opt_d, int(warmup_steps))
        self._course = Course(player, self._optimisers, dry_run)
        self._averages = Averages(self._optimisers.device)
        context = {**self._optimisers.context, **checked("context", context, GIVEN)}
        require_context(context, player.fields, player.name)
        self._context = context
        self._warn = Warnings()
        self._used: set[str] = set()  # knobs that the loop has asked for
        self._waited = 0  # calls of `step` in a row that didn't count
        self._shown = 0  # calls of `observe` since the last one of `step`
        self._ordered = False  # whether the order of the optimisers was looked at
        self._calls, self._calls_of_g = 0, 0  # of `step` after any step and after one of G; since a restart
        self._begun: set[str] = set()  # players that took a step
        self._since: set[str] = set()  # those that took one since the last decision
        self._needed = needed(player.fields)  # averages of what is shown
        before = checked("untrained", untrained, ONCE)
        broken = [source(name) for name, value in as_averages(before, self._loss)[0].items() if not value.isfinite()]
        require(not broken, "untrained", broken, "finite numbers and logits")
        require_alike(player, total_steps, dry_run, self._optimisers, context)
        self.observe(**before)
        at_start = [name for name in self._needed if source(name) in ONCE]
        require_shown(at_start, self._averages, player.name, "load(untrained={...})")
        steered = [who for who in PLAYERS if f"lr_{who}" in self._moves]
        self._optimisers.watch(self._averages.add, self._needed, steered)
        try:  # nothing is refused from here on, but a warning may be an error
            self._warn_before(total_steps)
            self._write()
            self._decide()
        except BaseException:
            self._optimisers.remove()
            raise

    @classmethod
    def load(
        cls,
        name_or_folder: str | Path,
        opt_g: Any,
        opt_d: Any,
        *,
        total_steps: int,
        untrained: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        warmup_steps: int = 0,
    ) -> "GANController":
        """Makes a controller, which takes its first decision at once.

        Args:
            name_or_folder: a folder with a trained controller (`controller.json`), a policy in configs/policy/:
                "cosine_rates", "ada", "tuned/points/schedule_0"; or the path of a policy's YAML file, as those there
                and as `python baselines/tune.py` writes them.
            opt_g: optimiser of the generator, with the learning rates that it starts from.
            opt_d: likewise of the discriminator.
            total_steps: updates of the whole run; `change_total_steps` changes it later.
            untrained: what the policy sees before the first update, where it observes that: `clean`, `held_out`,
                `metric` and `spread`, as arguments of `observe`.
            context: the run's hyperparameters. `loss`, a name in `gan_env.gan.losses.LOSSES`, says around which logit D
                parts real from fake (0, or 1/2 with least squares), and how far from it D's loss is flat. The others,
                fields of `gan_env.Instance`, are needed where the policy observes them; widths are shares of the widest
                network. `lr_g`, `lr_d` and `beta_1` are the optimisers' own.
            dry_run: report what it would do, and move nothing.
            warmup_steps: steps of each player over which its learning rate rises linearly to what the policy sets.

        Raises:
            ConfigError: something can't be used, or something that the policy observes is not given; or the ranks of
                `torch.distributed` would not decide alike.
        """
        total_steps = whole(total_steps)
        loss = context.get("loss") if isinstance(context, Mapping) else None
        require(loss is None or isinstance(loss, str), "context['loss']", loss, f"one of {list(LOSSES)}")
        with torch_defaults():
            player = find_player(name_or_folder, total_steps, loss)
            return cls(player, opt_g, opt_d, total_steps, untrained, context, dry_run, warmup_steps)

    def observe(self, **shown: Any) -> None:
        """Shows something of the update that runs; several calls an update are fine, and nothing is copied to the host.

        Args:
            **shown: `real`, `fake`: logits (before any sigmoid) of D's step on its real and fake inputs, any shape.
                `fake_after`: those of the same fakes after D has stepped, as G's step may have them. `loss_d`,
                `loss_g`: the adversarial losses, without penalties. `penalty`: E||grad D(x)||^2 on the real inputs,
                without gamma/2. Once an interval, of which the latest counts: `clean`, `held_out`: logits on training
                and validation samples without noise or augmentation; `metric`: a distance, lower is better; `spread`:
                the samples' mean distance over that of the data.

        Raises:
            ConfigError: an argument is unknown, or not what it should be.
        """
        found, batches = as_averages(checked("observe", shown, ARGUMENTS), self._loss)
        if found:
            self._averages.add(found)
        for logits in batches:
            self._averages.add_range(logits)
        if not self._ordered and shown.get("real") is not None:
            self._optimisers.require_order(shown["real"])
            self._ordered = True
        self._shown += 1
        if self._shown == FORGOTTEN:
            self._warn("forgotten", f"{FORGOTTEN} calls of observe() without one of step(): it is what decides")

    def step(self) -> None:
        """Counts an update, once all its gradients, losses and logits are known; at its time, decides.

        An update in which no optimiser took a step (as `GradScaler` skips it) is not counted.

        Raises:
            ConfigError: at the first update: something that the policy observes was never shown.
        """
        self._shown = 0
        if not self._optimisers.stepped:
            self._waited += 1
            if self._waited == IDLE:
                self._warn("idle", f"no optimiser took a step in {IDLE} calls of step(): such updates don't count")
            return
        self._waited = 0
        if len(self._begun) < len(PLAYERS):
            self._begun |= self._optimisers.stepped
            if len(self._begun) == len(PLAYERS):  # now everything has had its turn
                require_shown(self._needed, self._averages, self.player.name, "observe(...)")
        self._since |= self._optimisers.stepped
        self._calls += 1
        self._calls_of_g += "g" in self._optimisers.stepped
        self._optimisers.stepped.clear()
        self._clock.step += 1
        if self._clock.due(self._clock.step) and self._clock.step < self._clock.total:
            if len(self._since) == len(PLAYERS) or self._clock.overdue >= IDLE:
                self._clock.catch_up()
                self._decide()
                self._since.clear()
        elif self._clock.step == self._clock.total + 1:
            self._warn("end", after_the_end(self._clock.total, self._calls / max(1, self._calls_of_g)))

    @property
    def decides_next(self) -> bool:
        """Whether a decision is due at the next call of `step`: when to show what is costly, such as a metric.

        It stays due until both players have taken a step since the last one.
        """
        return self._clock.due(self._clock.step + 1) and self._clock.step + 1 < self._clock.total

    def change_total_steps(self, total_steps: int) -> None:
        """Spreads the decisions that are left over what is left of a run that becomes longer or shorter.

        Where more are left than updates, some are left out. Where none is left, the knobs stay, and a warning says so.

        Raises:
            ConfigError: so many updates are done already.
        """
        self._clock.change_total(total_steps)
        if self._clock.taken == self._clock.decisions:
            self._warn("none left", "all decisions are taken: the knobs stay as they are for the rest of the run")

    def __getitem__(self, knob: str) -> Tensor:
        """The value of a knob, [] on the discriminator's device; one that isn't moved has that of the training."""
        require(knob in self._values, "knob", knob, f"one of {sorted(self._values)}")
        self._used.add(knob)
        return self._values[knob].clone()

    def get(self, knob: str, own: float | Tensor) -> float | Tensor:
        """The value of a knob where the policy moves it; else, and in a dry run, the loop's `own`."""
        value = self[knob]
        return value if knob in self._moves else own

    def augment(self, x: Tensor) -> Tensor:
        """The discriminator's inputs, real or fake, with the augmentation and the noise that the policy sets.

        In a dry run, and with a policy that moves neither, they are as they were.

        Args:
            x: points [B, 2], or square images [B, C, H, W] in [-1, 1].

        Raises:
            ConfigError: `x` is something else.
        """
        self._used.update(KNOBS)
        return disturbed(x, self._values, self._moves)

    def report(self) -> Report:
        """What it saw, did and why: `print(control.report())` is a table, `control.report().save("run.png")` draws."""
        how = " (dry run: nothing was moved)" if self.dry_run else ""
        title = f"{self.player.name}: {self._clock.step:,} of {self._clock.total:,} updates{how}"
        rates = {name: rate for name, rate in self._optimisers.context.items() if name in RATES}
        return Report(title, tuple(self._course.history), rates)

    def remove(self) -> None:
        """Takes the hooks off the optimisers, and gives them their own learning rates back."""
        self._optimisers.remove()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a run changes, and the network with its normalisation: tensors and plain values."""
        saved = self.player.saved
        return {
            "interface": self.player.interface,
            "context": dict(self._context),
            "clock": self._clock.get_state(),
            **self._course.get_state(),
            "averages": self._averages.get_state(),
            "optimisers": self._optimisers.get_state(),
            "begun": sorted(self._begun),
            "since": sorted(self._since),
            "network": {} if saved is None else {k: v.clone() for k, v in saved.network.state_dict().items()},
        }

    @torch_defaults()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` gave; learning rates are written anew, and the length of the run is its own.

        Raises:
            ConfigError: it is of another policy, of another number of decisions, or of optimisers with other groups;
                or it is damaged. Nothing is changed.
        """
        self.player.require_own(state)
        own = self.state_dict()
        lacking = sorted(own.keys() - state.keys())
        require(not lacking, "the controller's state", sorted(state), f"{lacking}, too, as `state_dict` gives it")
        require_same_form("the controller's state", _fixed(state), _fixed(own))
        clock = Clock(**state["clock"])
        mend = f"{clock.total}, as when the state was saved; `change_total_steps` afterwards"
        require(clock.decisions == self._clock.decisions, "total_steps", self._clock.total, mend)
        if clock.total != self._clock.total:
            self._warn("total", f"total_steps={self._clock.total} is overwritten by that of the state: {mend}")
        self._optimisers.set_state(state["optimisers"])  # which may refuse
        if self.player.saved is not None:
            self.player.saved.network.load_state_dict(state["network"])
        self._context, self._clock = dict(state["context"]), clock
        self._course.set_state(state)
        self._averages.set_state(state["averages"])
        self._begun, self._since = set(state["begun"]), set(state["since"])
        self._write()

    # --- inside ---

    @property
    def _loss(self) -> AdversarialLoss:
        return LOSSES[self._context.get("loss", "non_saturating")]

    def _warn_before(self, total_steps: int) -> None:
        """Warns of a run that the policy was not made for."""
        player = self.player
        if player.holds_steps and not self._optimisers.adams(player.moves):
            relative = "relative_rates" in player.fields
            aims = "sets rates of Adam and its kin: others stay" if relative else "aims at step sizes found with Adam"
            self._warn("adam", f"{player.name!r} {aims}")
        if player.saved is not None:
            for what in outside_of_training(player.saved, total_steps, self._context):
                self._warn(what, f"{player.name!r} was not trained for {what}: its moves may be worse than none")

    @torch_defaults()
    def _decide(self) -> None:
        """Looks at the interval, moves the knobs and begins the next one."""
        first, offered = self._clock.taken == 0, self._averages.offered
        means, logits = self._averages.take()
        lacking = [] if first else [name for name in self._needed if name not in means]
        if lacking:
            why = why_kept(lacking, self._since)
            self._warn(why, f"{why}, in an interval that ended at update {self._clock.step}: the knobs stay")
            self._course.keep(self._clock, why)
            return
        settings = settings_of(self._context, self.player.loop.config.losses)
        seen = self._course.decide(means, self._clock, settings)
        self._write()
        if not first:
            unused = [knob for knob in self._moves if knob not in (*RATES, *self._used)]
            lost = sorted({source(name) for name, count in offered.items() if count and name not in means})
            stale = sorted({source(name) for name in self._needed if name in LATEST and not offered[name]})
            recent = self._course.history[-LASTING:]
            for key, text in oddities(self.player, seen, recent, logits, self._clock.step, unused, lost, stale).items():
                self._warn(key, text)

    def _write(self) -> None:
        """Writes the learning rates, and what `control[...]` gives."""
        values = self._course.values
        column = torch.stack(list(values.values())).squeeze(1).to(self._averages.device)
        self._values = dict(zip(values, column.unbind(), strict=True))
        self._optimisers.write({name: float(values[name]) for name in RATES if name in self._moves})


def _fixed(state: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a state that have the same form in all runs of a policy."""
    averages = {name: value for name, value in state["averages"].items() if name != "ever"}
    optimisers = {name: "" for name in ("rates", "stepped", "units") if name in state["optimisers"]}
    same = {name: state[name] for name in ("clock", "coordinates", "network", "past")}
    return {"averages": averages, "optimisers": optimisers, **same}
