"""Gains over the loop as it is, of made-up runs."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from loop_runs import record


def test_pairs_alone_count(results: ModuleType, records: list[dict[str, Any]]) -> None:
    """Where a stop has left seeds of one method alone."""
    extra = [record("step_size", "photo_tiles", 1e-3, 3, 0.0), record("fixed", "photo_tiles", 1e-3, 4, 9.0)]
    found = results.Results([*records, *extra])
    cell = results.Cell("dcgan", "photo_tiles", 1e-3)
    assert found.gains("step_size", cell) == pytest.approx([-0.1, -0.11, -0.12])


def test_ends_are_over_the_seeds_that_all_methods_have(results: ModuleType, records: list[dict[str, Any]]) -> None:
    """One method has one seed, with which the loop as it is ends at 3.00; over all three it ends at 3.01."""
    fewer = results.Results([r for r in records if r["method"] != "prodigy" or r["seed"] == 0])
    cell = results.Cell("dcgan", "photo_tiles", 1e-3)
    assert [fewer.end(name, cell) for name in ("prodigy", "fixed")] == pytest.approx([4, 3])
    assert results.Results(records).end("fixed", cell) == pytest.approx(3.01)


def test_one_run_of_what_has_its_own_rate_counts_at_each(results: ModuleType, records: list[dict[str, Any]]) -> None:
    own = [record("learned/flagship", "photo_tiles", None, seed, 2.0) for seed in range(3)]
    found = results.Results([*records, *own])
    assert len(found.played("learned/flagship")) == 4
    assert found.gains("learned/flagship", results.Cell("dcgan", "photo_tiles", 1e-4)) == pytest.approx([2, 2.01, 2.02])


def test_a_run_at_the_rate_itself_counts_before_one_without_a_rate(
    results: ModuleType, records: list[dict[str, Any]]
) -> None:
    found = results.Results([*records, record("step_size", "photo_tiles", None, 0, 9.0)])
    assert len(found.gains("step_size", results.Cell("dcgan", "photo_tiles", 1e-3))) == 3


def test_what_a_run_is_worth_counts_the_seeds_of_random_rates(
    results: ModuleType, records: list[dict[str, Any]]
) -> None:
    """Those of seed 0: with seeds 1 and 2, which end far worse here, it would be worth nothing."""
    worse = [r | {"score": [9.0] * 3} if r["method"] == "step_size" and r["seed"] else r for r in records]
    assert results.Results(worse).worth("step_size") == results.Results(records).worth("step_size")
    later = [r | {"seed": 7} if r["method"] == "random" else r for r in records]
    assert results.Results(later).worth("step_size") == ""


def test_the_best_rate_of_a_seed_is_that_of_the_other_seeds(results: ModuleType) -> None:
    """Each seed ends best with the rate that the other one does not, and gains 1 at 1e-3, 5 at 1e-4."""
    ends = {(1e-3, 0): 1.0, (1e-3, 1): 3.0, (1e-4, 0): 2.0, (1e-4, 1): 2.5}
    runs = [record("fixed", "photo_tiles", *cell, end) for cell, end in ends.items()]
    gains = {1e-3: 1, 1e-4: 5}
    runs += [record("step_size", "photo_tiles", *cell, end - gains[cell[0]]) for cell, end in ends.items()]
    assert results.Results(runs).gains_at("step_size", results.BEST)[0] == pytest.approx([5, 1])
    (alone,) = results.Results([run for run in runs if run["seed"] == 0]).gains_at("step_size", results.BEST)
    assert alone == pytest.approx([1])
    assert results.Results(runs).gains_at("step_size", results.ALL)[0] == pytest.approx([3, 3])


def test_a_rate_at_which_a_method_was_not_played_keeps_its_rank(results: ModuleType) -> None:
    ends = {1e-3: 1.0, 1e-4: 2.0, 1e-5: 3.0}
    runs = [record("fixed", "photo_tiles", rate, 0, end) for rate, end in ends.items()]
    found = results.Results([*runs, record("step_size", "photo_tiles", 1e-5, 0, 1.5)])
    assert found.gains_at("step_size", results.BEST) == []
    assert found.gains_at("step_size", results.WORST)[0] == pytest.approx([1.5])


def test_a_seed_with_some_of_the_rates_does_not_count(results: ModuleType) -> None:
    """As a stop leaves it."""
    runs = [record("fixed", "photo_tiles", rate, seed, 3.0) for rate in (1e-3, 1e-4) for seed in (0, 1)]
    played = ((1e-3, 0, 2.0), (1e-4, 0, 1.0), (1e-4, 1, 1.0))
    found = results.Results([*runs, *(record("step_size", "photo_tiles", *run) for run in played)])
    assert found.gains_at("step_size", results.ALL)[0] == pytest.approx([1.5])


def test_the_interval_is_over_loops_and_data_sets(results: ModuleType) -> None:
    """By Student's t, whose quantile for two is 12.706: 0.5 +- 12.706 x 0.707 / sqrt(2)."""
    assert results.mean_and_interval([np.array([0.0]), np.array([1.0])]) == "+0.50 [-5.85, +6.85]"
    assert results.mean_and_interval([np.array([-1.0, 1.0]), np.array([1.0])]) == "+0.50 [-5.85, +6.85]"
    assert results.mean_and_interval([np.array([0.0, 1.0])]) == "+0.50"
    assert results.mean_and_interval([]) == ""
