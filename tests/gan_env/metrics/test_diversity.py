import math

import pytest
import torch
from torch import Tensor

from gan_env.metrics.diversity import (
    FAR,
    NEAREST,
    NEIGHBOURS,
    coverage,
    density,
    mean_distance,
    mode_coverage,
    neighbour_radii,
    pad_centers,
)


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- mean distance ---


def test_mean_distance_by_hand() -> None:
    """Pairs at 5, 5 and 10."""
    assert mean_distance(torch.tensor([[[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]])).item() == pytest.approx(20 / 3)


def test_mean_distance_of_a_gaussian_cloud() -> None:
    """The distance of two standard normal points in the plane is a Rayleigh variable of mean sqrt(pi)."""
    found = mean_distance(cloud(50, NEIGHBOURS, 2)).mean().item()
    assert found == pytest.approx(math.sqrt(math.pi), rel=0.03)


def test_mean_distance_of_equal_samples_is_nothing() -> None:
    """What a collapsed generator gives."""
    point = torch.tensor([0.8, -0.3]).expand(1, NEIGHBOURS, 2)
    assert mean_distance(point).item() < 1e-3


def test_mean_distance_scales_and_does_not_shift() -> None:
    x = cloud(2, 60, 3)
    torch.testing.assert_close(mean_distance(5 * x + 2), 5 * mean_distance(x))


def test_mean_distance_compares_the_first_samples_alone() -> None:
    x = cloud(2, NEIGHBOURS + 50, 2)
    changed = x.clone()
    changed[:, NEIGHBOURS:] = 100
    assert torch.equal(mean_distance(x), mean_distance(changed))
    changed[:, NEIGHBOURS - 1] = 100
    assert (mean_distance(changed) > mean_distance(x)).all()


def test_mean_distance_of_rows_is_that_of_each() -> None:
    x = cloud(3, 60, 4)
    together = mean_distance(x)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], mean_distance(x[i : i + 1]))


def test_mean_distance_of_a_broken_row_is_nan_and_leaves_the_others() -> None:
    x = cloud(3, 60, 4)
    broken = x.clone()
    broken[1, 7, 2] = math.nan
    before, after = mean_distance(x), mean_distance(broken)
    assert after[1].isnan()
    assert torch.equal(before[[0, 2]], after[[0, 2]])


# --- mode coverage ---

STD = torch.tensor([0.1])
CENTERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def modes_covered(samples: list[list[float]], centers: Tensor = CENTERS) -> tuple[float, float]:
    modes, quality = mode_coverage(torch.tensor([samples]), centers[None], STD)
    return modes.item(), quality.item()


def test_samples_at_every_mode_cover_all() -> None:
    assert modes_covered(CENTERS.tolist()) == (1.0, 1.0)


def test_samples_at_one_mode_cover_one() -> None:
    assert modes_covered([[0.0, 0.1], [0.05, 0.0], [-0.1, 0.0]]) == (0.25, 1.0)


def test_samples_between_the_modes_are_of_no_quality() -> None:
    assert modes_covered([[0.5, 0.5], [0.5, 0.0], [0.0, 0.1], [1.0, 0.9]]) == (0.5, 0.5)


def test_three_standard_deviations_are_the_limit() -> None:
    assert modes_covered([[-0.29, 0.0]]) == (0.25, 1.0)
    assert modes_covered([[-0.31, 0.0]]) == (0.0, 0.0)


def test_a_sample_near_two_modes_covers_both_and_counts_once() -> None:
    assert modes_covered([[0.1, 0.0], [9.0, 9.0]], torch.tensor([[0.0, 0.0], [0.2, 0.0]])) == (1.0, 0.5)


def test_padded_centers_do_not_count() -> None:
    centers = pad_centers([CENTERS, CENTERS[:2]])
    samples = CENTERS[:2].expand(2, 2, 2)
    modes, quality = mode_coverage(samples, centers, STD)
    assert modes.tolist() == [0.5, 1.0]
    assert quality.tolist() == [1.0, 1.0]


def test_centers_are_padded_to_the_longest() -> None:
    centers = pad_centers([CENTERS, CENTERS[:1]])
    assert centers.shape == (2, 4, 2)
    assert torch.equal(centers[0], CENTERS)
    assert torch.equal(centers[1, :1], CENTERS[:1])
    assert (centers[1, 1:] == FAR).all()


