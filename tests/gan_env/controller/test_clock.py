"""Decisions are spread evenly, whatever the lengths are and however they change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_env import ConfigError
from gan_env.controller.clock import Clock


def run(clock: Clock, until: int) -> list[int]:
    """The updates before which decisions fall, from where the clock stands."""
    found = []
    for step in range(clock.step, until):
        clock.step = step
        if clock.due(step):
            found.append(step)
            clock.taken += 1
    clock.step = until
    return found


@given(decisions=st.integers(1, 30), more=st.integers(0, 300))
def test_intervals_differ_by_one_update_at_most_and_the_first_begins_at_once(decisions: int, more: int) -> None:
    found = run(Clock(decisions + more, decisions), decisions + more)
    assert len(found) == decisions and found[0] == 0
    lengths = [b - a for a, b in zip(found, [*found[1:], decisions + more], strict=True)]
    assert max(lengths) - min(lengths) <= 1


@given(decisions=st.integers(1, 30), each=st.integers(1, 20))
def test_where_they_divide_evenly_decisions_fall_as_in_the_environment(decisions: int, each: int) -> None:
    assert run(Clock(decisions * each, decisions), decisions * each) == list(range(0, decisions * each, each))


@given(decisions=st.integers(2, 20), each=st.integers(2, 10), changed=st.integers(0, 200), more=st.integers(0, 400))
def test_a_run_that_changes_its_length_takes_all_decisions(decisions: int, each: int, changed: int, more: int) -> None:
    clock = Clock(decisions * each, decisions)
    before = run(clock, changed % (decisions * each))
    total = clock.step + decisions - clock.taken + more
    clock.change_total(total)
    after = run(clock, total + 1)
    assert len(before + after) == decisions
    assert (before + after)[-1] < total or clock.step >= total


def test_a_changed_length_does_not_move_the_decisions_that_were_taken() -> None:
    clock = Clock(100, 10)
    assert run(clock, 45) == [0, 10, 20, 30, 40]
    clock.change_total(160)  # 120 updates are left from the last decision on, for its interval and five more
    assert run(clock, 160) == [60, 80, 100, 120, 140]


def test_a_length_that_is_over_already_is_refused() -> None:
    clock = Clock(100, 10)
    run(clock, 45)
    with pytest.raises(ConfigError, match=r"total_steps=45 .*more than 45: so many updates are done"):
        clock.change_total(45)


@given(decisions=st.integers(2, 40), done=st.integers(0, 30), left=st.integers(1, 30))
def test_with_fewer_updates_than_decisions_left_some_are_left_out_and_the_last_is_taken(
    decisions: int, done: int, left: int
) -> None:
    clock = Clock(100 * decisions, decisions)
    run(clock, done)
    clock.change_total(done + left)
    progress = []
    for step in range(done, done + left):
        clock.step = step
        if clock.due(step):
            clock.catch_up()
            progress.append(clock.progress)
            clock.taken += 1
    assert progress == sorted(set(progress)) and len(progress) <= left
    assert progress[-1] >= (1 - 1 / left) * (1 - 1 / decisions) or left == 1
