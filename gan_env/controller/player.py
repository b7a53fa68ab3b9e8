"""What plays in a loop: a saved controller by its folder or name, or a schedule or adaptive rule by its name."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_env.config import RUN_OPTIONS, EnvConfig
from gan_env.controller.report import reasons
from gan_env.errors import ConfigError, closest, require
from gan_env.gan.losses import LOSSES
from gan_env.mdp.knobs import RATES, TARGETS, KnobSet, knob_table
from gan_env.mdp.observation import Observer
from gan_env.mdp.probe import fields_read
from gan_env.mdp.steps import WANTED
from gan_env.policies.adaptive import NEEDED, PARTING, RULES
from gan_env.policies.learned import LearnedPolicy, moves_rates, options_of
from gan_env.policies.presets import KINDS, PolicyOptions, load_policy, own_file, policy_names, shipped_controllers
from gan_env.policies.steering import Policy, State, step_of
from gan_env.records import MEANS
from gan_env.saved_controller import DESCRIPTION, SavedController
from gan_env.strict import replace

REACH = {"step_size": 1e3, "rates": 1e6}
"""Kind of policy -> how many times smaller or larger it may make a loop's own learning rates, which may be far off; a
rule that sets rates whatever they were counts as the latter."""
DECISIONS, UPDATES = 1000, 4
"""A schedule or a rule of gan_env takes at most so many decisions in a run, at least so many updates apart, ADA's
interval."""
TRACKED = {"progress", "knobs", "steps", "balance", "walk", *WANTED, "size"}
"""Groups of statistics that mean the same in intervals of any length."""


@dataclass(frozen=True)
class Loop:
    """Stands in for an environment where a policy plays in somebody's own training loop.

    A policy is made for it as for an environment: it says which knobs there are, what is observed and how actions move
    the knobs. It runs nothing.

    Attributes:
        config: the options, among them the number of decisions and the action mode.
        knobs: what is moved.
        observer: what is seen.
    """

    config: EnvConfig
    knobs: KnobSet
    observer: Observer

    @classmethod
    def of(cls, config: EnvConfig) -> "Loop":
        """The loop with the knobs and statistics of these options, on the CPU."""
        return cls(
            config, KnobSet(config, torch.device("cpu")), Observer(config.observation, config.knobs, config.losses)
        )


@dataclass(frozen=True)
class Player:
    """A policy, ready to act.

    Attributes:
        name: for people.
        reads: the statistics that it can't do without.
        moves: the knobs that it sets, not those that were constant in its training; none, where it is a schedule
            without knobs, such as `fixed`.
        saved: the controller, where it is one.
        options: those of the schedule or rule, where it is none.
    """

    name: str
    policy: Policy
    loop: Loop
    reads: tuple[str, ...]
    moves: tuple[str, ...]
    saved: SavedController | None = None
    options: PolicyOptions | None = None

    @property
    def interface(self) -> dict[str, Any]:
        """What the state of a run that it plays has to fit."""
        config, network = self.loop.config, None if self.saved is None else self.saved.network
        return {
            "policy": self.name,
            "knobs": [[knob.name, *knob.bounds] for knob in self.loop.knobs.controlled],
            "moves": [config.action_mode, config.max_first_change, config.max_change],
            "observation": list(self.loop.observer.names),
            "averages": list(MEANS),  # which differ between versions
            "network": [] if network is None else [*map(list, network.description), network.clip],
        }

    def require_own(self, state: object) -> None:
        """Refuses what is no state of a run that this policy plays.

        Raises:
            ConfigError: it isn't; the message is about the first thing that differs, the policy above all.
        """
        given = state.get("interface") if isinstance(state, Mapping) else None
        if not isinstance(given, Mapping):
            found = list(state)[:5] if isinstance(state, Mapping) else type(state).__name__
            expected = "that of a GANController, as its `state_dict` gives it"
            raise ConfigError(f"the controller's state={found!r} can't be used: expected {expected}")
        for key, own in self.interface.items():
            theirs = given.get(key)
            unlike, expected = theirs, repr(own)
            if isinstance(own, list) and isinstance(theirs, list):
                unlike = [entry for entry in theirs if entry not in own]
                expected = f"{[entry for entry in own if entry not in theirs]} (besides what both have, in its order)"
            require(theirs == own, f"the controller's state: {key}", unlike, expected)

    @property
    def holds_steps(self) -> bool:
        """Whether it asks for sizes of steps or relative rates: a controller by its mode, a rule by what it reads."""
        if self.saved is not None:
            return self.saved.interface.action_mode in TARGETS
        return any(step_of(rate, unit) in self.reads for rate in RATES for unit in ("step", *WANTED))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """What `reads` is computed from: fields of a `Moment` and of its `stats`, `quality` and `settings`.

        Raises:
            ConfigError: a statistic of one's own can't be computed.
        """
        observer, knobs = self.loop.observer, len(self.loop.config.knobs)
        read = [observer.statistics[observer.place(name)] for name in self.reads]
        return fields_read({f"the statistic {s.name!r}": s.compute for s in read}, knobs)

    def why(self, seen: Tensor, memory: State, moves: Tensor) -> dict[str, dict[str, float]]:
        """What led a trained controller to the action after an observation [1, F]: `Decision.why`.

        Args:
            seen: the observation.
            memory: that before the action.
            moves: of the knobs' coordinates, [K].
        """
        names = tuple(self.loop.observer.names)
        if self.saved is None:
            return {}  # a schedule or rule follows what it saw
        network = self.saved.network
        parts = network.blank(1) if memory is None else tuple(torch.from_numpy(part) for part in memory)
        most = int(moves.abs().argmax())
        return {self.loop.config.knobs[most]: reasons(network, names, most, seen, parts)}


def find_player(source: str | Path, total_steps: int, loss: str | None = None) -> Player:
    """The policy of a name, a folder or a YAML file, for a run of so many updates with a loss of `LOSSES`.

    Raises:
        ConfigError: there is none, its files are damaged, it adapts by gradients of the environment, or it does not
            work with the loss.
    """
    require(isinstance(source, str | Path), "controller", source, "a policy's name, or the path of its folder or file")
    shipped = shipped_controllers()
    folder = shipped.get(str(source), Path(source))
    if (folder / DESCRIPTION).is_file():
        return _learned(folder, str(source) if str(source) in shipped else folder.name, total_steps)
    own = own_file(source)
    if own is None and str(source) not in policy_names():
        names = [*shipped, *(name for name in policy_names() if not name.startswith("random"))]
        raise ConfigError(f"controller={str(source)!r} can't be found: {_hint(source, names)}")
    options = load_policy(source)
    fits = options.kind not in RULES or loss not in LOSSES or loss in PARTING
    require(fits, "context['loss']", loss, NEEDED)
    loop = Loop.of(_config(options, total_steps, (loss,) if loss in LOSSES else EnvConfig.losses))
    policy = options.make(loop)
    steering = getattr(policy, "steering", None)
    still = options.kind == "schedule" and not options.knobs
    reads = tuple(steering.reads) if steering else ()
    name = str(source) if own is None else own.name  # of the file alone: a state may be continued from another folder
    return Player(name, policy, loop, reads, () if still else loop.config.knobs, options=options)


def _hint(source: str | Path, names: Collection[str]) -> str:
    """How to mend what is neither one of the names nor the path of a policy."""
    path, near = Path(source), closest(str(source), names)
    if path.exists():
        written = f"the folder has no {DESCRIPTION}, which training scripts in agents/ write"
        why = written if path.is_dir() else "a policy's file ends in .yaml"
        return f"{why}; or did you mean {near!r}?" if near else why
    every = f"expected a folder with {DESCRIPTION}, a policy's YAML file, or one of {', '.join(names)}"
    return f"did you mean {near!r}?" if near else every


def _learned(folder: Path, name: str, total_steps: int) -> Player:
    saved = SavedController.load(folder)
    options = options_of(saved)
    rates, given = options.get("rates", EnvConfig.rates), f"{EnvConfig.rates!r}: a loop has no such rule"
    require(rates == EnvConfig.rates or not moves_rates(saved), f"{name}: the training's env.rates", rates, given)
    decisions = max(saved.interface.decisions, often(total_steps) if tracks(saved) else 0)
    elsewhere = ("preset", *RUN_OPTIONS)  # no imports
    fields = {name: value for name, value in options.items() if name not in elsewhere}
    interval = max(1, total_steps // decisions)
    fields |= {"num_decisions": decisions, "updates_per_decision": interval, "penalty_every": 1}  # the loop's own
    loop = Loop.of(replace(EnvConfig(), fields, "the controller's env."))
    return Player(name, LearnedPolicy(saved, loop), loop, saved.interface.observation, loop.config.knobs, saved)


def often(total_steps: int) -> int:
    """Decisions of what decides as often as it can in a run of so many updates."""
    return min(DECISIONS, max(1, total_steps // UPDATES))


def tracks(saved: SavedController) -> bool:
    """Whether a controller decides more often than in its training: it asks for steps or rates, by what is `TRACKED`.

    More decisions then hold them closer to what it asks for, from the first updates on. With a memory, or other
    statistics, it would be another controller.
    """
    groups, blank = set(options_of(saved)["observation"]), saved.network.blank(1)
    return saved.interface.action_mode in TARGETS and groups <= TRACKED and len(blank) == 0


def _config(options: PolicyOptions, total_steps: int, losses: tuple[str, ...]) -> EnvConfig:
    """The knobs that a policy names, set as it says; all others do nothing. A schedule of none leaves the rates.

    A registered policy moves the environment's default knobs, by its default action mode and number of decisions.
    """
    named = tuple(dict.fromkeys((*options.knobs, *options.table)))
    if options.kind in RULES:
        named = tuple(dict.fromkeys((options.rule.get("knob", RULES[options.kind].knob), *named)))
    elif options.kind == "schedule" and not named:
        named = ("lr_g", "lr_d")
    knobs = named or EnvConfig().knobs
    registered = options.kind not in KINDS
    reach = REACH["rates"] if options.rule.get("unit") in WANTED else REACH.get(options.kind)
    decisions = min(EnvConfig.num_decisions, total_steps) if registered else often(total_steps)
    needed = {*options.groups}
    return EnvConfig(
        knobs=knobs,
        observation=(*EnvConfig.observation, *sorted(needed - set(EnvConfig.observation))),
        initial_knobs={name: knob.neutral for name, knob in knob_table().items() if name not in knobs},
        knob_bounds=dict.fromkeys(RATES, (1 / reach, reach)) if reach else {},
        action_mode=EnvConfig.action_mode if registered else "absolute",
        losses=losses,
        num_decisions=decisions,
        updates_per_decision=max(1, total_steps // decisions),
    )
