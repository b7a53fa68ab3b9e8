import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_env.errors import ConfigError
from gan_env.policies.schedules import DECAY_RATES, SCHEDULES, Anneal

QUARTERS = (0, 0.25, 0.5, 0.75, 1)
EVERY = sorted(SCHEDULES)
MOVING = sorted(set(SCHEDULES) - {"fixed"})
COS_45 = math.sqrt(0.5)


def at_quarters(schedule: Anneal) -> list[float]:
    return schedule.values(QUARTERS).tolist()  # type: ignore[no-any-return]


# --- closed forms, worked out by hand at the start, the quarters and the end ---

FALLING = {  # from 16 to 1
    "fixed": [16, 16, 16, 16, 16],
    "linear": [16, 12.25, 8.5, 4.75, 1],
    "exponential": [16, 8, 4, 2, 1],
    "cosine": [16, 1 + 7.5 * (1 + COS_45), 8.5, 1 + 7.5 * (1 - COS_45), 1],
    "power": [16, 1 + 15 * 9 / 16, 1 + 15 / 4, 1 + 15 / 16, 1],  # with the default exponent 2
    "step": [16, 16 ** (2 / 3), 16 ** (1 / 3), 1, 1],  # with the default 4 plateaus
}
RISING = {  # from 1 to 16
    "fixed": [1, 1, 1, 1, 1],
    "linear": [1, 4.75, 8.5, 12.25, 16],
    "exponential": [1, 2, 4, 8, 16],
    "cosine": [1, 16 - 7.5 * (1 + COS_45), 8.5, 16 - 7.5 * (1 - COS_45), 16],
    "power": [1, 16 - 15 * 9 / 16, 16 - 15 / 4, 16 - 15 / 16, 16],
    "step": [1, 16 ** (1 / 3), 16 ** (2 / 3), 16, 16],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_falling_schedule_has_its_closed_form(name: str) -> None:
    assert at_quarters(Anneal(name, 16, 1)) == pytest.approx(FALLING[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_rising_schedule_has_its_closed_form(name: str) -> None:
    assert at_quarters(Anneal(name, 1, 16)) == pytest.approx(RISING[name])


def test_power_one_is_linear() -> None:
    assert at_quarters(Anneal("power", 3, 0, 1)) == pytest.approx([3, 2.25, 1.5, 0.75, 0])


def test_power_one_half_falls_late() -> None:
    expected = [3, 3 * math.sqrt(0.75), 3 * math.sqrt(0.5), 1.5, 0]
    assert at_quarters(Anneal("power", 3, 0, 0.5)) == pytest.approx(expected)


def test_two_steps_are_the_two_ends() -> None:
    assert Anneal("step", 8, 2, 2).values([0, 0.4, 0.5, 1]) == pytest.approx([8, 8, 2, 2])


def test_plateaus_begin_where_they_should_in_spite_of_rounding() -> None:
    """In floating point 0.29 * 100 is a little less than 29, which must not make the plateau late."""
    assert 0.29 * 100 < 29
    assert Anneal("step", 1, 2.0**99, 100).values(0.29) == pytest.approx(2.0**29)


@pytest.mark.parametrize("name", ["linear", "cosine", "power", "fixed"])
def test_a_schedule_that_is_not_geometric_goes_to_zero_exactly(name: str) -> None:
    values = at_quarters(Anneal(name, 2, 0))
    assert values[-1] == (2 if name == "fixed" else 0)


# --- schedules that end before the run does ---


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_until_half_the_run_is_over_at_the_half(name: str) -> None:
    """At the quarter it has what it else has at the half, and from the half on the final value."""
    values = at_quarters(Anneal(name, 16, 1, until=0.5))
    assert values == pytest.approx([FALLING[name][i] for i in (0, 2, 4, 4, 4)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_since_half_the_run_begins_there(name: str) -> None:
    """Up to the half it has the initial value, and at three quarters what it else has at the half."""
    values = at_quarters(Anneal(name, 16, 1, since=0.5))
    assert values == pytest.approx([FALLING[name][i] for i in (0, 0, 0, 2, 4)])


def test_a_schedule_may_begin_late_and_end_early() -> None:
    schedule = Anneal("linear", 1, 0, since=0.2, until=0.6)
    assert schedule.values([0.1, 0.2, 0.4, 0.6, 0.9]) == pytest.approx([1, 1, 0.5, 0, 0])
    assert str(schedule) == "linear 1->0 since 0.2 until 0.6"


def test_a_burn_in_of_a_fifth_has_its_closed_form() -> None:
    """Cosine from 0.05 to 0.005 within 10 of 50 epochs: at 5 the mean of the two, at 2.5 a share of cos 45 nearer."""
    values = Anneal("cosine", 0.05, 0.005, until=0.2).values(np.array([0, 2.5, 5, 10, 11, 50]) / 50)
    assert values == pytest.approx([0.05, 0.0275 + 0.0225 * COS_45, 0.0275, 0.005, 0.005, 0.005])


# --- laws ---

POSITIVE = st.floats(1e-3, 1e3)
RATE = {"power": st.floats(0.1, 8), "step": st.integers(2, 20)}


@st.composite
def schedules(draw: st.DrawFn, names: list[str] = EVERY) -> Anneal:
    name = draw(st.sampled_from(names))
    return Anneal(name, draw(POSITIVE), draw(POSITIVE), draw(RATE[name]) if name in RATE else None)


@given(schedules(), st.floats(0, 1))
def test_values_are_always_between_the_ends(schedule: Anneal, progress: float) -> None:
    low, high = sorted((schedule.initial, schedule.final))
    assert low * (1 - 1e-9) <= schedule.values(progress) <= high * (1 + 1e-9)


@given(schedules())
def test_values_only_ever_move_towards_the_end(schedule: Anneal) -> None:
    steps = np.diff(schedule.values(np.linspace(0, 1, 101))) * np.sign(schedule.final - schedule.initial)
    assert (steps >= -1e-9 * max(schedule.initial, schedule.final)).all()


@given(schedules(MOVING))
def test_a_schedule_begins_and_ends_at_its_ends(schedule: Anneal) -> None:
    assert schedule.values([0, 1]) == pytest.approx([schedule.initial, schedule.final], rel=1e-12)


@given(schedules(), st.floats(0.1, 10))
def test_the_ends_are_held_outside_the_run(schedule: Anneal, beyond: float) -> None:
    assert (schedule.values([-beyond, 1 + beyond]) == schedule.values([0, 1])).all()


@given(schedules(), st.floats(1e-3, 1), st.floats(0, 1))
def test_until_only_quickens_the_schedule(schedule: Anneal, until: float, progress: float) -> None:
    same = schedule.values(min(progress / until, 1))
    assert replace(schedule, until=until).values(progress) == pytest.approx(float(same), rel=1e-12)


@given(schedules(MOVING), st.floats(1e-3, 1), st.floats(0, 1))
def test_the_final_value_is_held_from_until_on(schedule: Anneal, until: float, further: float) -> None:
    values = replace(schedule, until=until).values(until + further * (1 - until))
    assert values == pytest.approx(schedule.final, rel=1e-9)


@given(schedules(), st.floats(0, 0.999), st.floats(0, 1))
def test_since_only_delays_the_schedule(schedule: Anneal, since: float, share: float) -> None:
    delayed = replace(schedule, since=since)
    assert delayed.values(since * share) == pytest.approx(float(schedule.values(0)), rel=1e-12)
    now = since + share * (1 - since)
    assert delayed.values(now) == pytest.approx(float(schedule.values((now - since) / (1 - since))), rel=1e-12)


@given(schedules(), POSITIVE)
def test_a_schedule_between_equal_ends_is_constant(schedule: Anneal, value: float) -> None:
    level = replace(schedule, initial=value, final=value)
    np.testing.assert_allclose(level.values(np.linspace(0, 1, 11)), value, rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_values_of_any_shape_are_those_of_each(name: str) -> None:
    schedule, progress = Anneal(name, 3.0, 0.1), np.array([[0.0, 0.3], [0.7, 1.0]])
    values = schedule.values(progress)
    assert values.shape == (2, 2)
    for index, share in np.ndenumerate(progress):
        assert values[index] == pytest.approx(float(schedule.values(share)), rel=1e-12)


# --- errors ---


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"kind='linaer'.*'cosine'.*'linear'"):
        Anneal("linaer", 1.0)


@pytest.mark.parametrize("name", ["exponential", "step"])
@pytest.mark.parametrize(("initial", "final"), [(1.0, 0.0), (0.0, 1.0), (-1.0, 1.0)])
def test_a_geometric_schedule_with_an_end_at_zero_is_refused(name: str, initial: float, final: float) -> None:
    with pytest.raises(ConfigError, match=f"two positive ends for a {name} schedule"):
        Anneal(name, initial, final)


@pytest.mark.parametrize("plateaus", [1, 1.4])
def test_steps_with_a_single_plateau_are_refused(plateaus: float) -> None:
    with pytest.raises(ConfigError, match=f"decay_rate={plateaus}.*at least 2 plateaus"):
        Anneal("step", 1.0, 2.0, plateaus)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_decay_rate_that_is_not_positive_and_finite_is_refused(name: str, rate: float) -> None:
    with pytest.raises(ConfigError, match=f"decay_rate={rate}.*more than 0, finite"):
        Anneal(name, 1.0, 2.0, rate)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_ends_that_are_not_finite_are_refused(name: str, bad: float) -> None:
    for ends in ((1.0, bad), (bad, 1.0)):
        with pytest.raises(ConfigError, match=rf"initial, final=\(.*{bad}.*\).*expected two finite ends"):
            Anneal(name, *ends)


@pytest.mark.parametrize("until", [0.0, -0.5, 1.01, math.nan])
def test_a_share_of_the_run_out_of_range_is_refused(until: float) -> None:
    with pytest.raises(ConfigError, match=f"until={until}.*more than 0 and at most 1"):
        Anneal("linear", 1.0, until=until)


@pytest.mark.parametrize(("since", "until"), [(-0.1, 1.0), (1.0, 1.0), (0.5, 0.5), (math.nan, 1.0)])
def test_a_beginning_outside_of_the_run_or_after_the_end_is_refused(since: float, until: float) -> None:
    with pytest.raises(ConfigError, match=f"since={since}.*at least 0 and below until={until:g}"):
        Anneal("linear", 1.0, since=since, until=until)


@pytest.mark.parametrize(("name", "rate"), DECAY_RATES.items())
def test_the_default_decay_rate_is_the_tables(name: str, rate: float) -> None:
    assert at_quarters(Anneal(name, 16, 1)) == at_quarters(Anneal(name, 16, 1, rate))
