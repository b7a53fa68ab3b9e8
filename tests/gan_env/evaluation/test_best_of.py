"""The best of k runs: exact curves, bands over instances, and how many tuning runs a controlled run is worth."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_env import ConfigError
from gan_env.evaluation.best_of import best_of, by_cost, pays_after, running_best, worth

PAIRS = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=6)


@given(PAIRS)
def test_the_expectation_is_that_over_all_choices_of_k_runs(pairs: list[tuple[float, float]]) -> None:
    validation, score = np.array(pairs).T
    validation = validation + 20.0 * np.arange(len(pairs))  # no ties
    expected = [
        np.mean([score[min(chosen, key=lambda i: validation[i])] for chosen in combinations(range(len(pairs)), k)])
        for k in range(1, len(pairs) + 1)
    ]
    np.testing.assert_allclose(best_of(validation, score), expected, atol=1e-9)


def test_many_runs_lose_no_precision() -> None:
    rng = np.random.default_rng(0)
    curve = best_of(rng.normal(size=256), np.ones(256))
    np.testing.assert_allclose(curve, 1.0, rtol=1e-9)


def test_where_order_matters_the_first_k_runs_count() -> None:
    found = running_best(np.array([3.0, 1.0, 2.0, 0.0]), np.array([10.0, 20.0, 30.0, 40.0]))
    assert found.tolist() == [10, 20, 20, 40]


def test_a_result_comes_when_it_is_paid_for() -> None:
    found = by_cost(np.array([5.0, 4.0]), 2.5, 8)
    np.testing.assert_array_equal(found, [np.nan, np.nan, 5, 5, 4, 4, 4, np.nan])


def curves(instances: int = 40, most: int = 20) -> np.ndarray:
    """Best of k, falling as 1 / k, on instances of different levels."""
    level = np.random.default_rng(1).normal(size=(instances, 1))
    return level + 1 / np.arange(1, most + 1)


def test_a_controlled_run_is_worth_the_runs_that_are_as_good() -> None:
    levels = curves()[:, 0] - 1
    found = worth(curves(), levels + 1 / 7.5 + np.random.default_rng(2).normal(0, 0.01, size=40))
    assert found.meets == 8
    assert 4 <= found.at_least <= 7
    assert (found.low <= found.gain).all()
    assert (found.gain <= found.high).all()
    assert found.describe() == f"8 [{found.at_least}, {found.at_most}]"


def test_a_controller_that_is_never_met_is_worth_all_that_was_measured() -> None:
    found = worth(curves(), curves()[:, 0] - 2 + np.random.default_rng(2).normal(0, 0.01, size=40))
    assert (found.meets, found.at_least, found.at_most) == (None, 20, None)
    assert found.describe() == "more than 20 [20, more than 20]"


def test_a_controller_behind_one_run_is_worth_none() -> None:
    assert worth(curves(), curves()[:, 0] + 1).at_least == 0


def test_the_band_is_simultaneous() -> None:
    """Of many experiments without any difference, 95 % have a band that holds 0 at every k."""
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        found = worth(rng.normal(size=(60, 5)), np.zeros(60))
        held += bool(((found.low <= 0) & (found.high >= 0)).all())
    assert held >= 50


def test_ks_without_a_result_are_left_out() -> None:
    some = curves()
    some[:, :3] = np.nan
    found = worth(some, curves()[:, 0] - 1 + 1 / 7.5)
    assert np.isnan(found.gain[:3]).all()
    assert found.meets == 8
    assert worth(some, curves()[:, 0] + 1).at_least == 0


def test_a_single_instance_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        worth(curves()[:1], np.zeros(1))


def test_each_gan_pays_back_the_runs_that_it_saves() -> None:
    assert pays_after(4000, 11) == 400
    assert pays_after(4000, 1) is None
