import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_env.errors import ConfigError
from gan_env.mdp.knobs import DynamicParameter, knob_table

ALL = tuple(knob_table())
THREE = ("instance_noise", "augment", "r1")
UNIT = st.floats(0, 1, width=32)


@st.composite
def parameters(draw: st.DrawFn) -> DynamicParameter:
    """Knobs of all scales."""
    scale = draw(st.sampled_from(["linear", "log", "log from zero"]))
    size = 10 ** draw(st.floats(-2, 2))
    if scale == "linear":
        low = draw(st.floats(-10, 10))
        return DynamicParameter("knob", low, (low, low + size))
    if scale == "log":
        low = 10 ** draw(st.floats(-4, 2))
        return DynamicParameter("knob", low, (low, low * (1 + size)), "log")
    return DynamicParameter("knob", 0.0, (0.0, size), "log", floor=size * 10 ** draw(st.floats(-3, 0)))


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float32)


def ends(knob: DynamicParameter) -> tuple[float, float]:
    """The bounds, as exactly as float32 has them."""
    return one(knob.bounds[0]).item(), one(knob.bounds[1]).item()


@given(parameters(), UNIT)
def test_decode_reverses_encode(knob: DynamicParameter, share: float) -> None:
    low, high = knob.bounds
    value = low + share * (high - low)
    found = knob.decode(knob.encode(one(value))).item()
    assert found == pytest.approx(value, rel=1e-4, abs=1e-5 * (high - low))


@given(parameters(), UNIT)
def test_encode_reverses_decode(knob: DynamicParameter, coordinate: float) -> None:
    """With float64, since a value near the floor of a wide range holds few digits of its coordinate."""
    u = torch.tensor([coordinate], dtype=torch.float64)
    assert knob.encode(knob.decode(u)).item() == pytest.approx(coordinate, abs=1e-6)


@given(parameters(), UNIT)
def test_values_are_never_outside_the_bounds(knob: DynamicParameter, coordinate: float) -> None:
    low, high = ends(knob)
    assert low <= knob.decode(one(coordinate)).item() <= high


@given(parameters(), st.sampled_from(["low", "high", "below", "above"]) | UNIT)
def test_coordinates_are_never_outside_the_unit_interval(knob: DynamicParameter, where: str | float) -> None:
    low, high = knob.bounds
    values = {"low": low, "high": high, "below": low - 1, "above": high + 1}
    value = values[where] if isinstance(where, str) else low + where * (high - low)
    assert 0 <= knob.encode(one(value)).item() <= 1


@given(parameters(), UNIT, UNIT)
def test_a_larger_coordinate_is_no_smaller_value(knob: DynamicParameter, a: float, b: float) -> None:
    lower, upper = sorted((a, b))
    assert knob.decode(one(lower)).item() <= knob.decode(one(upper)).item()


@given(parameters())
def test_the_ends_of_the_unit_interval_are_the_bounds(knob: DynamicParameter) -> None:
    low, high = knob.bounds
    assert knob.decode(one(0.0)).item() == pytest.approx(low, rel=1e-6)
    assert knob.decode(one(1.0)).item() == pytest.approx(high, rel=1e-5)


def test_a_logarithmic_knob_multiplies_by_equal_factors() -> None:
    knob = DynamicParameter("knob", 1.0, (0.01, 100.0), "log")
    values = knob.decode(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(values, torch.tensor([0.01, 0.1, 1.0, 10.0, 100.0]), rtol=1e-4, atol=0)


def test_a_logarithmic_knob_from_zero_follows_its_formula() -> None:
    """Floor * ((1 + high / floor) ** u - 1): with floor 1 and high 15, (16 ** u) - 1."""
    knob = DynamicParameter("knob", 0.0, (0.0, 15.0), "log", floor=1.0)
    values = knob.decode(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    torch.testing.assert_close(values, torch.tensor([0.0, 1.0, 3.0, 7.0, 15.0]))


def test_a_linear_knob_runs_in_equal_steps() -> None:
    knob = DynamicParameter("knob", 2.0, (2.0, 4.0))
    torch.testing.assert_close(knob.decode(torch.tensor([0.0, 0.25, 1.0])), torch.tensor([2.0, 2.5, 4.0]))


@pytest.mark.parametrize("name", ["instance_noise", "augment"])
def test_a_zero_coordinate_switches_the_knob_off(name: str) -> None:
    """Exactly, so that inputs pass bit by bit."""
    assert knob_table()[name].decode(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ALL)
def test_the_bounds_of_every_knob_are_its_ends(name: str) -> None:
    knob = knob_table()[name]
    low, high = ends(knob)
    torch.testing.assert_close(knob.encode(torch.tensor([low, high])), torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(knob.decode(torch.tensor([0.0, 1.0])), torch.tensor([low, high]))


def test_the_knob_table_is_keyed_by_name() -> None:
    table = knob_table()
    parts = {"rotate", "flip", "color", "translate", "cutout"}
    others = {"latent_noise", "augment_strength", "pseudo", "r2", "gp", "spectral", "lr_g", "lr_d"}
    assert {*THREE, *parts, *others} == set(table)
    for name, knob in table.items():
        assert knob.name == name
        assert knob.value == knob.initial_value


def test_a_knob_starts_at_its_initial_value_and_is_updated() -> None:
    knob = DynamicParameter("speed", 2.0, (1.0, 4.0))
    assert knob.value == 2.0
    knob.update(4)
    assert knob.value == 4.0
    assert isinstance(knob.value, float)


@pytest.mark.parametrize("value", [0.5, 4.1, math.nan, math.inf, -math.inf])
def test_an_update_out_of_bounds_is_refused_with_knob_value_and_bounds(value: float) -> None:
    knob = DynamicParameter("speed", 2.0, (1.0, 4.0))
    with pytest.raises(ConfigError, match=f"speed={value} can't be used.*from 1.0 to 4.0"):
        knob.update(value)
    assert knob.value == 2.0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"initial_value": 5.0, "bounds": (1.0, 4.0)}, "speed=5.0"),
        ({"initial_value": 1.0, "bounds": (4.0, 1.0)}, "speed.bounds"),
        ({"initial_value": 1.0, "bounds": (1.0, 1.0)}, "speed.bounds"),
        ({"initial_value": 1.0, "bounds": (0.0, math.inf)}, "speed.bounds"),
        ({"initial_value": 1.0, "bounds": (math.nan, 2.0)}, "speed.bounds"),
        ({"initial_value": 1.0, "bounds": (0.5, 2.0), "scale": "cubic"}, "speed.scale='cubic'"),
        ({"initial_value": 1.0, "bounds": (0.0, 2.0), "scale": "log"}, "speed.bounds"),
        ({"initial_value": 1.0, "bounds": (-1.0, 2.0), "scale": "log", "floor": 0.1}, "speed.bounds"),
    ],
)
def test_a_knob_that_does_not_fit_together_is_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        DynamicParameter("speed", **arguments)
    assert named in str(error.value)
