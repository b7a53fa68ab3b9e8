import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gan_env.seeding import even_normal, fold_in, normal, power, random_bits, uniform

Draw = Callable[..., Tensor]

KEYS = torch.tensor([0, 1, 2, -5, 2**62])
MASK = 2**64 - 1


def mix(bits: int) -> int:
    """SplitMix64's finaliser, with Python's whole numbers."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def splitmix(state: int, position: int) -> int:
    return mix((state + position * 0x9E3779B97F4A7C15) & MASK)


def test_reference_of_these_tests_gives_the_published_numbers() -> None:
    """Rosetta Code, "Pseudo-random numbers/Splitmix64", seed 1234567."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [splitmix(1234567, i) for i in (1, 2, 3)] == published


@pytest.mark.parametrize("key", KEYS.tolist())
def test_random_bits_are_splitmix64(key: int) -> None:
    expected = [splitmix(key & MASK, i) for i in range(1, 6)]
    assert [bits & MASK for bits in random_bits(torch.tensor(key), 5).tolist()] == expected


def test_uniform_is_in_the_half_open_unit_interval() -> None:
    values = uniform(KEYS, 100_000)
    assert values.min() >= 0
    assert values.max() < 1
    assert values.dtype == torch.float32


def test_uniform_reaches_both_ends() -> None:
    values = uniform(torch.tensor(3), 100_000)
    assert values.min() < 1e-3
    assert values.max() > 1 - 1e-3


def test_uniform_has_the_moments_of_a_uniform_distribution() -> None:
    values = uniform(KEYS, 100_000).double()
    torch.testing.assert_close(values.mean(dim=1), torch.full((5,), 0.5).double(), rtol=0, atol=0.005)
    torch.testing.assert_close(values.var(dim=1), torch.full((5,), 1 / 12).double(), rtol=0, atol=0.002)


def test_normal_is_finite_and_bounded() -> None:
    values = normal(KEYS, 200_000)
    assert values.isfinite().all()
    assert values.abs().max() < 6


def test_normal_is_finite_where_all_bits_are_zero() -> None:
    """The key whose first bits SplitMix64 makes zero: a radius of zero would be infinitely far out."""
    key = torch.tensor(2**64 - 0x9E3779B97F4A7C15)
    assert random_bits(key, 1).item() == 0
    assert uniform(key, 1).item() == 0.0
    assert 5 < normal(key, 1).item() < 6


def test_normal_has_the_moments_of_a_normal_distribution() -> None:
    values = normal(KEYS, 100_000).double()
    torch.testing.assert_close(values.mean(dim=1), torch.zeros(5).double(), rtol=0, atol=0.015)
    torch.testing.assert_close(values.var(dim=1), torch.ones(5).double(), rtol=0, atol=0.03)
    torch.testing.assert_close((values**4).mean(dim=1), torch.full((5,), 3.0).double(), rtol=0, atol=0.2)


def test_normal_is_within_one_deviation_as_often_as_it_should() -> None:
    share = (normal(torch.tensor(11), 100_000).abs() < 1).double().mean()
    assert share.item() == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)


@pytest.mark.parametrize("draw", [random_bits, uniform, normal])
def test_a_row_is_the_same_alone(draw: Draw) -> None:
    together = draw(KEYS, 7, 3)
    for i in range(len(KEYS)):
        assert torch.equal(together[i : i + 1], draw(KEYS[i : i + 1], 7, 3))


@pytest.mark.parametrize("draw", [random_bits, uniform, normal])
def test_keys_of_two_dimensions_are_drawn_from_each_by_itself(draw: Draw) -> None:
    keys = torch.stack([KEYS, KEYS + 17])
    values = draw(keys, 4)
    assert values.shape == (2, 5, 4)
    for i in range(2):
        assert torch.equal(values[i], draw(keys[i], 4))


def test_the_same_key_gives_the_same_draw() -> None:
    assert torch.equal(uniform(KEYS, 50), uniform(KEYS.clone(), 50))


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    """What lets metrics take the first of more samples."""
    assert torch.equal(uniform(KEYS, 50)[:, :20], uniform(KEYS, 20))


def correlation(a: Tensor, b: Tensor) -> float:
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


