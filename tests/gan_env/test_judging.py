"""Judging all rows of a population: by the metric that fits, whatever the blocks."""

import pytest
import torch
from populations import population

from gan_env import judging
from gan_env.data.bank import DataBank
from gan_env.judging import PopulationJudge, make_judge
from gan_env.metrics.judge import ImageJudge, PointsJudge


@pytest.fixture(scope="module")
def points() -> DataBank:
    return DataBank(("ring", "grid"), "data", 28, torch.device("cpu"))


def test_points_are_judged_by_their_own_metric(points: DataBank) -> None:
    assert isinstance(make_judge(points, 64), PointsJudge)


def test_images_are_judged_by_their_own_metric(clothes: None) -> None:
    assert isinstance(make_judge(DataBank(("fashion_mnist",), "data", 28, torch.device("cpu")), 64), ImageJudge)


def test_blocks_of_rows_are_joined_in_their_order(points: DataBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rows at once, two by two, and by the metric itself."""
    gans = population(points, rows=5)
    judge = make_judge(points, 64)
    look = PopulationJudge(gans, judge, 64)
    together = look()
    monkeypatch.setattr(judging, "JUDGED_TOGETHER", 2)
    in_blocks = look()
    expected = judge(gans.sample(64), gans.settings.dataset)
    assert len(expected.log_metric.unique()) == 5
    for found in (together, in_blocks):
        torch.testing.assert_close(found.log_metric, expected.log_metric)
        torch.testing.assert_close(found.extras, expected.extras)