@pytest.mark.parametrize("others", [[], [CENTERS]], ids=["no data set has modes", "another data set has modes"])
def test_without_known_modes_both_shares_are_nan(others: list[Tensor]) -> None:
    centers = pad_centers([torch.zeros(0, 2), *others])[:1]
    modes, quality = mode_coverage(torch.zeros(1, 3, 2), centers, STD)
    assert modes.isnan().all()
    assert quality.isnan().all()


def test_without_a_known_standard_deviation_both_shares_are_nan() -> None:
    modes, quality = mode_coverage(CENTERS[None], CENTERS[None], torch.zeros(1))
    assert modes.isnan().all() and quality.isnan().all()


def test_coverage_of_rows_is_that_of_each() -> None:
    samples, centers = 0.5 * cloud(3, 30, 2), pad_centers([CENTERS, CENTERS[:2], CENTERS[1:]])
    modes, quality = mode_coverage(samples, centers, STD)
    for i in range(3):
        alone = mode_coverage(samples[i : i + 1], centers[i : i + 1], STD)
        assert (modes[i].item(), quality[i].item()) == (alone[0].item(), alone[1].item())


def test_coverage_of_a_broken_row_is_the_worst_and_leaves_the_others() -> None:
    samples, centers = CENTERS.repeat(3, 1, 1), CENTERS.repeat(3, 1, 1)
    samples[1] = math.nan
    modes, quality = mode_coverage(samples, centers, STD)
    assert modes.tolist() == quality.tolist() == [1.0, 0.0, 1.0]


# --- coverage and density in a feature space ---


def test_coverage_and_density_are_those_of_a_plain_loop() -> None:
    reals, samples = cloud(2, 40, 3, seed=1), 0.6 * cloud(2, 30, 3, seed=2)
    radii = neighbour_radii(reals)
    covered, dense = coverage(samples, reals, radii), density(samples, reals, radii)
    for row in range(2):
        reach = [sorted((a - b).norm().item() for b in reals[row])[NEAREST] for a in reals[row]]
        inside = [[(a - s).norm().item() <= r for s in samples[row]] for a, r in zip(reals[row], reach, strict=True)]
        assert covered[row].item() == pytest.approx(sum(any(ball) for ball in inside) / 40)
        assert dense[row].item() == pytest.approx(sum(map(sum, inside)) / (NEAREST * 30))


def test_parts_of_the_reals_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    reals, samples = cloud(2, 50, 3, seed=1), cloud(2, 30, 3, seed=2)
    radii = neighbour_radii(reals)
    whole = coverage(samples, reals, radii), density(samples, reals, radii)
    monkeypatch.setattr("gan_env.metrics.diversity._PART", 7)
    torch.testing.assert_close(neighbour_radii(reals), radii)
    torch.testing.assert_close((coverage(samples, reals, radii), density(samples, reals, radii)), whole)


def test_coverage_of_real_samples_is_what_it_should_be() -> None:
    """1 - (M / (M + S))^k, and a density of 1."""
    reals, samples = cloud(1, 1000, 4, seed=1), cloud(1, 500, 4, seed=2)
    radii = neighbour_radii(reals)
    assert coverage(samples, reals, radii).item() == pytest.approx(1 - (2 / 3) ** NEAREST, abs=0.04)
    assert density(samples, reals, radii).item() == pytest.approx(1, abs=0.1)


def test_samples_of_one_mode_in_four_cover_a_quarter() -> None:
    centers = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    reals = (centers.repeat_interleave(50, dim=0) + cloud(200, 2))[None]
    samples = cloud(1, 400, 2, seed=3) + centers[1]
    assert coverage(samples, reals, neighbour_radii(reals)).item() == pytest.approx(0.25, abs=0.01)


def test_one_repeated_sample_covers_little() -> None:
    reals = cloud(1, 300, 8)
    assert 0 < coverage(reals[:, :1].expand(1, 300, 8), reals, neighbour_radii(reals)).item() < 0.1


def test_broken_rows_cover_nothing_and_leave_the_others() -> None:
    reals, samples = cloud(2, 40, 3, seed=1), cloud(2, 30, 3, seed=2)
    radii = neighbour_radii(reals)
    before = coverage(samples, reals, radii)
    samples[1] = math.nan
    assert coverage(samples, reals, radii).tolist() == [before[0].item(), 0.0]
    assert density(samples, reals, radii)[1].item() == 0
