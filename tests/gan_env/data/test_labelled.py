"""The real loaders on small files in the sources' own formats."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sources import Arrays, idx, noise, write_cifar10, write_idx, write_mnist
from torchvision import datasets

from gan_env.data import labelled as arrays
from gan_env.data.labelled import (
    DEBIAN_FASHION_MNIST,
    IDX_FILES,
    LABELLED_SETS,
    LabelledImages,
    cifar10,
    digits,
    fashion_mnist,
    mnist,
    photo_tiles,
    photo_tiles_grey,
    read_idx,
    resize_images,
)
from gan_env.errors import DataError

# --- IDX files ---


@pytest.mark.parametrize("shape", [(5,), (3, 4, 6)])
@pytest.mark.parametrize("zipped", [True, False])
def test_an_idx_file_is_read(tmp_path: Path, shape: tuple[int, ...], zipped: bool) -> None:
    array = noise(*shape)
    path = tmp_path / ("a-ubyte.gz" if zipped else "a-ubyte")
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    np.testing.assert_array_equal(read_idx(path, ""), array)


GOOD = gzip.compress(idx(noise(20, 28, 28)))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(GOOD[: len(GOOD) // 2], id="truncated"),
        pytest.param(b"", id="empty"),
        pytest.param(idx(noise(2, 28, 28)), id="not gzip"),
        pytest.param(GOOD[:-8] + bytes(4) + GOOD[-4:], id="wrong checksum"),
        pytest.param(GOOD[:12] + bytes(b ^ 0xFF for b in GOOD[12:40]) + GOOD[40:], id="damaged inside"),
        pytest.param(gzip.compress(b"<html>Not found</html>"), id="not IDX"),
        pytest.param(gzip.compress(b"\0\0\x08"), id="three bytes"),
        pytest.param(gzip.compress(b"\0\0\x08\x03\0\0"), id="half a header"),
        pytest.param(gzip.compress(idx(noise(2, 28, 28))[:-1]), id="a byte short"),
        pytest.param(gzip.compress(b"\0\0\x0d\x01\0\0\0\x01abcd"), id="floats"),
    ],
)
def test_a_damaged_idx_file_is_refused_by_name_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train-images.gz"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_idx(path, "Install it again.")
    assert str(error.value).startswith(f"{path} is damaged (")
    assert str(error.value).endswith("Install it again.")


def test_a_missing_idx_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.gz"):
        read_idx(tmp_path / "absent.gz", "")


# --- Fashion-MNIST and MNIST ---

LOADERS: dict[str, Callable[[str], LabelledImages]] = {
    "FashionMNIST": lambda root: fashion_mnist(root, debian=Path(root) / "absent"),
    "MNIST": mnist,
}


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchvision as on a machine without a network."""

    def fail(self: Any) -> None:
        raise RuntimeError("no network here")

    for kind in (datasets.MNIST, datasets.FashionMNIST, datasets.CIFAR10):
        monkeypatch.setattr(kind, "download", fail)


def check(found: LabelledImages, parts: Arrays) -> None:
    expected = list(parts.values())
    np.testing.assert_array_equal(found.train_images, expected[0][:, None])
    np.testing.assert_array_equal(found.train_labels, expected[1])
    np.testing.assert_array_equal(found.test_images, expected[2][:, None])
    np.testing.assert_array_equal(found.test_labels, expected[3])


def test_the_files_names_are_those_that_torchvision_downloads() -> None:
    names = [name.removesuffix(".gz") for name, _ in datasets.MNIST.resources]
    assert list(IDX_FILES) == names


def test_debians_copy_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = write_idx(tmp_path, monkeypatch, zipped=True)
    check(fashion_mnist("nowhere", debian=tmp_path), parts)


def test_a_damaged_file_in_debians_copy_is_refused_by_name_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path, monkeypatch, zipped=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.*apt-get install --reinstall dataset-fashion-mnist"):
        fashion_mnist("nowhere", debian=tmp_path)


