import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_env.config import EnvConfig
from gan_env.errors import ConfigError
from gan_env.mdp.knobs import TARGETS, KnobSet, knob_table

CPU = torch.device("cpu")
ALL = tuple(knob_table())
THREE = ("instance_noise", "augment", "r1")
UNIT = st.floats(0, 1, width=32)


def knob_set(
    controlled: tuple[str, ...] = THREE,
    initial: dict[str, float] | None = None,
    mode: str = "delta",
    change: float = 0.2,
    first: float = 0.2,
) -> KnobSet:
    moves: dict[str, Any] = {"action_mode": mode, "max_change": change, "max_first_change": first}
    seen = (*EnvConfig.observation, "balanced", "limited")
    return KnobSet(EnvConfig(knobs=controlled, initial_knobs=initial or {}, observation=seen, **moves), CPU)


ROWS = st.lists(st.tuples(UNIT, st.floats(-3, 3, width=32)), min_size=3, max_size=3)


LATER = torch.tensor([False])
NONE = torch.zeros(1, 2)  # no steps measured


def columns(rows: list[tuple[float, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates and actions of one row with three knobs."""
    return torch.tensor([[u for u, _ in rows]]), torch.tensor([[a for _, a in rows]])


@given(ROWS, st.sampled_from(["delta", "absolute", *TARGETS]))
def test_moves_never_leave_the_unit_interval(rows: list[tuple[float, float]], mode: str) -> None:
    moved = knob_set(mode=mode).move(*columns(rows), LATER, NONE)
    assert moved.min() >= 0
    assert moved.max() <= 1


@given(ROWS, st.floats(0.01, 1))
def test_a_delta_moves_by_the_largest_change_at_most(rows: list[tuple[float, float]], change: float) -> None:
    coordinates, actions = columns(rows)
    moved = knob_set(change=change).move(coordinates, actions, LATER, NONE)
    assert (moved - coordinates).abs().max() <= change + 1e-6


@given(ROWS)
def test_a_delta_is_the_action_times_the_largest_change(rows: list[tuple[float, float]]) -> None:
    coordinates, actions = columns(rows)
    expected = [min(max(u + 0.2 * min(max(a, -1), 1), 0), 1) for u, a in rows]
    assert knob_set().move(coordinates, actions, LATER, NONE)[0].tolist() == pytest.approx(expected, abs=1e-6)


@given(ROWS)
def test_an_absolute_action_sets_the_coordinate_wherever_it_was(rows: list[tuple[float, float]]) -> None:
    coordinates, actions = columns(rows)
    expected = [(min(max(a, -1), 1) + 1) / 2 for _, a in rows]
    assert knob_set(mode="absolute").move(coordinates, actions, LATER, NONE)[0].tolist() == pytest.approx(
        expected, abs=1e-6
    )


@given(ROWS, st.floats(0.01, 1))
def test_a_first_delta_is_the_action_times_its_own_largest_change(
    rows: list[tuple[float, float]], first: float
) -> None:
    coordinates, actions = columns(rows)
    expected = [min(max(u + first * min(max(a, -1), 1), 0), 1) for u, a in rows]
    moved = knob_set(first=first).move(coordinates, actions, torch.tensor([True]), NONE)
    assert moved[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_zero_delta_moves_nothing() -> None:
    coordinates = torch.tensor([[0.0, 0.3, 1.0]])
    assert torch.equal(knob_set().move(coordinates, torch.zeros(1, 3), LATER, NONE), coordinates)


STEP = st.floats(-6, 0).map(lambda x: 10**x)


def led(action: float, step: float, first: bool = False, before: float = 0.5, mode: str = "steps") -> float:
    """Where an action takes the coordinate of `lr_d` in a mode of `TARGETS`, where D's steps had some size."""
    knobs = knob_set(("r1", "lr_g", "lr_d"), mode=mode, first=1.0)
    before_all, actions = torch.tensor([[0.1, 0.2, before]]), torch.tensor([[0.0, 0.0, action]])
    steps = torch.tensor([[1e-3, step]])
    return float(knobs.move(before_all, actions, torch.tensor([first]), steps)[0, 2])


def test_an_action_of_steps_closes_half_of_the_distance_to_the_size_it_asks_for() -> None:
    """-1 asks for 3e-4 and 1 for 0.1; the range of a rate is three decades."""
    assert led(-1.0, 3e-3) == pytest.approx(0.5 - 0.5 / 3, abs=1e-3)
    assert led(1.0, 0.05) == pytest.approx(0.5 + 0.5 * math.log10(2) / 3, abs=1e-3)
    assert led(0.0, (3e-4 * 0.1) ** 0.5) == pytest.approx(0.5, abs=1e-3)


def test_an_action_of_balanced_sets_a_third_to_three_times_the_rate_that_the_rule_wants() -> None:
    assert led(-1.0, 1.0, mode="balanced") == pytest.approx(0.5 - math.log10(3) / 3, abs=1e-3)
    assert led(0.0, 1.0, mode="balanced") == pytest.approx(0.5, abs=1e-3)
    assert led(1.0, 1.5, mode="balanced") == pytest.approx(0.5 + math.log10(2) / 3, abs=1e-3)


@given(st.floats(-3, 3, width=32), STEP)
def test_an_action_of_steps_moves_by_the_largest_change_at_most(action: float, step: float) -> None:
    assert abs(led(action, step) - 0.5) <= 0.2 + 1e-6


@given(st.floats(-1, 1, width=32))
def test_a_first_action_of_steps_is_a_delta_as_there_is_no_step_to_measure(action: float) -> None:
    assert led(action, 0.0, first=True, before=0.5) == pytest.approx(min(max(0.5 + action, 0), 1), abs=1e-6)


def test_a_first_action_of_balanced_sets_the_rate_like_later_ones_but_by_its_own_largest_change() -> None:
    assert led(1.0, 1.5, mode="balanced", first=True) == led(1.0, 1.5, mode="balanced")
    assert led(0.0, 1e-2, mode="balanced", first=True, before=0.1) == pytest.approx(0.1 + 2 / 3, abs=1e-3)
    assert led(0.0, 1e-2, mode="balanced", before=0.1) == pytest.approx(0.1 + 0.2, abs=1e-3)


@pytest.mark.parametrize("step", [math.nan, 0.0, 1e-9])
def test_a_run_that_has_diverged_and_a_player_that_does_not_move_keep_their_rates(step: float) -> None:
    assert led(0.7, step) == 0.5
    for first in (False, True):  # an optimiser that isn't of Adam's kind has a relative rate of 0
        assert led(0.7, step, first=first, mode="balanced") == 0.5


@given(ROWS)
def test_knobs_that_are_no_rates_move_alike_in_all_modes_but_absolute(rows: list[tuple[float, float]]) -> None:
    delta, *others = (knob_set(mode=mode).move(*columns(rows), LATER, NONE) for mode in ("delta", *TARGETS))
    assert all(torch.equal(delta, other) for other in others)


def test_moves_of_rows_are_independent() -> None:
    coordinates, actions = torch.tensor([[0.1, 0.2, 0.3], [0.9, 0.5, 0.7]]), torch.tensor([[1.0, -1, 0], [1, 1, -0.5]])
    first = torch.tensor([True, False])
    moved = knob_set(first=0.7).move(coordinates, actions, first, torch.zeros(2, 2))
    for i in range(2):
        alone = knob_set(first=0.7).move(coordinates[i : i + 1], actions[i : i + 1], first[i : i + 1], NONE)
        assert torch.equal(moved[i : i + 1], alone)


@given(st.lists(st.lists(UNIT, min_size=3, max_size=3), min_size=1, max_size=4))
def test_values_of_all_knobs_are_within_their_bounds(coordinates: list[list[float]]) -> None:
    values = knob_set().values(torch.tensor(coordinates))
    for name, knob in knob_table().items():
        low, high = (torch.tensor(bound).item() for bound in knob.bounds)  # as exactly as float32 has them
        assert values[name].shape == (len(coordinates),)
        assert values[name].min() >= low
        assert values[name].max() <= high


def test_values_come_in_the_order_of_the_action() -> None:
    knobs = knob_set(("r1", "augment"))
    values = knobs.values(torch.tensor([[1.0, 0.0], [0.0, 0.25]]))
    torch.testing.assert_close(values["r1"], torch.tensor([30.0, 0.0]))
    torch.testing.assert_close(values["augment"], torch.tensor([0.0, 0.25]))


def test_knobs_that_are_not_controlled_are_constants() -> None:
    values = knob_set(("augment",), {"r1": 7.0}).values(torch.tensor([[0.1], [0.9]]))
    assert set(values) == set(ALL)
    assert values["r1"].tolist() == [7.0, 7.0]
    assert torch.equal(values["instance_noise"], torch.full((2,), knob_table()["instance_noise"].initial_value))


def test_initial_coordinates_decode_to_the_initial_values() -> None:
    knobs = knob_set(initial={"r1": 10.0, "instance_noise": 0.2})
    values = knobs.values(knobs.initial[None])
    assert values["r1"].item() == pytest.approx(10.0, rel=1e-5)
    assert values["instance_noise"].item() == pytest.approx(0.2, rel=1e-5)
    assert values["augment"].item() == pytest.approx(knob_table()["augment"].initial_value, rel=1e-5)


def test_knob_sets_do_not_share_their_initial_values() -> None:
    knob_set(initial={"r1": 10.0})
    assert knob_table()["r1"].value == knob_table()["r1"].initial_value != 10.0


@pytest.mark.parametrize(
    ("controlled", "initial", "option"), [(("weather",), {}, "knobs"), (("r1",), {"weather": 1.0}, "initial_knobs")]
)
def test_an_unknown_knob_is_refused_with_the_known_ones(
    controlled: tuple[str, ...], initial: dict[str, float], option: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^{option}='weather'.*'augment'.*'r1'"):
        knob_set(controlled, initial)


def test_an_initial_value_out_of_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^initial_knobs\.r1=31 .*from 0.0 to 30"):
        knob_set(initial={"r1": 31})


def test_bounds_and_the_initial_value_within_them_are_taken_together() -> None:
    """The table's own value lies outside of these bounds."""
    knobs = KnobSet(EnvConfig(knobs=("lr_g",), knob_bounds={"lr_g": (2.0, 10.0)}, initial_knobs={"lr_g": 3.0}), CPU)
    assert knobs.values(knobs.initial[None])["lr_g"].item() == pytest.approx(3.0, rel=1e-5)


def test_starting_at_nothing_is_the_initial_value() -> None:
    knobs = knob_set(initial={"r1": 10.0})
    assert torch.equal(knobs.starting_at({}, 2), knobs.initial.expand(2, 3))


def test_starting_at_a_number_holds_for_all_rows() -> None:
    knobs = knob_set(initial={"instance_noise": 0.0})
    values = knobs.values(knobs.starting_at({"r1": 3.0}, 4))
    torch.testing.assert_close(values["r1"], torch.full((4,), 3.0))
    assert values["instance_noise"].tolist() == [0.0] * 4


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_starting_at_an_array_has_a_value_a_row(kind: Any) -> None:
    knobs = knob_set()
    start = knobs.starting_at({"r1": kind([0.003, 3.0, 30.0]), "augment": 0.5}, 3)
    values = knobs.values(start)
    torch.testing.assert_close(values["r1"], torch.tensor([0.003, 3.0, 30.0]))
    torch.testing.assert_close(values["augment"], torch.full((3,), 0.5))


def test_rows_start_at_coordinates_of_their_own() -> None:
    """The ends included, whose values are within the bounds."""
    knobs = knob_set(ALL)
    wanted = np.stack([np.zeros(len(ALL)), np.ones(len(ALL)), np.linspace(0.1, 0.9, len(ALL))]).astype(np.float32)
    starts = knobs.starts(wanted)
    assert list(starts) == list(ALL) and starts["r1"].tolist()[:2] == [0.0, 30.0]
    np.testing.assert_allclose(knobs.starting_at(starts, 3).numpy(), wanted, atol=1e-5)


def test_controlled_knobs_are_those_of_the_options_in_their_order() -> None:
    config = EnvConfig(knobs=("r1", "augment"), initial_knobs={"r1": 3.0}, knob_bounds={"augment": (0.0, 0.5)})
    assert [(knob.name, knob.value, knob.bounds[1]) for knob in KnobSet(config, CPU).controlled] == [
        ("r1", 3.0, 30.0),
        ("augment", 0.25, 0.5),
    ]


@pytest.mark.parametrize("name", ALL)
def test_starting_at_the_bounds_stays_in_the_unit_interval(name: str) -> None:
    start = knob_set(ALL).starting_at({name: knob_table()[name].bounds}, 2)
    assert start.min() >= 0
    assert start.max() <= 1


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"weather": 1.0}, "weather"),
        ({"augment": 0.5}, "augment"),  # known, but not controlled
        ({"r1": 31.0}, "31.0"),
        ({"r1": [1.0, -0.1]}, "[1.0, -0.1]"),
        ({"r1": math.nan}, "nan"),
        ({"r1": [1.0, 2.0, 3.0]}, "[1.0, 2.0, 3.0]"),
        ({"r1": "a"}, "'a' can't be read as numbers: expected a number, or 2 of them"),
        ({"r1": [1.0, {}]}, "[1.0, {}] can't be read as numbers"),
        (None, "None can't be used: expected a mapping of values by name, out of ['r1', 'instance_noise']"),
        (["r1"], "['r1'] can't be used: expected a mapping"),
    ],
    ids=[
        "unknown",
        "not controlled",
        "too large",
        "too small in a row",
        "NaN",
        "too many",
        "text",
        "no numbers",
        "nothing",
        "no mapping",
    ],
)
def test_a_start_that_cannot_be_is_refused_by_name(values: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=r"options\['knobs'\]") as error:
        knob_set(("r1", "instance_noise")).starting_at(values, 2)
    assert named in str(error.value)


