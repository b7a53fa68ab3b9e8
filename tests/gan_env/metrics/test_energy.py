import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_env.metrics.energy import energy_distance

seeds = st.integers(0, 10_000)


def draw(seed: int, rows: int = 2, count: int = 7, features: int = 3) -> torch.Tensor:
    return torch.randn(rows, count, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seed=seeds)
def test_a_sample_is_no_distance_from_itself(seed: int) -> None:
    x = draw(seed)
    shuffled = x[:, torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(seed))]
    torch.testing.assert_close(energy_distance(x, shuffled), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)


@given(seed=seeds, other=seeds, count=st.integers(1, 9))
def test_it_is_symmetric_and_never_negative(seed: int, other: int, count: int) -> None:
    x, y = draw(seed), draw(other, count=count)
    torch.testing.assert_close(energy_distance(x, y), energy_distance(y, x))
    assert (energy_distance(x, y) >= -1e-12).all()


@given(a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_two_single_points_are_twice_their_distance_apart(a: float, b: float) -> None:
    x, y = (torch.full((1, 4, 1), value, dtype=torch.float64) for value in (a, b))
    assert energy_distance(x, y).item() == pytest.approx(2 * abs(a - b), abs=1e-9)


def test_a_normal_moved_away_is_ever_further() -> None:
    moves = torch.tensor([0.0, 0.5, 1.0, 3.0])
    x = draw(0, rows=1, count=400) + moves[:, None, None]
    assert energy_distance(x, draw(1, rows=1, count=400).expand(4, -1, -1)).diff().min() > 0


@given(seed=seeds)
def test_rows_do_not_mix(seed: int) -> None:
    x, y = draw(seed), draw(seed + 1)
    alone = torch.cat([energy_distance(x[i : i + 1], y[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(energy_distance(x, y), alone)


def test_its_gradient_is_that_of_finite_differences() -> None:
    x, y = draw(0, count=4).requires_grad_(), draw(1, count=5)
    assert torch.autograd.gradcheck(lambda part: energy_distance(part, y), x)