@pytest.mark.parametrize("draw", [uniform, normal])
def test_neighbouring_keys_are_uncorrelated(draw: Draw) -> None:
    """Environments are seeded with seed + row, so neighbours must not resemble each other."""
    values = draw(torch.arange(10), 20_000)
    for i in range(9):
        assert abs(correlation(values[i], values[i + 1])) < 0.03


@pytest.mark.parametrize("draw", [uniform, normal])
def test_neighbouring_positions_are_uncorrelated(draw: Draw) -> None:
    values = draw(torch.tensor(5), 20_000)
    assert abs(correlation(values[1:], values[:-1])) < 0.03


def test_fold_in_gives_different_streams() -> None:
    keys = torch.stack([KEYS, *(fold_in(KEYS, data) for data in range(6))])
    assert len(set(keys.flatten().tolist())) == keys.numel()
    assert abs(correlation(uniform(keys[1, 0], 20_000), uniform(keys[2, 0], 20_000))) < 0.03


def test_fold_in_takes_a_number_or_a_tensor_alike() -> None:
    assert torch.equal(fold_in(KEYS, 41), fold_in(KEYS, torch.tensor(41)))


def test_fold_in_broadcasts_data_over_keys() -> None:
    steps = torch.arange(4)[:, None] + torch.arange(5)
    folded = fold_in(KEYS, steps)
    assert folded.shape == (4, 5)
    for i in range(4):
        assert torch.equal(folded[i], fold_in(KEYS, steps[i]))


def test_fold_in_depends_on_the_order() -> None:
    assert not torch.equal(fold_in(fold_in(KEYS, 1), 2), fold_in(fold_in(KEYS, 2), 1))


@pytest.mark.parametrize("dims", [1, 2, 64])
def test_even_points_are_one_to_each_share_of_the_distribution(dims: int) -> None:
    """Of every key and in every dimension, which independent points are not: the first 2**m, for every m."""
    points = even_normal(KEYS, 512, dims)
    assert points.shape == (5, 512, dims)
    for count in (2, 64, 512):
        shares = (torch.special.ndtr(points[:, :count].double()) * count).floor().sort(dim=1).values
        assert torch.equal(shares, torch.arange(count).double()[None, :, None].expand_as(shares))


def test_even_points_are_finite_at_the_ends() -> None:
    """Among a million keys some cells are the first and the last, whose edges are 0 and 1."""
    points = even_normal(torch.arange(2**20), 16, 2)
    assert points.isfinite().all()
    assert 5.2 < points.abs().max() < 5.4


def test_even_points_of_different_keys_are_independent() -> None:
    """A point of one key says nothing about that of another; over keys, each point is standard normal by itself."""
    points = even_normal(torch.arange(20_000), 3, 2).double()
    torch.testing.assert_close(points.mean(dim=0), torch.zeros(3, 2).double(), rtol=0, atol=0.03)
    torch.testing.assert_close(points.var(dim=0), torch.ones(3, 2).double(), rtol=0, atol=0.05)
    assert torch.corrcoef(torch.stack([points[:-1, 0, 0], points[1:, 0, 0]]))[0, 1].abs() < 0.03


def test_even_points_do_not_depend_on_the_number_of_keys_and_fewer_are_the_first_of_more() -> None:
    whole = even_normal(KEYS, 100, 3)
    assert torch.equal(even_normal(KEYS[2:4], 40, 3), whole[2:4, :40])


def test_means_over_even_points_vary_far_less_from_key_to_key() -> None:
    """Of a smooth function of all dimensions, the distance from the centre: the reason for them."""

    def spread(points: Tensor) -> float:
        return points.norm(dim=-1).mean(dim=1).std().item()

    keys = torch.arange(200)
    assert spread(even_normal(keys, 512, 4)) < spread(normal(keys, 512, 4)) / 5


@given(st.integers(1, 70), st.integers(0, 69))
def test_a_power_is_the_same_wherever_a_number_stands(count: int, place: int) -> None:
    exponents = torch.linspace(-1, 1, 70)
    part = exponents[place : place + count]
    assert torch.equal(power(1e3, part), power(1e3, exponents)[place : place + count])
    assert torch.allclose(power(1e3, part), 1e3**part)
