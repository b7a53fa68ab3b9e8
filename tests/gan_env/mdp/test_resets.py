"""Rows and seeds of a reset: what is taken, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from gan_env.errors import ConfigError
from gan_env.mdp.resets import checked_actions, checked_seed, rows_to_reset, seeds_of_rows


@pytest.mark.parametrize("mask", [[True, False, True], np.array([True, False, True])])
def test_a_mask_is_an_array_of_bool(mask: Any) -> None:
    found = rows_to_reset(mask, 3)
    assert found.dtype == np.bool_
    assert found.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "mask",
    [[1, 0], [0.5, 0.0], np.array([1, 0], np.uint8), [True], [True] * 3, [[True, True]], [False] * 2, True, None],
)
def test_a_mask_of_another_type_or_shape_or_without_a_row_is_refused(mask: Any) -> None:
    expected = re.escape(f"options['reset_mask']={mask!r}") + r".*expected bool of shape \(2,\) with some row True"
    with pytest.raises(ConfigError, match=expected):
        rows_to_reset(mask, 2)


@pytest.mark.parametrize("seed", [7, np.int64(7), np.uint8(7), np.array(7)], ids=repr)
def test_one_seed_counts_up_over_the_rows(seed: Any) -> None:
    seeds = seeds_of_rows(seed, 3)
    assert seeds == [7, 8, 9]
    assert all(type(one) is int for one in seeds)


@pytest.mark.parametrize("seeds", [[5, 0, 5], (5, 0, 5), np.array([5, 0, 5]), [np.int32(5), 0, np.int64(5)]], ids=repr)
def test_a_sequence_has_a_seed_a_row(seeds: Any) -> None:
    found = seeds_of_rows(seeds, 3)
    assert found == [5, 0, 5]
    assert all(type(one) is int for one in found)


def test_rows_without_a_seed_have_none() -> None:
    assert seeds_of_rows(None, 2) == [None, None]
    assert seeds_of_rows([None, 3], 2) == [None, 3]


@pytest.mark.parametrize(
    ("seed", "named"),
    [
        (-1, "-1"),
        (1.5, "1.5"),
        ("12", "'1'"),
        ([3, -4], "-4"),
        ([3, 4.0], "4.0"),
        (np.array([0.5, 1]), "0.5"),
        ({}, "{}"),
    ],
    ids=repr,
)
def test_a_seed_that_is_no_whole_number_is_refused_by_its_value(seed: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"seed={named} can't be used: expected a whole number, 0 or more")):
        seeds_of_rows(seed, 2)


@pytest.mark.parametrize("seeds", [[], [1], range(3), np.arange(4)], ids=repr)
def test_seeds_for_other_rows_are_refused(seeds: Any) -> None:
    with pytest.raises(ConfigError, match="one seed, or a sequence of 2"):
        seeds_of_rows(seeds, 2)


def test_a_large_seed_stays_as_it_is() -> None:
    assert checked_seed(2**70) == 2**70


def test_of_many_actions_the_first_that_is_not_finite_is_named() -> None:
    actions = np.zeros((40, 5))
    actions[7:, 2] = np.nan
    with pytest.raises(ConfigError, match=r"^actions\[7, 2\]=nan can't be used: expected finite numbers$"):
        checked_actions(actions, actions.shape)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "given",
    [
        np.arange(10, dtype=np.float32)[::-2].reshape(1, 5),
        np.broadcast_to(np.float32(0.5), (1, 5)),
        torch.ones(1, 5, requires_grad=True),
        torch.ones(1, 5, dtype=torch.bfloat16),
        [[0, 0, 0, 0, 1]],
    ],
)
def test_actions_of_any_array_become_one_that_torch_takes(given: Any) -> None:
    found = torch.from_numpy(checked_actions(given, (1, 5)))
    expected = given.tolist() if isinstance(given, torch.Tensor | np.ndarray) else given
    assert found.dtype == torch.float32 and found.tolist() == expected
