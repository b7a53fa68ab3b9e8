import math

import pytest
import torch
from torch import Tensor

from gan_env.metrics.wasserstein import SlicedWasserstein, sort

SAMPLES, DIRECTIONS = 400, 32
FIRST = torch.tensor([0])


def cloud(count: int = SAMPLES, seed: int = 0) -> Tensor:
    """A lopsided distribution: a Gaussian stretched and bent."""
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return torch.stack([x[:, 0], 0.4 * x[:, 1] + 0.2 * x[:, 0].square()], dim=1)


def distance(samples: Tensor, reference: Tensor) -> float:
    return SlicedWasserstein([reference], len(samples))(samples[None], FIRST).item()


def test_samples_are_at_no_distance_from_themselves() -> None:
    assert distance(cloud(), cloud()) < 0.01


def test_other_samples_of_the_same_distribution_are_near() -> None:
    assert distance(cloud(seed=1), cloud(8000)) < 0.1


def test_the_order_of_the_samples_does_not_matter() -> None:
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(0))
    assert distance(cloud()[order], cloud(seed=1)) == pytest.approx(distance(cloud(), cloud(seed=1)), rel=1e-6)


def test_it_is_symmetric() -> None:
    a, b = cloud(), cloud(seed=1) * 0.5 + 0.3
    assert distance(a, b) == pytest.approx(distance(b, a), rel=0.02)


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_a_translation_has_a_closed_form(angle: float) -> None:
    """Along each direction it is the shift's component; the mean of |cos| over all directions is 2 / pi."""
    shift = 3 * torch.tensor([math.cos(angle), math.sin(angle)])
    components = [abs(3 * math.cos(i * math.pi / DIRECTIONS - angle)) for i in range(DIRECTIONS)]
    found = distance(cloud() + shift, cloud())
    assert found == pytest.approx(sum(components) / DIRECTIONS, rel=0.01)
    assert found == pytest.approx(3 * 2 / math.pi, rel=0.01)


def test_two_points_against_one_have_a_closed_form() -> None:
    """Half of the mass moves by one along x: half of the mean of |cos| over the directions."""
    reference = torch.zeros(1000, 2)
    samples = torch.tensor([[0.0, 0.0], [1.0, 0.0]]).repeat(500, 1)
    cosines = [abs(math.cos(i * math.pi / DIRECTIONS)) for i in range(DIRECTIONS)]
    assert distance(samples, reference) == pytest.approx(sum(cosines) / DIRECTIONS / 2, rel=1e-4)


def test_it_grows_with_the_shift() -> None:
    found = [distance(cloud(seed=1) + 0.2 * i, cloud()) for i in range(6)]
    assert found == sorted(found)
    assert found[-1] > 2 * found[0]


def test_it_scales_with_the_data() -> None:
    assert distance(5 * cloud(seed=1), 5 * cloud()) == pytest.approx(5 * distance(cloud(seed=1), cloud()), rel=1e-4)


def test_a_reference_may_have_another_number_of_points() -> None:
    assert distance(cloud(seed=1) + 3, cloud(3000)) == pytest.approx(3 * math.sqrt(2) * 2 / math.pi, rel=0.05)


REFERENCES = [cloud(), cloud(1000, seed=4) + 2]
BATCH = torch.stack([cloud(seed=5), cloud(seed=6) + 1, cloud(seed=7) * 2])
DATASETS = torch.tensor([0, 1, 1])


def test_rows_are_judged_one_by_one() -> None:
    judge = SlicedWasserstein(REFERENCES, SAMPLES)
    together = judge(BATCH, DATASETS)
    assert together.shape == (3,)
    for i in range(3):
        alone = SlicedWasserstein([REFERENCES[int(DATASETS[i])]], SAMPLES)(BATCH[i : i + 1], FIRST)
        torch.testing.assert_close(together[i : i + 1], alone)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_row_that_is_not_finite_is_marked_and_leaves_the_others(bad: float) -> None:
    judge = SlicedWasserstein(REFERENCES, SAMPLES)
    broken = BATCH.clone()
    broken[1, 17] = bad
    before, after = judge(BATCH, DATASETS), judge(broken, DATASETS)
    assert not after[1].isfinite()
    assert torch.equal(before[[0, 2]], after[[0, 2]])


def test_sort_is_torchs_sort() -> None:
    values = torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sort(values), values.sort(dim=-1).values)
