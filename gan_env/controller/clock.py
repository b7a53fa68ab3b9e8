"""When decisions fall: evenly spread over a run whose length may change."""

import operator
from dataclasses import asdict, dataclass
from typing import Any

from gan_env.errors import require


@dataclass
class Clock:
    """Counts updates and decisions.

    Attributes:
        total: updates of the run.
        decisions: decisions of the run; the first is before the first update.
        step, taken: updates and decisions so far.
        since_step, since_taken: from where on the decisions left are spread. Where they are more than the updates,
            several fall on one, and count as the last of them.
    """

    total: int
    decisions: int
    step: int = 0
    taken: int = 0
    since_step: int = 0
    since_taken: int = 0

    @property
    def progress(self) -> float:
        """Share of the decisions that are taken; an environment's `progress`."""
        return self.taken / self.decisions

    def due(self, step: int) -> bool:
        """Whether the next decision falls before update number `step` (from 0)."""
        return self.taken < self.decisions and step >= self._place(self.taken)

    @property
    def overdue(self) -> int:
        """Updates since the next decision fell due."""
        return self.step - self._place(self.taken)

    def catch_up(self) -> None:
        """Leaves out decisions where a later one is due as well."""
        while self.taken + 1 < self.decisions and self.step >= self._place(self.taken + 1):
            self.taken += 1

    def change_total(self, total: int) -> None:
        """Spreads the decisions left over what is left of a run of another length; the last decision stays."""
        total = whole(total)
        require(total > self.step, "total_steps", total, f"more than {self.step}: so many updates are done")
        if self.taken:  # the interval that runs now began at the last decision
            self.since_step, self.since_taken = self.last_step, self.taken - 1
        self.total = total

    @property
    def last_step(self) -> int:
        """The update before which the last decision fell."""
        return self._place(self.taken - 1)

    def _place(self, decision: int) -> int:
        """The update before which a decision falls, by its number from 0."""
        passed, left = decision - self.since_taken, self.decisions - self.since_taken
        return self.since_step - (-passed * (self.total - self.since_step) // left)

    def get_state(self) -> dict[str, int]:
        """All of it, as numbers."""
        return asdict(self)


def whole(total: Any) -> int:
    """A number of updates, NumPy's as Python's; anything else is refused, None above all."""
    guess = "a whole number of updates; where it isn't known, a guess, and `change_total_steps` later"
    try:
        number = 0 if isinstance(total, bool) else operator.index(total)
    except TypeError:
        number = 0
    require(number > 0, "total_steps", total, guess)
    return number
