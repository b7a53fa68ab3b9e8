import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from gan_env.metrics.frechet import FrechetDistance, feature_statistics

FEATURES = 6
FIRST = torch.tensor([0])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exact(mean: Tensor, root: Tensor, seed: int = 0, count: int = 100) -> Tensor:
    """Samples whose mean and (unbiased) covariance are exactly `mean` and `root @ root.T`."""
    x = random(count, len(mean), seed=seed)
    x = x - x.mean(dim=0)
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(x.T @ x / (count - 1)), x.T, upper=False)
    return (root @ whitened).T + mean


def distance(samples: Tensor, reference: Tensor) -> float:
    return FrechetDistance([reference])(samples[None], FIRST).item()


MEAN, ROOT = random(FEATURES, seed=8), torch.tril(random(FEATURES, FEATURES, seed=9))


def test_exact_samples_are_exact() -> None:
    """The helper of these tests."""
    x = exact(MEAN, ROOT)
    np.testing.assert_allclose(x.mean(dim=0), MEAN, atol=1e-12)
    np.testing.assert_allclose(np.cov(x.numpy(), rowvar=False), ROOT @ ROOT.T, atol=1e-10)


def test_statistics_are_mean_and_unbiased_covariance() -> None:
    x = random(3, 40, FEATURES).float()
    mean, covariance = feature_statistics(x)
    assert mean.dtype == covariance.dtype == torch.float64
    for i in range(3):
        np.testing.assert_allclose(mean[i], x[i].double().mean(dim=0), atol=1e-6)
        np.testing.assert_allclose(covariance[i], np.cov(x[i].double().numpy(), rowvar=False), atol=1e-6)


def test_features_are_at_no_distance_from_themselves() -> None:
    x = random(100, FEATURES)
    assert distance(x, x) < 1e-6


def test_other_samples_of_the_same_gaussian_are_at_no_distance() -> None:
    assert distance(exact(MEAN, ROOT, seed=1), exact(MEAN, ROOT, seed=2)) < 1e-6


def test_it_is_symmetric() -> None:
    a, b = random(100, FEATURES), 2 * random(150, FEATURES, seed=1) + 1
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-5)


def test_a_translation_costs_its_squared_length() -> None:
    shift = random(FEATURES, seed=3)
    assert distance(random(100, FEATURES) + shift, random(100, FEATURES)) == pytest.approx(
        shift.square().sum().item(), rel=1e-5
    )


def test_gaussians_with_diagonal_covariances_have_a_closed_form() -> None:
    """||m1 - m2||^2 + sum (s1 - s2)^2."""
    first, second = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([3.0, 2.0, 0.1]).double()
    mean = torch.tensor([0.0, 1.0, -2.0]).double()
    found = distance(exact(mean, first.diag()), exact(torch.zeros(3).double(), second.diag(), seed=1))
    assert found == pytest.approx(5 + 4 + 0 + 0.16, rel=1e-5)


def test_gaussians_with_covariances_that_do_not_commute_have_a_closed_form() -> None:
    """In two dimensions tr sqrt(M) = sqrt(tr M + 2 sqrt(det M)), for M = S R."""
    a, b = torch.tensor([[2.0, 0.0], [1.0, 0.5]]).double(), torch.tensor([[1.0, 0.0], [-2.0, 1.5]]).double()
    zero = torch.zeros(2).double()
    s, r = a @ a.T, b @ b.T
    assert not torch.allclose(s @ r, r @ s)
    product = s @ r
    trace_root = math.sqrt(product.trace() + 2 * math.sqrt(torch.linalg.det(product)))
    expected = (s.trace() + r.trace()).item() - 2 * trace_root
    assert distance(exact(zero, a), exact(zero, b, seed=1)) == pytest.approx(expected, rel=1e-5)


def test_it_grows_with_the_shift() -> None:
    found = [distance(random(100, FEATURES, seed=1) + 0.3 * i, random(100, FEATURES)) for i in range(6)]
    assert found == sorted(found)
    assert found[-1] > found[0] + 1


@pytest.mark.parametrize(
    ("count", "features"), [(200, 6), (400, 64), (40, 64)], ids=["few features", "many", "more than samples"]
)
def test_it_equals_torch_fidelity(count: int, features: int) -> None:
    """An implementation of FID that others use, on the same features, ReLU'd as a classifier's are."""
    samples = random(count, features).clamp(min=0).float()
    reference = (1.5 * random(500, features, seed=1) @ random(features, features, seed=2)).clamp(min=0).float()
    pair = [fid_features_to_statistics(x.double()) for x in (samples, reference)]
    expected = fid_statistics_to_metric(*pair, verbose=False)[KEY_METRIC_FID]
    assert distance(samples, reference) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("different", [8, 16, 512])
def test_few_different_samples_are_as_far_as_in_float64(different: int) -> None:
    """A generator that has collapsed: the covariance is singular, and float32's noise in its zeros adds up."""
    mixing = random(64, 64, seed=2)
    samples = (random(different, 64) @ mixing).clamp(min=0).repeat(512 // different, 1).float()
    reference = (random(2000, 64, seed=1) @ mixing).clamp(min=0).float()
    assert distance(samples, reference) == pytest.approx(distance(samples.double(), reference), rel=1e-6)


REFERENCES = [random(100, FEATURES), 2 * random(80, FEATURES, seed=4)]
BATCH = torch.stack([random(60, FEATURES, seed=i) + i for i in range(3)]).float()
DATASETS = torch.tensor([0, 1, 1])


def test_rows_are_judged_one_by_one() -> None:
    together = FrechetDistance(REFERENCES)(BATCH, DATASETS)
    assert together.shape == (3,)
    assert together.dtype == torch.float32
    for i in range(3):
        assert together[i].item() == pytest.approx(distance(BATCH[i], REFERENCES[int(DATASETS[i])]), rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_row_that_is_not_finite_is_nan_and_leaves_the_others(bad: float) -> None:
    judge = FrechetDistance(REFERENCES)
    broken = BATCH.clone()
    broken[1, 17, 3] = bad
    before, after = judge(BATCH, DATASETS), judge(broken, DATASETS)
    assert after[1].isnan()
    assert torch.equal(before[[0, 2]], after[[0, 2]])


def test_collapsed_samples_have_a_closed_form() -> None:
    """Without any spread, it is the squared shift of the mean plus the reference's variance."""
    reference = exact(MEAN, ROOT)
    expected = MEAN.square().sum() + (ROOT @ ROOT.T).trace()
    assert distance(torch.zeros(50, FEATURES), reference) == pytest.approx(expected.item(), rel=1e-5)