def test_knobs_act_that_are_controlled_or_not_neutral() -> None:
    assert knob_set(("gp",)).active == ("instance_noise", "augment", "r1", "gp")
    assert knob_set(("r1",), {"instance_noise": 0.0, "augment": 0.0, "lr_g": 0.5}).active == ("r1", "lr_g")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_neutral_is_within_the_bounds_and_met_exactly(name: str, dtype: torch.dtype) -> None:
    knob = knob_table()[name]
    low, high = knob.bounds
    assert low <= knob.neutral <= high
    coordinates = knob.encode(torch.full((9,), knob.neutral, dtype=dtype))
    assert (knob.decode(coordinates) == knob.neutral).all()
    assert (knob.decode(coordinates[:1]) == knob.neutral).all()


@pytest.mark.parametrize("name", ["lr_g", "lr_d", "latent_noise"])
def test_a_knob_that_does_nothing_has_a_slope_there(name: str) -> None:
    knob = knob_table()[name]
    low, high = knob.bounds
    coordinate = knob.encode(torch.tensor(knob.neutral)).requires_grad_()
    (slope,) = torch.autograd.grad(knob.decode(coordinate), coordinate)
    assert float(slope) == pytest.approx(knob.neutral * math.log(high / low))


def test_bounds_of_a_knob_may_differ_from_the_tables() -> None:
    knobs = KnobSet(EnvConfig(knobs=("lr_g", "lr_d"), knob_bounds={"lr_g": (1e-3, 1e3)}), CPU)
    values = knobs.values(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert values["lr_g"].tolist() == pytest.approx([1e-3, 1e3])
    assert values["lr_d"].tolist() == pytest.approx([0.01, 10.0])


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ({"speed": (0.0, 1.0)}, "knob_bounds='speed'"),
        ({"lr_g": (2.0, 3.0)}, r"initial_knobs\.lr_g=1\.0 .*from 2\.0 to 3\.0, the knob's bounds"),
        ({"lr_g": (0.0, 1.0)}, r"knob_bounds\.lr_g=\(0\.0, 1\.0\)"),
    ],
)
def test_bounds_that_a_knob_cant_have_are_refused(bounds: dict[str, tuple[float, float]], named: str) -> None:
    """There is no such knob, its start is outside of them, or a logarithm reaches zero."""
    with pytest.raises(ConfigError, match=f"^{named}"):
        KnobSet(EnvConfig(knob_bounds=bounds), CPU)


def test_a_share_stays_between_0_and_1() -> None:
    with pytest.raises(ConfigError, match=r"knob_bounds\.augment=\(0\.0, 2\.0\) .*it is a share"):
        knob_table({"augment": (0.0, 2.0)})