@pytest.mark.parametrize("kind", LOADERS)
def test_torchvisions_copy_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    parts = write_idx(tmp_path / kind / "raw", monkeypatch)
    check(LOADERS[kind](str(tmp_path)), parts)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:1000], "cannot reshape"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "the MD5 sum of its contents is"),
    ],
    ids=["truncated", "one bit flipped"],
)
def test_a_damaged_file_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, damage: Callable[[bytes], bytes], reason: str
) -> None:
    write_idx(tmp_path / kind / "raw", monkeypatch)
    path = tmp_path / kind / "raw/t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"{path} is damaged \({reason}.*Delete it and start again"):
        LOADERS[kind](str(tmp_path))


@pytest.mark.parametrize("kind", LOADERS)
def test_without_files_the_error_says_where_to_put_them(tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError) as error:
        LOADERS[kind](str(tmp_path))
    message = str(error.value)
    assert f"{tmp_path / kind / 'raw'}/train-images-idx3-ubyte is missing" in message
    assert "the download failed: no network here" in message
    assert f"to {tmp_path / kind / 'raw'}, or set data_root" in message


def test_without_fashion_mnist_the_error_names_debians_package_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: apt-get install .*dataset-fashion-mnist"):
        fashion_mnist(str(tmp_path), debian=tmp_path / "absent")


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason=f"{DEBIAN_FASHION_MNIST} is not there")
def test_debians_package_holds_fashion_mnist() -> None:
    found = fashion_mnist("nowhere")
    assert found.train_images.shape == (60_000, 1, 28, 28)
    assert found.test_images.shape == (10_000, 1, 28, 28)
    assert np.bincount(found.train_labels).tolist() == [6000] * 10
    assert np.bincount(found.test_labels).tolist() == [1000] * 10


# --- CIFAR-10 ---


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrays:
    return write_cifar10(tmp_path, monkeypatch)


def test_cifar_10_is_read_with_its_own_split(tmp_path: Path, cifar: Arrays) -> None:
    found = cifar10(str(tmp_path))
    batches = [rows.reshape(4, 3, 32, 32) for rows in cifar.values()]  # its rows are red, green and blue planes
    np.testing.assert_array_equal(found.train_images, np.concatenate(batches[:5]))
    np.testing.assert_array_equal(found.test_images, batches[5])
    assert found.train_labels.tolist() == [0, 1, 2, 3] * 5
    assert found.test_labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_truncated_pickle_of_cifar_10_is_named_with_the_remedy(tmp_path: Path, cifar: Arrays, name: str) -> None:
    path = tmp_path / datasets.CIFAR10.base_folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{path} is damaged: its MD5 sum.*Delete it.*cifar-10-python.tar.gz"):
        cifar10(str(tmp_path))


def test_without_cifar_10_the_error_says_where_to_get_it_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        cifar10(str(tmp_path))
    message = str(error.value)
    assert f"{tmp_path}/cifar-10-batches-py/data_batch_1 is missing, and the download failed" in message
    assert f"Get https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz and unpack it in {tmp_path}" in message


# --- tiles of photographs ---


@pytest.fixture(scope="module")
def tiles() -> LabelledImages:
    return photo_tiles("nowhere")


def test_there_are_thousands_of_colour_tiles(tiles: LabelledImages) -> None:
    assert tiles.train_images.shape[1:] == tiles.test_images.shape[1:] == (3, 32, 32)
    assert tiles.train_images.dtype == np.uint8
    assert len(tiles.train_images) > 10_000
    assert len(tiles.test_images) > 2 * 1024  # enough to compare 1,024 with 1,024 others
    assert (tiles.test_images.max(axis=1) != tiles.test_images.min(axis=1)).mean() > 0.5  # not grey


def test_every_photograph_has_a_fair_share_in_both_parts(tiles: LabelledImages) -> None:
    for labels in (tiles.train_labels, tiles.test_labels):
        counts = np.bincount(labels, minlength=len(arrays.PHOTOGRAPHS))
        assert counts.min() > 0.4 * counts.mean()
        assert counts.max() < 2 * counts.mean()


