"""Numbers in words."""

import pytest

from agents.page.wording import compared, other_intervals, schedule, verdict


@pytest.mark.parametrize(("low", "high", "expected"), [(0.1, 0.3, 1), (-0.3, -0.1, -1), (-0.1, 0.3, 0), (0, 1, 0)])
def test_a_verdict_needs_an_interval_on_one_side_of_zero(low: float, high: float, expected: int) -> None:
    assert verdict({"ci95": (low, high)}) == expected


@pytest.mark.parametrize(("few", "expected"), [((-0.1, 0.5), 0), ((0.05, 0.35), 1), (None, 1)])
def test_a_verdict_needs_the_t_test_as_well(few: tuple[float, float] | None, expected: int) -> None:
    gain = {"value": 0.2, "ci95": (0.1, 0.3), "t95": few}
    assert verdict(gain) == expected
    assert verdict({"ci95": (-0.1, 0.3), "t95": (0.1, 0.2)}) == 0
    said = compared("it", "that", gain)
    assert ("not told apart" in said) == ("[-0.100, +0.500] by a t-test" in said) == (expected == 0)


@pytest.mark.parametrize(("name", "words"), [("tuned_r3gan", "R3GAN's tuned burn-in"), ("x_base", "that x corrects")])
def test_schedules_have_words(name: str, words: str) -> None:
    assert words in schedule(name)


def test_a_loss_is_given_as_a_share_of_the_metric_too() -> None:
    """exp(0.1) - 1 is 10.5 %."""
    said = compared("it", "that", {"value": -0.1, "ci95": (-0.2, -0.05)})
    assert said.startswith("it is worse than that: -0.100 [-0.200, -0.050] in") and "10.5% higher" in said


@pytest.mark.parametrize(("low", "doubt"), [(0.02, False), (-0.02, True)])
def test_a_verdict_that_other_instances_may_change_is_doubted(low: float, doubt: bool) -> None:
    gain = {"ci95": (0.1, 0.2), "over_instances": (low, 0.3)}
    assert ("which holds 0" in other_intervals(gain)) == doubt
    assert other_intervals({"ci95": (0.1, 0.2)}) == ""


def test_no_verdict_leaves_no_doubt() -> None:
    assert "which holds 0" not in other_intervals({"ci95": (-0.1, 0.2), "over_instances": (-0.2, 0.3)})
