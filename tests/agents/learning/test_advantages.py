"""Advantages within members: other runs of a member are the baseline, and all members count alike."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from trainings import ENV, training_options

import agents.learning.advantages as advantages
from agents.learning.advantages import beside_others
from agents.learning.controllers import train
from agents.learning.members import Member
from agents.learning.run_folder import RunFolder

SOME = arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.floats(-8, 8, width=16))


@given(SOME, st.floats(-100, 100), st.floats(0.1, 100))
def test_neither_the_level_nor_the_scale_of_a_member_matters(
    some: NDArray[np.float32], level: float, scale: float
) -> None:
    if np.ptp(some, axis=1).max() > 0.1:  # else all that remains is rounding
        moved = beside_others((scale * some + level).astype(np.float32))
        assert moved == pytest.approx(beside_others(some), abs=2e-2)


def test_a_run_is_compared_with_the_others_at_the_same_decision() -> None:
    found = beside_others(np.array([[1.0, 2.0, 6.0], [4.0, 4.0, 4.0]], np.float32))
    assert found[1] == pytest.approx([0, 0, 0])
    assert found[0] == pytest.approx(np.array([-3.0, -1.5, 4.5]) / np.std([-3.0, -1.5, 4.5, 0, 0, 0]))
    assert found.std() == pytest.approx(1)


def test_a_member_of_one_run_keeps_its_advantages_but_for_their_scale() -> None:
    assert beside_others(np.array([[1.0], [3.0]], np.float32)) == pytest.approx(np.array([[1.0], [3.0]]))


def shapes_seen(folder: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, Member]) -> list[tuple[int, ...]]:
    """The shapes of the advantages that a short training of PPO compares."""
    seen: list[tuple[int, ...]] = []

    def record(own: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(own.shape)
        return own

    monkeypatch.setattr(advantages, "beside_others", record)
    options = training_options(
        "ppo", {"rows": 5, "rollouts": 1, "hidden": [4]}, {**ENV, "num_decisions": 2}, 3, members
    )
    train("ppo", options, RunFolder(folder, "env"))
    return seen


def test_ppo_compares_within_the_members_of_a_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"few": Member(2), "more": Member(3, {"updates_per_decision": 2})}
    assert shapes_seen(tmp_path, monkeypatch, members) == [(2, 2), (2, 3)]


def test_ppo_compares_nothing_where_there_are_no_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shapes_seen(tmp_path, monkeypatch, {}) == []
