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


def test_a_method_with_fewer_seeds_ends_where_its_gain_says(results: ModuleType, records: list[dict[str, Any]]) -> None:
    """Its one seed ends at 4.00, the loop as it is at 3.00 with this seed, and at 3.01 over all three."""
    fewer = results.Results([r for r in records if r["method"] != "prodigy" or r["seed"] == 0])
    assert fewer.end("prodigy", results.Cell("dcgan", "photo_tiles", 1e-3)) == pytest.approx(4.01)


def test_one_run_of_what_has_its_own_rate_counts_at_each(results: ModuleType, records: list[dict[str, Any]]) -> None:
    own = [record("learned/flagship", "photo_tiles", None, seed, 2.0) for seed in range(3)]
    found = results.Results([*records, *own])
    assert len(found.played("learned/flagship")) == 4
    assert found.gains("learned/flagship", results.Cell("dcgan", "photo_tiles", 1e-4)) == pytest.approx([2, 2.01, 2.02])


def test_the_interval_draws_cells_and_seeds(results: ModuleType) -> None:
    between = results.mean_and_interval([np.array([0.0, 0.0]), np.array([1.0, 1.0])])
    within = results.mean_and_interval([np.array([0.0, 1.0])])
    assert between == within == "+0.50 [+0.00, +1.00]"
    assert results.mean_and_interval([]) == ""
