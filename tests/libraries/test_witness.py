"""The check of the libraries finds what it is there for."""

import dataclasses
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from witness import Transition, Witness, assert_same

Rows = list[list[Transition]]


def play(witness: Witness, mode: AutoresetMode, steps: int = 30) -> Rows:
    """What three rows have done, each with actions of its own that don't depend on the mode."""
    envs: Any = gym.make_vec("gan_env/Points-v1", num_envs=3, autoreset_mode=mode)
    envs.reset(seed=0)
    rngs, over = [np.random.default_rng(row) for row in range(3)], np.zeros(3, bool)
    for _ in range(steps):
        if mode is AutoresetMode.DISABLED and over.any():
            envs.reset(options={"reset_mask": over})
        skipped = over & (mode is AutoresetMode.NEXT_STEP)
        draws = [np.zeros(5) if skip else rng.uniform(-1, 1, 5) for rng, skip in zip(rngs, skipped, strict=True)]
        _, _, over, *_ = envs.step(np.array(draws, np.float32))
    return witness.rows


@pytest.fixture
def happened(witness: Witness) -> Rows:
    return play(witness, AutoresetMode.SAME_STEP)


def changed(row: list[Transition], i: int, **fields: Any) -> list[Transition]:
    return [*row[:i], dataclasses.replace(row[i], **fields), *row[i + 1 :]]


def end_of(row: list[Transition]) -> int:
    return next(i for i, t in enumerate(row) if t.terminated)


WRONG: dict[str, Callable[[list[Transition]], list[Transition]]] = {
    "dropped": lambda row: [*row[:5], *row[6:]],
    "the last one dropped": lambda row: row[:-1],
    "twice": lambda row: [*row[:5], row[4], *row[5:]],
    "in another order": lambda row: [*row[:5], row[6], row[5], *row[7:]],
    "the first one of the second run dropped": lambda row: [*row[: end_of(row) + 1], *row[end_of(row) + 2 :]],
    "the next run's first observation": lambda row: changed(row, end_of(row), next_obs=row[end_of(row) + 1].obs),
    "a reset as a transition": lambda row: [
        *row[: end_of(row) + 1],
        Transition(row[end_of(row)].next_obs, None, 0.0, row[end_of(row) + 1].obs, False),  # type: ignore[arg-type]
        *row[end_of(row) + 1 :],
    ],
    "not terminated": lambda row: changed(row, end_of(row), terminated=False),
    "another reward": lambda row: changed(row, 3, reward=row[3].reward + 1e-3),
    "another action": lambda row: changed(row, 3, action=-np.asarray(row[3].action)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_library_that_hands_on_something_else_is_found(wrong: str, happened: Rows) -> None:
    assert_same(happened, happened)
    with pytest.raises(AssertionError, match="row 1"):
        assert_same([happened[0], WRONG[wrong](happened[1]), happened[2]], happened)


def test_a_row_that_is_left_out_or_swapped_is_found(happened: Rows) -> None:
    with pytest.raises(AssertionError, match="2 rows arrived of 3"):
        assert_same(happened[:2], happened)
    with pytest.raises(AssertionError, match="row 0, transition 0: obs"):
        assert_same([happened[1], happened[0], happened[2]], happened)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_the_same_happens_in_every_autoreset_mode(mode: AutoresetMode, happened: Rows, witness: Witness) -> None:
    """Runs follow from seeds and actions alone, so the modes differ only in when a row is reset."""
    witness.forget()
    other = play(witness, mode, 40)
    shortest = [min(len(a), len(b)) for a, b in zip(happened, other, strict=True)]
    assert min(shortest) == 30
    for a, b, steps in zip(happened, other, shortest, strict=True):
        for mine, theirs in zip(a[:steps], b[:steps], strict=True):
            assert mine.terminated == theirs.terminated
            for field in ("obs", "action", "reward", "next_obs"):
                np.testing.assert_allclose(getattr(mine, field), getattr(theirs, field), atol=2e-3)
