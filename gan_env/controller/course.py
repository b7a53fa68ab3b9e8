"""The course of a run: where its knobs are, and the decisions that brought them there."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_env.controller.clock import Clock
from gan_env.controller.moments import Past, moment_of
from gan_env.controller.optimisers import Optimisers
from gan_env.controller.player import Player
from gan_env.controller.report import Decision
from gan_env.mdp.steps import measured
from gan_env.policies.steering import State, start_of
from gan_env.records import RowSettings


class Course:
    """What a policy decided in a run, and what it continues from.

    Args:
        player: the policy.
        optimisers: the loop's; where a controller's training began with one learning rate, its knobs become factors on
            that.
        dry_run: whether decisions move nothing.

    Attributes:
        coordinates: where the knobs are, [1, K] in [0, 1].
        values: of all knobs there, [1] each.
        past: what is remembered of the run's statistics.
        history: the decisions so far.
    """

    def __init__(self, player: Player, optimisers: Optimisers, dry_run: bool) -> None:
        self.player, self.optimisers, self.dry_run = player, optimisers, dry_run
        self.coordinates = self._start()
        self.values = player.loop.knobs.values(self.coordinates)
        self.past, self.history = Past(), list[Decision]()
        self._memory: State = None

    def _start(self) -> Tensor:
        """Where the knobs start, [1, K]; in a dry run a learning rate that isn't a factor is where the loop has it."""
        knobs, saved = self.player.loop.knobs, self.player.saved
        coordinates = knobs.starting_at(start_of(self.player.policy), 1)
        for name, now in self.optimisers.begin_at({} if saved is None else saved.starting_rates).items():
            if self.dry_run:
                column = self.player.loop.config.knobs.index(name)
                coordinates[:, column] = knobs.table[name].encode(torch.tensor(now))  # at a bound, where it is beyond
        return coordinates

    def decide(self, means: Mapping[str, Tensor], clock: Clock, settings: RowSettings) -> dict[str, float]:
        """Takes a decision, which moves the knobs unless it is a dry run; `means` and others as `moment_of` has them.

        Returns:
            What there was to see: statistic -> observed value.
        """
        loop, optimisers, first = self.player.loop, self.optimisers, clock.taken == 0
        of_both = optimisers.of_both(sized="relative_rates" in self.player.fields)
        moment = moment_of(means, self.past, self.coordinates, clock, settings, of_both)
        seen, before = loop.observer(moment), self._memory  # [1, F]
        action, self._memory = self.player.policy.predict(seen.numpy(), before, np.array([first]))
        steps = measured(moment, loop.config.action_mode)
        moved = loop.knobs.move(self.coordinates, torch.from_numpy(action), torch.tensor([first]), steps)
        values = loop.knobs.values(moved)
        observed = dict(zip(loop.observer.names, seen[0].tolist(), strict=True))
        shown = {name: observed[name] for name in self.player.reads}
        drift = optimisers.drift  # of rates that a scheduler sets, not the controller
        chosen = {name: float(values[name]) * drift.get(name, 1.0) for name in loop.config.knobs}
        why = self.player.why(seen, before, (moved - self.coordinates)[0])
        if not self.dry_run:
            self.coordinates, self.values = moved, values
        self.history.append(Decision(clock.step, shown, chosen, why, kept=""))
        clock.taken += 1
        return observed

    def keep(self, clock: Clock, why: str) -> None:
        """Takes a decision that leaves the knobs where they are."""
        last = self.history[-1]
        self.history.append(Decision(clock.step, last.seen, last.values, why={}, kept=why))
        clock.taken += 1

    def get_state(self) -> dict[str, Any]:
        """A copy of all, as tensors and plain values.

        The history is a tuple: of a list `torch.distributed.checkpoint` would read as much as the new run's is long.
        """
        return {
            "coordinates": self.coordinates.clone(),
            "memory": None if self._memory is None else [torch.from_numpy(part.copy()) for part in self._memory],
            "past": self.past.get_state(),
            "history": tuple(dict(vars(decision)) for decision in self.history),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `get_state` gave, wherever its tensors are."""
        self.coordinates, memory = state["coordinates"].cpu().clone(), state["memory"]
        self.values = self.player.loop.knobs.values(self.coordinates)
        self._memory = None if memory is None else tuple(part.cpu().numpy().copy() for part in memory)
        self.past = Past(**{name: value.cpu().clone() for name, value in state["past"].items()})
        self.history = [Decision(**decision) for decision in state["history"]]
