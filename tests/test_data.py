import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gan_env.gan import data
from gan_env.gan.data import (
    DEBIAN_FASHION_MNIST,
    IMAGE_SETS,
    POINT_SETS,
    POINTS_HELD_OUT,
    POINTS_STD,
    POINTS_TRAIN,
    DataBank,
    DataError,
    Dataset,
    decode,
    fashion_mnist_arrays,
    load_dataset,
    load_fashion_mnist,
    load_points,
    read_idx,
    resize_images,
)
from gan_env.records import RowSettings

CPU = torch.device("cpu")
Settings = Callable[..., RowSettings]


# --- points ---


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


# --- registry ---


def test_every_point_set_is_loaded_by_name() -> None:
    for name in POINT_SETS:
        assert torch.equal(load_dataset(name, "nowhere", 28).held_out, load_points(name).held_out)


def test_an_image_set_is_loaded_with_root_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setitem(IMAGE_SETS, "fake", lambda root, size: asked.append((root, size)))
    load_dataset("fake", "somewhere", 16)
    assert asked == [("somewhere", 16)]


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"unknown data set 'rings'.*fashion_mnist") as error:
        load_dataset("rings", "nowhere", 28)
    assert all(name in str(error.value) for name in POINT_SETS)


# --- IDX files ---


def idx(array: NDArray[np.uint8]) -> bytes:
    sides = b"".join(side.to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sides + array.tobytes()


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5,), (3, 4, 6)])
def test_an_idx_file_is_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "a-ubyte.gz"
    path.write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(read_idx(path), array)


def refuse(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_idx(path)
    return str(error.value)


GOOD = gzip.compress(idx(pictures(20)))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD[: len(GOOD) // 2], id="truncated"),
        pytest.param(b"", id="empty"),
        pytest.param(idx(pictures(2)), id="not gzip"),
        pytest.param(GOOD[:-8] + bytes(4) + GOOD[-4:], id="wrong checksum"),
        pytest.param(GOOD[:12] + bytes(b ^ 0xFF for b in GOOD[12:40]) + GOOD[40:], id="damaged inside"),
        pytest.param(gzip.compress(b"<html>Not found</html>"), id="not IDX"),
        pytest.param(gzip.compress(b"\0\0\x08"), id="three bytes"),
        pytest.param(gzip.compress(b"\0\0\x08\x03\0\0"), id="half a header"),
        pytest.param(gzip.compress(idx(pictures(2))[:-1]), id="a byte short"),
        pytest.param(gzip.compress(b"\0\0\x0d\x01\0\0\0\x01abcd"), id="floats"),
    ],
)
def test_a_damaged_file_is_refused_by_name_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    message = refuse(tmp_path / "train-images.gz", content)
    assert str(tmp_path / "train-images.gz") in message
    assert "apt-get install --reinstall dataset-fashion-mnist" in message


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.gz"):
        read_idx(tmp_path / "absent.gz")


# --- Fashion-MNIST from its three sources ---

PARTS = {
    "train-images-idx3-ubyte": pictures(6, seed=1),
    "train-labels-idx1-ubyte": np.arange(6, dtype=np.uint8),
    "t10k-images-idx3-ubyte": pictures(4, seed=2),
    "t10k-labels-idx1-ubyte": np.arange(4, dtype=np.uint8) + 3,
}
NAMES = ("train_images", "train_labels", "test_images", "test_labels")


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchvision as on a machine without a network: it raises unless its copy is there."""
    from torchvision.datasets import FashionMNIST

    def fail(self: FashionMNIST) -> None:
        if not self._check_exists():
            raise RuntimeError("no network here")

    monkeypatch.setattr(FashionMNIST, "download", fail)


def check_arrays(arrays: dict[str, NDArray[np.uint8]]) -> None:
    assert tuple(arrays) == NAMES
    for found, expected in zip(arrays.values(), PARTS.values(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_debians_copy_is_read(tmp_path: Path) -> None:
    for name, array in PARTS.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    check_arrays(fashion_mnist_arrays("nowhere", debian=tmp_path))


def test_a_damaged_file_in_debians_copy_is_refused_by_name(tmp_path: Path) -> None:
    for name, array in PARTS.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        fashion_mnist_arrays("nowhere", debian=tmp_path)


@pytest.mark.usefixtures("no_download")
def test_torchvisions_copy_is_read_where_debians_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, array in PARTS.items():
        (folder / name).write_bytes(idx(array))
    check_arrays(fashion_mnist_arrays(str(tmp_path), debian=tmp_path / "absent"))


@pytest.mark.usefixtures("no_download")
def test_without_any_copy_the_error_names_the_three_ways(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        fashion_mnist_arrays(str(tmp_path / "root"), debian=tmp_path / "absent")
    message = str(error.value)
    assert f"{tmp_path / 'absent'}: apt-get install dataset-fashion-mnist" in message
    assert f"{tmp_path / 'root'}/FashionMNIST/raw" in message
    assert "data_root" in message
    assert "no network here" in message


@pytest.fixture
def few_clothes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fashion-MNIST with six training and four test images."""
    arrays = dict(zip(NAMES, PARTS.values(), strict=True))
    monkeypatch.setattr(data, "fashion_mnist_arrays", lambda root: arrays)


