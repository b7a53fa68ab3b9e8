"""The searches: each plays what it is paid for on every instance, and repeats itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import small_env
from gymnasium.vector import AutoresetMode

from baselines.search import halving, population_based
from baselines.search.kept_runs import SEARCHES
from baselines.search.lanes import Lanes
from gan_env import ConfigError


def play(method: str, rows: int = 18, runs: int = 8, instances: tuple[int, ...] = (0, 1)) -> dict[str, Any]:
    """All runs of a search, ordered by instance and seed."""
    lanes = Lanes(small_env.make(rows, autoreset_mode=AutoresetMode.DISABLED, num_decisions=9, updates_per_decision=1))
    parts = list(SEARCHES[method](lanes, instances, runs, 1000))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((found["seed"], found["instance"]))
    return {name: column[order] for name, column in found.items()}


@pytest.mark.parametrize("method", SEARCHES)
def test_a_search_spends_on_every_instance_what_it_is_paid(method: str) -> None:
    found = play(method)
    for instance in (0, 1):
        own = found["instance"] == instance
        assert 0.5 < found["decisions"][own].sum() / 9 / 8 <= 1
        assert len(np.unique(found["seed"][own])) == own.sum()
    assert len(np.unique(found["knobs"][:, 0], axis=0)) > 1


@pytest.mark.parametrize("method", ["rates", "random", "halving", "population"])
def test_rows_and_other_instances_decide_nothing(method: str) -> None:
    """So parts can be made in any order, on any machine."""
    both, alone = play(method), play(method, rows=11, instances=(1,))
    own = both["instance"] == 1
    np.testing.assert_array_equal(both["log_metric"][own], alone["log_metric"])


def test_random_rates_leave_the_other_knobs_at_their_start() -> None:
    knobs = play("rates")["knobs"]  # [R, T, K]
    assert (knobs == knobs[:, :1]).all()
    spread = knobs[:, 0].std(axis=0)
    assert (spread[:3] < 1e-6).all()
    assert (spread[3:] > 0.05).all()


@pytest.mark.parametrize("decisions", [1, 2, 3, 4, 9])
def test_a_bracket_costs_what_it_says(decisions: int) -> None:
    """Also in short runs, whose rungs coincide."""
    mode = AutoresetMode.DISABLED
    lanes = Lanes(small_env.make(9, autoreset_mode=mode, num_decisions=decisions, updates_per_decision=1))
    found = np.concatenate([part["decisions"] for part in halving.search(lanes, [0], 1, 1000)])
    assert len(found) == halving.SIZE and (found == decisions).sum() >= 1
    assert found.sum() == round(halving.cost(decisions) * decisions)


def test_a_bracket_stops_all_but_the_best_third() -> None:
    found = play("halving")
    assert halving.rungs(9) == [1, 3, 9]
    for instance in (0, 1):
        own = (found["instance"] == instance) & (found["unit"] == 0)
        decisions, curves = found["decisions"][own], found["log_metric"][own]
        assert sorted(decisions) == [1] * 6 + [3] * 2 + [9]
        assert curves[decisions > 1, 1].max() <= curves[decisions == 1, 1].min()
        assert curves[decisions == 9, 3].item() <= curves[decisions == 3, 3].min()
        assert np.isnan(curves[decisions == 1, 2:]).all()


def test_the_worst_of_a_population_go_on_from_the_best() -> None:
    rounds = []

    class Watched(Lanes):
        def fork(self, onto: np.ndarray, source: np.ndarray) -> None:
            curve, decision = self.course["log_metric"], int(self.decision[0])
            rounds.append((curve[onto, decision].min(), np.sort(curve[:, decision])[-2], curve[source, decision].max()))
            rounds[-1] += (np.sort(curve[:, decision])[1], decision)
            super().fork(onto, source)

    rows = population_based.SIZE
    lanes = Watched(small_env.make(rows, autoreset_mode=AutoresetMode.DISABLED, num_decisions=8))
    (found,) = SEARCHES["population"](lanes, [0], rows, 0)
    assert [decision for *_, decision in rounds] == [2, 4, 6]
    for worst, second_worst, best, second_best, _ in rounds:
        assert worst == second_worst
        assert best == second_best
    moved = np.abs(np.diff(found["knobs"], axis=1))  # [8, T - 1, K]
    assert (moved > 0.01).any(axis=(1, 2)).sum() >= population_based.COPIED
    assert moved.max() <= population_based.STEP + 1e-6


@pytest.mark.parametrize("method", ["halving", "population"])
def test_too_few_rows_are_refused(method: str) -> None:
    with pytest.raises(ConfigError, match=r"^rows=4 .*at least"):
        play(method, rows=4)


def test_tpe_takes_its_instances_in_turns_where_rows_are_few() -> None:
    found = play("tpe", rows=2, runs=3, instances=(0, 1, 2))
    assert found["instance"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_tpe_learns() -> None:
    """Where one knob alone matters, its later settings are better than its first ones."""

    class Fake(Lanes):
        def finished(self) -> np.ndarray:
            rows = super().finished()
            self.course["log_metric"][rows, -1] = np.abs(self.tables[rows, 0, 0] - 0.3)
            return rows

    lanes = Fake(small_env.make(1, autoreset_mode=AutoresetMode.DISABLED, num_decisions=1, updates_per_decision=1))
    parts: Iterator[Any] = SEARCHES["tpe"](lanes, [0], 60, 0)
    values = np.concatenate([part["log_metric"][:, -1] for part in parts])
    assert values[-20:].mean() < values[4:24].mean()
