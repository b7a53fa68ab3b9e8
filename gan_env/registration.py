"""What users add from a file of their own: each function puts one entry into a table that names are looked up in.

docs/extend.md has an example of each. Other processes know an entry too if the option `extensions` names the module
that registers it. What is registered is tried when an environment is made, and refused with what was expected.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from gan_env.data.bank import IMAGE_SETS
from gan_env.data.points import POINT_SETS
from gan_env.errors import ConfigError, require
from gan_env.gan.losses import LOSSES
from gan_env.mdp.knobs import knob_table
from gan_env.mdp.rewards import REWARDS, RewardTerm, each_decision
from gan_env.mdp.statistics import BOUND, REGISTERED, Statistic, statistics
from gan_env.metrics.judge import METRICS
from gan_env.policies.presets import ADAPTIVE, KINDS
from gan_env.policies.schedules import DECAY_RATES, SCHEDULES
from gan_env.policies.steering import Policy
from gan_env.records import Dataset, Float64, Moment

LARGEST = 1e6
"""Bounds of a reward term of one's own are at most this far from zero, so that rewards are finite."""
_origins: dict[tuple[str, str], tuple[Any, ...]] = {}  # (kind of entry, name) -> where the user's code stands


def register_points(name: str, centers: Callable[[], Float64]) -> None:
    """Adds a 2-D point set: a mixture of Gaussians, one around each of its centres.

    Args:
        name: what `datasets=(...)` calls it; its samples follow from it.
        centers: gives the centres [M, 2] in [-1, 1]; `gan_env.data.points` has how wide a mode is.
    """
    _require_free("point set", name, centers, {**POINT_SETS, **IMAGE_SETS})
    POINT_SETS[name] = centers


def register_dataset(name: str, load: Callable[[str, int], Dataset]) -> None:
    """Adds a data set.

    Args:
        name: what `datasets=(...)` calls it.
        load: function of `data_root` and `image_size`. It gives a `gan_env.Dataset` of shuffled samples: images as
            bytes [P, C, image_size, image_size] with one or three channels, or points [P, 2] as float32. It gives the
            same ones each time.
    """
    _require_free("data set", name, load, {**IMAGE_SETS, **POINT_SETS})
    IMAGE_SETS[name] = load


def register_statistic(
    name: str, compute: Callable[[Moment], Tensor], description: str = "", low: float = -BOUND, high: float = BOUND
) -> None:
    """Adds a statistic of the training, which is a group of its own: `observation=(..., name)` observes it.

    Args:
        name: of the statistic and of its group.
        compute: its value a row, [N], from a `gan_env.Moment`: all that is known after a decision. Each is of that row
            alone.
        description: what it is.
        low: the lower bound, to which values are clipped; NaN counts as 0.
        high: the upper bound.
    """
    taken = {key: s for s in statistics(list(knob_table()), list(LOSSES)) for key in (s.name, s.group)}
    _require_free("statistic", name, compute, taken)
    require(bool(-np.inf < low < high < np.inf), "low, high", (low, high), "finite low < high")
    REGISTERED[name] = Statistic(name, name, compute, description, low=low, high=high)


def register_reward(
    name: str, compute: Callable[[Moment], Tensor], low: float, high: float, description: str = ""
) -> None:
    """Adds a term of the reward: `reward={name: weight}` uses it.

    Args:
        name: of the term.
        compute: its value a row after each decision, [N], from that row of a `gan_env.Moment`.
        low: the lower bound, to which values are clipped; NaN becomes it. The crash law needs to know what the rest of
            a run could bring.
        high: the upper bound.
        description: what it is.
    """
    _require_free("reward term", name, compute, REWARDS)
    fits, limits = bool(-LARGEST <= low < high <= LARGEST), f"{-LARGEST:g} <= low < high <= {LARGEST:g}"
    require(fits, "low, high", (low, high), limits)

    def clipped(moment: Moment) -> Tensor:
        return compute(moment).clamp(low, high).nan_to_num(nan=low)

    REWARDS[name] = RewardTerm(description, clipped, each_decision(low - 1, high + 1))  # a crash costs more


def register_metric(name: str, make: Callable[[Tensor], Callable[[Tensor], Tensor]]) -> None:
    """Adds a quality metric: `metric=name` puts it in the place of the built-in one, in observation, reward and score.

    Args:
        name: of the metric.
        make: takes real samples [P, *shape], float32 and on the environment's device, and gives a function that takes
            S samples of each of N rows, [N, S, *shape], to [N] values: 0 or more, lower is better. Images are in
            [-1, 1]. A row's value depends on its own samples alone. Parts of the rows may be judged in several threads.
    """
    _require_free("metric", name, make, {"auto": None, **METRICS})
    METRICS[name] = make


def register_schedule(
    name: str, formula: Callable[[Float64, float, float, float], Float64], decay_rate: float = 1.0
) -> None:
    """Adds an annealing schedule: `kind: name` in a policy, and searches draw it, too.

    Args:
        name: of the schedule.
        formula: value at shares t of the run in [0, 1] (an array of any shape), with initial value a, final value b and
            decay rate k: `formula(t, a, b, k)`.
        decay_rate: k where a policy gives none.

    Raises:
        ConfigError: it is no function of four, or its values from 1 to 0.5 are not finite, or of another shape than t.
    """
    _require_free("schedule", name, formula, SCHEDULES)
    try:
        found = np.asarray(formula(np.linspace(0, 1, 5), 1.0, 0.5, decay_rate))
    except Exception as error:
        raise ConfigError(f"the schedule {name!r} fails ({error}): expected a function of t, a, b and k") from error
    fits = found.shape == (5,) and bool(np.isfinite(found).all())
    require(fits, f"the schedule {name!r} at five moments", found, "five finite values")
    SCHEDULES[name], DECAY_RATES[name] = formula, decay_rate


def register_policy(name: str, make: Callable[..., Policy]) -> None:
    """Adds a policy that reacts to the training: `load_policy(name)`, or `kind: name` in a file of configs/policy/.

    Args:
        name: of the policy.
        make: called with the environment, and with the constants in a policy's `rule` as keywords; gives whatever has
            `predict`. A class will do.
    """
    _require_free("policy", name, make, {**ADAPTIVE, **KINDS})
    ADAPTIVE[name] = make


def _require_free(kind: str, name: str, entry: Any, table: Mapping[str, Any]) -> None:
    """Refuses a bad name, an entry that can't be called, and a name that is taken.

    The same code may register itself again: a cell of a notebook, or a program that its own worker processes import.
    """
    good = isinstance(name, str) and re.fullmatch(r"\w+", name) is not None
    require(good, f"the name of a {kind}", name, "letters, digits and underscores")
    require(callable(entry), f"the {kind} {name!r}", entry, "a function, or another thing that can be called")
    while isinstance(entry, partial):
        entry = entry.func
    module = sys.modules.get(getattr(entry, "__module__", ""))
    file, called = getattr(module, "__file__", None), getattr(entry, "__qualname__", type(entry).__qualname__)
    # All lambdas of a file have one name. A notebook's have no file, and move when a cell is edited.
    line = getattr(getattr(entry, "__code__", None), "co_firstlineno", None) if file and "<" in called else None
    origin = (file, called, line)
    free = name not in table or _origins.get((kind, name)) == origin
    require(free, f"the name of a {kind}", name, f"one that is not taken, as {sorted(table)} are")
    _origins[kind, name] = origin