@pytest.mark.usefixtures("few_clothes")
def test_fashion_mnist_is_shuffled_but_loses_no_image() -> None:
    train = load_fashion_mnist("nowhere", 28).train
    assert train.shape == (6, 1, 28, 28)
    assert train.dtype == torch.uint8
    expected = PARTS["train-images-idx3-ubyte"]
    assert not np.array_equal(train[:, 0].numpy(), expected)
    assert sorted(image.numpy().tobytes() for image in train) == sorted(image.tobytes() for image in expected)


@pytest.mark.usefixtures("few_clothes")
def test_fashion_mnist_holds_the_test_images_out() -> None:
    held_out = load_fashion_mnist("nowhere", 28).held_out
    np.testing.assert_array_equal(held_out[:, 0].numpy(), PARTS["t10k-images-idx3-ubyte"])


@pytest.mark.usefixtures("few_clothes")
def test_fashion_mnist_is_resized_and_has_no_known_modes() -> None:
    loaded = load_fashion_mnist("nowhere", 16)
    assert loaded.train.shape == (6, 1, 16, 16)
    assert loaded.held_out.shape == (4, 1, 16, 16)
    assert loaded.centers.shape == (0, 2)


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason=f"{DEBIAN_FASHION_MNIST} is not there")
def test_debians_package_holds_fashion_mnist() -> None:
    arrays = fashion_mnist_arrays("nowhere")
    assert {name: array.shape for name, array in arrays.items()} == {
        "train_images": (60_000, 28, 28),
        "train_labels": (60_000,),
        "test_images": (10_000, 28, 28),
        "test_labels": (10_000,),
    }
    assert np.bincount(arrays["train_labels"]).tolist() == [6000] * 10


# --- resizing and decoding ---


def test_images_of_the_right_size_are_not_touched() -> None:
    images = torch.from_numpy(pictures(2)).unsqueeze(1)
    assert resize_images(images, 28) is images


@pytest.mark.parametrize("size", [8, 16, 32])
def test_resizing_gives_bytes_of_the_size(size: int) -> None:
    resized = resize_images(torch.from_numpy(pictures(2)).unsqueeze(1), size)
    assert resized.shape == (2, 1, size, size)
    assert resized.dtype == torch.uint8


@pytest.mark.parametrize("value", [0, 77, 255])
def test_resizing_keeps_a_constant_image(value: int) -> None:
    assert (resize_images(torch.full((1, 1, 28, 28), value, dtype=torch.uint8), 16) == value).all()


def test_resizing_is_antialiased() -> None:
    """Half the size of a fine chequerboard is grey, not black or white."""
    board = (torch.arange(28)[:, None] + torch.arange(28)) % 2 * 255
    resized = resize_images(board.byte()[None, None], 14).float()[..., 2:-2, 2:-2]
    assert (resized - 127.5).abs().max() < 20


