import numpy as np
import pytest
import torch

from gan_env.data.points import POINT_SETS, POINTS_HELD_OUT, POINTS_STD, POINTS_TRAIN, load_points
from gan_env.records import Dataset


@pytest.fixture(scope="module", params=sorted(POINT_SETS))
def points(request: pytest.FixtureRequest) -> Dataset:
    return load_points(request.param)


def test_points_have_their_shape(points: Dataset) -> None:
    assert points.train.shape == (POINTS_TRAIN, 2)
    assert points.held_out.shape == (POINTS_HELD_OUT, 2)
    assert points.train.dtype == torch.float32
    assert points.centers.shape[1] == 2


def test_points_are_in_the_unit_square(points: Dataset) -> None:
    assert points.train.abs().max() < 1.1
    assert points.centers.abs().max() <= 1
    assert points.train.abs().max() > 0.7  # and fill it


def distances(points: Dataset) -> torch.Tensor:
    return torch.cdist(points.held_out, points.centers, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1).values


def test_every_point_is_near_a_mode(points: Dataset) -> None:
    assert distances(points).max() < 6 * POINTS_STD


def test_every_mode_has_its_share_of_points(points: Dataset) -> None:
    modes = len(points.centers)
    nearest = torch.cdist(points.held_out, points.centers).argmin(dim=1)
    shares = nearest.bincount(minlength=modes) / len(nearest) * modes
    assert shares.min() > 0.6
    assert shares.max() < 1.4


def test_modes_have_the_standard_deviation_that_the_data_set_states() -> None:
    """On the ring, whose modes do not overlap: E[distance^2] = 2 std^2."""
    ring = load_points("ring")
    assert (distances(ring).square().mean() / 2).sqrt().item() == pytest.approx(ring.std, rel=0.03)


def test_another_mixture_changes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its samples come from its name, not from its place among the names."""
    before = load_points("ring").train
    monkeypatch.setitem(POINT_SETS, "a cross", POINT_SETS["grid"])
    assert torch.equal(load_points("ring").train, before)
    assert not torch.equal(load_points("a cross").train, load_points("grid").train)


@pytest.mark.parametrize("name", sorted(POINT_SETS))
def test_points_are_the_same_every_time(name: str) -> None:
    first, second = load_points(name), load_points(name)
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.held_out, second.held_out)


def test_data_sets_differ_from_each_other() -> None:
    first = [load_points(name).train[0].tolist() for name in POINT_SETS]
    assert len({tuple(point) for point in first}) == len(POINT_SETS)


def test_training_and_held_out_points_are_not_shared(points: Dataset) -> None:
    train, held_out = ({tuple(p) for p in part.tolist()} for part in (points.train, points.held_out))
    assert not train & held_out


@pytest.mark.parametrize(
    ("name", "modes"), [("ring", 8), ("grid", 25), ("spiral", 40), ("moons", 32), ("pinwheel", 25)]
)
def test_number_of_modes(name: str, modes: int) -> None:
    centers = POINT_SETS[name]()
    assert len(np.unique(centers.round(6), axis=0)) == len(centers) == modes