def test_a_quarter_of_the_tiles_is_held_out(tiles: LabelledImages) -> None:
    share = len(tiles.test_images) / (len(tiles.test_images) + len(tiles.train_images))
    assert share == pytest.approx(0.25, abs=0.03)


def test_the_tiles_are_the_same_every_time(tiles: LabelledImages) -> None:
    again = photo_tiles("elsewhere")
    np.testing.assert_array_equal(tiles.train_images, again.train_images)
    np.testing.assert_array_equal(tiles.test_labels, again.test_labels)


def test_training_and_held_out_tiles_share_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a picture whose pixels are all different."""
    row, column = np.mgrid[:300, :250]
    picture = np.stack([row % 256, column, row // 256], axis=-1).astype(np.uint8)
    monkeypatch.setattr(arrays, "_photograph", lambda name: picture)
    monkeypatch.setattr(arrays, "PHOTOGRAPHS", ("one",))
    found = photo_tiles("nowhere")

    def pixels(images: NDArray[np.uint8]) -> set[tuple[int, ...]]:
        return set(map(tuple, images.transpose(0, 2, 3, 1).reshape(-1, 3).tolist()))

    train, test = pixels(found.train_images), pixels(found.test_images)
    assert not train & test
    assert len(train) + len(test) == 288 * 240  # whole cells of 48 pixels


def test_every_labelled_set_is_bytes_in_channels_first_order(
    tiles: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path, monkeypatch)
    for found in (tiles, LABELLED_SETS["mnist"](str(tmp_path))):
        for images, labels in ((found.train_images, found.train_labels), (found.test_images, found.test_labels)):
            assert images.dtype == labels.dtype == np.uint8
            assert images.ndim == 4
            assert images.shape[0] == len(labels)
            assert images.shape[1] in (1, 3)


# --- scikit-learn's digits and grey tiles ---


def test_the_digits_are_scikit_learns_in_bytes_and_each_is_in_one_part() -> None:
    found, theirs = digits("nowhere"), load_digits()
    assert found.train_images.shape == (1198, 1, 8, 8) and found.test_images.shape == (599, 1, 8, 8)
    assert found.train_images.max() == 255
    np.testing.assert_allclose(found.test_images[:, 0] * (16 / 255), theirs.images[2::3], atol=0.05)
    np.testing.assert_array_equal(found.test_labels, theirs.target[2::3])
    both = np.concatenate([found.train_images, found.test_images])
    assert both.sum() == (theirs.images * (255 / 16)).round().sum()
    assert set(found.train_labels) == set(found.test_labels) == set(range(10))


def test_grey_tiles_are_as_pillow_makes_them(tiles: LabelledImages) -> None:
    grey = photo_tiles_grey("nowhere")
    assert grey.train_images.shape == (len(tiles.train_images), 1, 32, 32)
    np.testing.assert_array_equal(grey.test_labels, tiles.test_labels)
    for colour, found in zip(tiles.test_images[:20], grey.test_images[:20], strict=True):
        expected = np.asarray(Image.fromarray(colour.transpose(1, 2, 0)).convert("L"), int)
        assert np.abs(found[0] - expected).max() <= 1


@pytest.mark.parametrize("side", [28, 32])
def test_images_are_resized_to_8x8_by_areas(side: int) -> None:
    """Every pixel counts, and none for more than its share: a fine chequerboard is grey, a single dot is faint."""
    board = torch.from_numpy(np.indices((side, side)).sum(axis=0) % 2 * 255).byte()[None, None]
    small = resize_images(board, 8)[0, 0, 1:-1, 1:-1].int()
    assert (small - 127).abs().max() <= 12
    weights = torch.zeros(side * side, 1, side, side, dtype=torch.uint8)
    weights.view(side * side, -1).fill_diagonal_(255)
    shares = resize_images(weights, 8).float().sum(dim=(1, 2, 3)).view(side, side)[4:-4, 4:-4] * (side / 8) ** 2 / 255
    assert ((shares - 1).abs() < 0.35).all()
