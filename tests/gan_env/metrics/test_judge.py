import dataclasses
import math

import pytest
import torch
from torch import Tensor

from gan_env.data.points import load_points
from gan_env.metrics import features
from gan_env.metrics.judge import METRICS, ImageJudge, Judge, PointsJudge, make_judge
from gan_env.records import FLOOR, Dataset, Quality, decode

SAMPLES = 300
DATASETS = torch.tensor([0, 1, 0])


@pytest.fixture(scope="module")
def sets() -> list[Dataset]:
    return [load_points("ring"), load_points("grid")]


@pytest.fixture(scope="module")
def points(sets: list[Dataset]) -> PointsJudge:
    return PointsJudge(sets, SAMPLES)


def pictures(count: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture(scope="module")
def images() -> ImageJudge:
    return ImageJudge([held_out(pictures(400)), held_out(0.2 * pictures(400, seed=1))])


def held_out(samples: Tensor) -> Dataset:
    """A data set both halves of whose held-out samples are the given ones."""
    return Dataset(samples[:0], samples.repeat_interleave(2, dim=0))


def real(sets: list[Dataset]) -> Tensor:
    """Training samples of each row's data set."""
    return torch.stack([sets[int(d)].train[:SAMPLES] for d in DATASETS])


def test_real_points_are_good_and_diverse(points: PointsJudge, sets: list[Dataset]) -> None:
    quality = points(real(sets), DATASETS)
    assert (quality.log_metric < math.log(0.08)).all()
    assert quality.collapse.abs().max() < 0.15
    assert quality.extras["modes"].min() > 0.95
    assert quality.extras["high_quality"].min() > 0.95


def test_points_are_judged_against_their_own_data_set(points: PointsJudge, sets: list[Dataset]) -> None:
    right, wrong = points(real(sets), DATASETS), points(real(sets), 1 - DATASETS)
    assert (right.log_metric < wrong.log_metric - 0.5).all()
    assert (right.extras["high_quality"] > wrong.extras["high_quality"]).all()


def test_the_collapse_signal_of_points_is_relative_to_the_data(sets: list[Dataset]) -> None:
    """Whatever the units of the data, 0 means as varied as they are."""
    ring = sets[0]
    far = dataclasses.replace(ring, held_out=100 * ring.held_out, centers=100 * ring.centers, std=100 * ring.std)
    quality = PointsJudge([far], SAMPLES)(100 * sets[0].train[None, :SAMPLES], torch.tensor([0]))
    assert quality.collapse.abs().item() < 0.15


def test_collapsed_points_are_seen(points: PointsJudge, sets: list[Dataset]) -> None:
    """All samples at one mode: quality is high, but one mode in eight is covered, and there is no spread."""
    quality = points(sets[0].centers[0].expand(3, SAMPLES, 2), torch.zeros(3, dtype=torch.int64))
    assert (quality.collapse < -5).all()
    assert quality.extras["modes"].tolist() == [1 / 8] * 3
    assert quality.extras["high_quality"].tolist() == [1.0] * 3


def test_image_quality_falls_with_the_distance(images: ImageJudge) -> None:
    same, other = pictures(400, seed=2)[None], pictures(400, seed=2)[None] * 0.5
    first = torch.tensor([0])
    assert images(same, first).log_metric < images(other, first).log_metric - 1


def test_images_are_judged_against_their_own_data_set(images: ImageJudge) -> None:
    samples = torch.stack([pictures(200, seed=2), 0.2 * pictures(200, seed=3)])
    right, wrong = images(samples, torch.tensor([0, 1])), images(samples, torch.tensor([1, 0]))
    assert (right.log_metric < wrong.log_metric - 1).all()
    assert right.collapse.abs().max() < 0.2


def test_collapsed_images_are_seen(images: ImageJudge) -> None:
    samples = pictures(1, seed=2).expand(1, 200, 1, 16, 16)
    quality = images(samples, torch.tensor([0]))
    assert quality.collapse.item() < -3
    assert quality.extras["coverage"].item() < 0.1


def test_real_images_are_covered_by_others_of_their_kind(images: ImageJudge) -> None:
    assert images(pictures(400, seed=2)[None], torch.tensor([0])).extras["coverage"].item() > 0.9


def test_a_perfect_score_has_a_finite_logarithm(images: ImageJudge) -> None:
    log_metric = images(pictures(400)[None], torch.tensor([0])).log_metric
    assert log_metric.isfinite().all()
    assert log_metric.item() >= math.log(FLOOR) - 1e-3


@pytest.mark.parametrize("kind", ["points", "images"])
def test_rows_are_judged_one_by_one(kind: str, points: PointsJudge, images: ImageJudge, sets: list[Dataset]) -> None:
    judge: Judge = points if kind == "points" else images
    samples = real(sets) if kind == "points" else torch.stack([pictures(50, seed=i) for i in range(3)])
    together = judge(samples, DATASETS)
    for i in range(3):
        alone = judge(samples[i : i + 1], DATASETS[i : i + 1])
        torch.testing.assert_close(together.log_metric[i : i + 1], alone.log_metric, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(together.collapse[i : i + 1], alone.collapse, rtol=1e-3, atol=1e-3)
        for name, column in together.extras.items():
            assert torch.equal(column[i : i + 1], alone.extras[name])


@pytest.mark.parametrize("kind", ["points", "images"])
def test_a_broken_row_is_nan_and_leaves_the_others(
    kind: str, points: PointsJudge, images: ImageJudge, sets: list[Dataset]
) -> None:
    judge: Judge = points if kind == "points" else images
    samples = real(sets) if kind == "points" else torch.stack([pictures(50, seed=i) for i in range(3)])
    broken = samples.clone()
    broken[1, 0] = math.nan
    before, after = judge(samples, DATASETS), judge(broken, DATASETS)
    for a, b in ((before.log_metric, after.log_metric), (before.collapse, after.collapse)):
        assert b[1].isnan()
        assert torch.equal(a[[0, 2]], b[[0, 2]])


def test_a_metric_names_its_features(images: ImageJudge, points: PointsJudge) -> None:
    """Distances in these features are not Inception FID, and say so wherever they stand."""
    assert "Fashion-MNIST classifier" in images.metric_name
    assert "Wasserstein" in points.metric_name


def test_colour_images_are_judged_by_a_classifier_of_colour_images() -> None:
    judge = ImageJudge([held_out(pictures(200).expand(-1, 3, -1, -1))])
    assert "tiles of photographs" in judge.metric_name
    red = pictures(200, seed=1) * torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1)
    grey = pictures(200, seed=1).expand(-1, 3, -1, -1)
    near, far = judge(torch.stack([grey, red]), torch.tensor([0, 0])).log_metric
    assert near < far - 1


def test_images_are_judged_as_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held-out images stay bytes until they are needed, a thousand at a time."""
    stored = ((pictures(1500) + 1) * 127.5).byte()
    sizes = []

    def note(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return decode(images)

    expected = ImageJudge([held_out(decode(stored))])(pictures(200)[None], torch.tensor([0]))
    monkeypatch.setattr(features, "decode", note)
    found = ImageJudge([held_out(stored)])(pictures(200)[None], torch.tensor([0]))
    assert sizes == [1024, 476] * 2
    torch.testing.assert_close(found.log_metric, expected.log_metric)


def test_the_judge_fits_the_data(sets: list[Dataset]) -> None:
    assert isinstance(make_judge(sets, SAMPLES), PointsJudge)
    assert isinstance(make_judge([held_out(pictures(200))], SAMPLES), ImageJudge)


@pytest.mark.parametrize("kind", ["points", "images"])
def test_only_the_score_looks_at_the_scored_half(kind: str, sets: list[Dataset]) -> None:
    """Another scored half changes the score alone, another validation half all but the score."""
    data = sets[0] if kind == "points" else held_out(pictures(400))
    samples = (data.train if kind == "points" else pictures(200, seed=2))[None, :SAMPLES]

    def judged(half: slice) -> Quality:
        changed = data.held_out.clone()
        changed[half] *= 0.5
        return make_judge([dataclasses.replace(data, held_out=changed)], SAMPLES)(samples, torch.tensor([0]))

    plain, other_score, other_validation = judged(slice(0, 0)), judged(slice(1, None, 2)), judged(slice(0, None, 2))
    assert other_score.score > plain.score + 0.5
    assert other_validation.log_metric > plain.log_metric + 0.5
    assert torch.equal(other_validation.score, plain.score)
    for name in ("log_metric", "collapse"):
        assert torch.equal(getattr(other_score, name), getattr(plain, name))
    assert other_score.extras == plain.extras


def test_every_data_set_has_modes_of_its_own_width(sets: list[Dataset]) -> None:
    """Samples two standard deviations away from the modes are near them in each, wherever the data set stands."""
    ring = sets[0]
    wide = dataclasses.replace(ring, centers=100 * ring.centers, held_out=100 * ring.held_out, std=100 * ring.std)
    judge = PointsJudge([ring, wide], SAMPLES)
    samples = ring.centers[torch.arange(SAMPLES) % 8] + torch.tensor([2 * ring.std, 0.0])
    quality = judge(torch.stack([samples, 100 * samples]), torch.tensor([0, 1]))
    assert quality.extras["high_quality"].tolist() == [1.0, 1.0]
    assert quality.extras["modes"].tolist() == [1.0, 1.0]


def test_behind_a_metric_of_ones_own_the_weights_that_see_the_samples_are_known(
    images: ImageJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spread and coverage are theirs."""
    monkeypatch.setitem(METRICS, "mine", lambda real: lambda samples: samples.flatten(1).std(1))
    judge = make_judge([held_out(pictures(200))], SAMPLES, "mine")
    assert judge.extractor_hash == images.extractor_hash is not None