def test_bytes_are_decoded_to_the_unit_range() -> None:
    decoded = decode(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(decoded, torch.tensor([-1.0, -0.6, 1.0]))


def test_floats_are_decoded_as_they_are() -> None:
    points = torch.tensor([[0.3, -0.7]])
    assert torch.equal(decode(points), points)


# --- the bank ---


@pytest.fixture(scope="module")
def bank() -> DataBank:
    return DataBank(("ring", "grid"), "nowhere", 28, CPU)


def draws(rows: int) -> torch.Tensor:
    """The whole of [0, 1) in a hundred steps."""
    return (torch.arange(100) / 100).repeat(rows, 1)


def indices(samples: torch.Tensor, pool: torch.Tensor) -> set[int]:
    """Where the samples [B, 2] are in the pool [P, 2]."""
    found = (samples[:, None] == pool).all(dim=2).nonzero()
    assert len(found) == len(samples)
    return set(found[:, 1].tolist())


def test_the_bank_holds_the_sizes(bank: DataBank) -> None:
    assert bank.sample_shape == (2,)
    assert bank.sizes_host == bank.sizes.tolist() == [POINTS_TRAIN] * 2
    assert bank.held_out_sizes.tolist() == [POINTS_HELD_OUT] * 2


def test_a_batch_has_its_shape(bank: DataBank, make_settings: Settings) -> None:
    batch = bank.pick_train(draws(3), make_settings(3))
    assert batch.shape == (3, 100, 2)
    assert batch.dtype == torch.float32


def test_a_row_sees_its_window_and_nothing_else(bank: DataBank, make_settings: Settings) -> None:
    batch = bank.pick_train(draws(2), make_settings(2, num_samples=[5, 3], window=[10, 100]))
    assert indices(batch[0], bank.datasets[0].train) == set(range(10, 15))
    assert indices(batch[1], bank.datasets[0].train) == {100, 101, 102}


def test_a_window_that_reaches_beyond_the_end_goes_on_at_the_beginning(bank: DataBank, make_settings: Settings) -> None:
    batch = bank.pick_train(draws(1), make_settings(1, num_samples=[5], window=[POINTS_TRAIN - 2]))
    assert indices(batch[0], bank.datasets[0].train) == {POINTS_TRAIN - 2, POINTS_TRAIN - 1, 0, 1, 2}


def test_a_row_sees_its_own_data_set(bank: DataBank, make_settings: Settings) -> None:
    """Also where the window wraps around: it must not run into the neighbour's samples."""
    rows = make_settings(2, dataset=[0, 1], num_samples=[5, 5], window=[POINTS_TRAIN - 2] * 2)
    batch = bank.pick_train(draws(2), rows)
    for row in range(2):
        assert len(indices(batch[row], bank.datasets[row].train)) == 5


def test_the_largest_draw_stays_inside_the_window(bank: DataBank, make_settings: Settings) -> None:
    """Rounding must not lift draw * num_samples to num_samples."""
    largest = torch.full((3, 1), 1 - 2.0**-24)
    counts = [7, 60_000, POINTS_TRAIN]
    batch = bank.pick_train(largest, make_settings(3, num_samples=counts))
    for row, count in enumerate(counts):
        assert torch.equal(batch[row, 0], bank.datasets[0].train[count - 1])


def test_a_rows_batch_is_the_same_alone(bank: DataBank, make_settings: Settings) -> None:
    rows = make_settings(3, dataset=[0, 1, 1], num_samples=[5, 1000, 40], window=[3, 9, 77])
    together = bank.pick_train(draws(3), rows)
    for i in range(3):
        assert torch.equal(together[i : i + 1], bank.pick_train(draws(1), rows.take(slice(i, i + 1))))


def test_held_out_samples_come_from_the_whole_held_out_pool(bank: DataBank, make_settings: Settings) -> None:
    ends = torch.tensor([[0.0, 1 - 2.0**-24]] * 2)
    batch = bank.pick_held_out(ends, make_settings(2, dataset=[0, 1], num_samples=[2, 2]))
    for row in range(2):
        assert torch.equal(batch[row], bank.datasets[row].held_out[[0, -1]])


def test_images_are_decoded_in_batches(monkeypatch: pytest.MonkeyPatch, make_settings: Settings) -> None:
    white = torch.full((4, 1, 8, 8), 255, dtype=torch.uint8)
    monkeypatch.setitem(IMAGE_SETS, "fake", lambda root, size: Dataset(white, white, torch.zeros(0, 2)))
    bank = DataBank(("fake",), "nowhere", 8, CPU)
    assert bank.train.dtype == torch.uint8  # resident as bytes
    rows = make_settings(1, num_samples=[4])
    for batch in (bank.pick_train(draws(1), rows), bank.pick_held_out(draws(1), rows)):
        assert torch.equal(batch, torch.ones(1, 100, 1, 8, 8))


def test_data_sets_of_different_shapes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    black = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    monkeypatch.setitem(IMAGE_SETS, "fake", lambda root, size: Dataset(black, black, torch.zeros(0, 2)))
    with pytest.raises(DataError, match=r"\['ring', 'fake'\] have samples of shapes .*\(2,\).* must agree"):
        DataBank(("ring", "fake"), "nowhere", 8, CPU)
