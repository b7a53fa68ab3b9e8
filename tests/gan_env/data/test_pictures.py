"""Folders of one's own images, and the cache of what was decoded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sources import flat, forbid_decoding, shades

from gan_env.data import pictures as image_files
from gan_env.data.pictures import image_folder
from gan_env.errors import DataError

Save = Callable[..., Path]


def cached(root: Path) -> list[Path]:
    return sorted((root / "gan_env_cache").iterdir())


# --- a folder of one's own ---


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves a picture below the folder."""

    def write(name: str, picture: Image.Image) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        return path

    return write


@pytest.fixture
def ten(tmp_path: Path, save: Save) -> Path:
    """Ten pictures whose red is ten times their index."""
    for i in range(10):
        save(f"{i}.png", flat((10 * i, 0, 0)))
    return tmp_path


def test_a_fifth_of_a_folder_is_held_out_and_nothing_is_lost(ten: Path) -> None:
    found = image_folder(str(ten), 8)
    assert found.train.shape == (8, 3, 8, 8)
    assert found.held_out.shape == (2, 3, 8, 8)
    assert found.train.dtype == torch.uint8
    assert sorted(shades(found.train) + shades(found.held_out)) == list(range(0, 100, 10))


def test_a_folder_is_shuffled_in_the_same_way_every_time(ten: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first = image_folder(str(ten), 8)
    for path in cached(ten):
        path.unlink()
    assert torch.equal(first.train, image_folder(str(ten), 8).train)
    assert shades(first.train) != sorted(shades(first.train))


def test_folders_within_the_folder_are_read_too(tmp_path: Path, save: Save) -> None:
    for i, name in enumerate(("cats/a.png", "cats/small/b.JPG", "dogs/c.jpeg", "d.bmp", ".hidden.png", ".trash/e.png")):
        save(name, flat((i, i, i)))
    (tmp_path / "notes.txt").write_text("no image")
    found = image_folder(str(tmp_path), 8)
    assert sorted(shades(found.train) + shades(found.held_out)) == [0, 1, 2, 3]


def test_linked_folders_are_read_once_even_in_a_circle(tmp_path: Path, save: Save) -> None:
    for i, name in enumerate(("mine/a.png", "elsewhere/cats/b.png", "elsewhere/cats/c.png")):
        save(name, flat((i, i, i)))
    for link, target in {
        "mine/cats": "elsewhere/cats",
        "mine/more": "elsewhere/cats",
        "elsewhere/cats/up": "mine",
    }.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    found = image_folder(str(tmp_path / "mine"), 8)
    assert sorted(shades(found.train) + shades(found.held_out)) == [0, 1, 2]


def test_grey_images_are_a_grey_data_set(tmp_path: Path, save: Save) -> None:
    for i in range(3):
        save(f"{i}.png", flat(50 * i, mode="L"))
    save("3.png", flat((150, 255), mode="LA"))
    found = image_folder(str(tmp_path), 8)
    assert found.train.shape[1:] == (1, 8, 8)
    assert sorted(shades(found.train) + shades(found.held_out)) == [0, 50, 100, 150]


def test_colours_in_any_encoding_become_rgb(tmp_path: Path, save: Save) -> None:
    save("a.png", flat((200, 10, 90, 255), mode="RGBA"))
    save("b.png", flat((200, 10, 90)).quantize(4))  # a palette
    found = image_folder(str(tmp_path), 8)
    for images in (found.train, found.held_out):
        assert images[0, :, 4, 4].tolist() == [200, 10, 90]


def test_the_central_square_is_used_whatever_the_size(tmp_path: Path, save: Save) -> None:
    """Wide and high pictures: green in the middle, red at both ends."""
    for name, size, box in (("a.png", (60, 20), (20, 0, 40, 20)), ("b.png", (16, 40), (0, 12, 16, 28))):
        picture = flat((255, 0, 0), size)
        picture.paste((0, 255, 0), box)
        save(name, picture)
    found = image_folder(str(tmp_path), 8)
    for images in (found.train, found.held_out):
        inner = images[..., 1:-1, 1:-1]  # at the edge the filter reaches a pixel beyond
        assert inner[:, 0].max() == 0
        assert inner[:, 1].min() == 255


@pytest.mark.parametrize(
    ("sizes", "odd"),
    [
        ([(20, 20)] * 3, 0),
        ([(20, 20), (20, 20), (30, 30)], 1),
        ([(20, 20), (20, 20), (20, 30)], 1),
        ([(20, 30)] * 3, 3),  # all alike, and all cropped
    ],
)
def test_a_line_says_how_many_pictures_are_not_used_as_they_are(
    tmp_path: Path, save: Save, capsys: pytest.CaptureFixture[str], sizes: list[tuple[int, int]], odd: int
) -> None:
    """Once, when they are decoded."""
    for i, size in enumerate(sizes):
        save(f"{i}.png", flat((0, 0, 0), size))
    for expected in (bool(odd), False):
        image_folder(str(tmp_path), 8)
        notes = [line for line in capsys.readouterr().err.splitlines() if "note: " in line]
        assert len(notes) == expected
        if notes:
            assert f"{odd} of 3 pictures in {tmp_path} are not square or differ in size" in notes[0]
            assert notes[0].endswith("the central square of each is used, resized to 8 x 8")


def test_pictures_are_resized_with_antialiasing(tmp_path: Path, save: Save) -> None:
    board = Image.fromarray(((np.indices((64, 64)).sum(axis=0) % 2) * 255).astype(np.uint8))
    for name in ("a.png", "b.png"):
        save(name, board)
    images = image_folder(str(tmp_path), 16).train.float()
    assert (images - 127.5).abs().max() < 10


def test_a_turned_photograph_is_set_upright(tmp_path: Path, save: Save) -> None:
    """EXIF orientation 6: what is stored on the left is shown at the top."""
    picture = flat((0, 0, 0), (32, 32))
    picture.paste((255, 255, 255), (0, 0, 16, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.png", "b.png"):
        picture.save(tmp_path / name, exif=exif)
    image = image_folder(str(tmp_path), 8).train[0, 0]
    assert image[:3].min() > 225
    assert image[-3:].max() < 30


def test_grey_images_among_colour_ones_are_refused_with_one_of_each(tmp_path: Path, save: Save) -> None:
    for i in range(6):
        save(f"colour{i}.png", flat((i, 0, 0)))
    grey = save("grey.png", flat(9, mode="L"))
    with pytest.raises(DataError, match=f"{grey} is grey and .*colour0.png has colours: convert one kind"):
        image_folder(str(tmp_path), 8)
    assert not (tmp_path / "gan_env_cache").exists()


@pytest.mark.parametrize("count", [0, 1])
def test_a_folder_without_images_is_refused_with_the_kinds_that_are_read(
    tmp_path: Path, save: Save, count: int
) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    for i in range(count):
        save(f"{i}.png", flat((0, 0, 0)))
    with pytest.raises(DataError, match=rf"{tmp_path} holds {count} images: set data_root to .*\.png"):
        image_folder(str(tmp_path), 8)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent is not a folder"):
        image_folder(str(tmp_path / "absent"), 8)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_truncated_image_is_refused_by_name(ten: Path, save: Save, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(f"bad.{kind}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"{path} can't be read .*\. Replace or remove it"):
        image_folder(str(ten), 8)


@pytest.mark.parametrize(
    "damaged",
    [b"\x01\x1a\x00\x02", b"\x01\x0d\x00\x05", b"\x01\x01\x00\x05"],
    ids=["a number as text", "a fraction for a name", "a fraction for a height"],
)
def test_a_photograph_with_damaged_exif_is_refused_by_name(ten: Path, damaged: bytes) -> None:
    """One byte of the resolution's tag and type is another: PIL fails when it turns the picture upright."""
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0  # orientation and resolution, a fraction: type 5
    path = ten / "bad.jpg"
    flat((0, 0, 0)).save(path, exif=exif.tobytes().replace(b"\x01\x1a\x00\x05", damaged))
    with pytest.raises(DataError, match=rf"{path} can't be read .*\. Replace or remove it"):
        image_folder(str(ten), 8)


@pytest.mark.parametrize("content", ["<html>Not found</html>", ""])
def test_a_file_that_is_no_image_is_refused_by_name(ten: Path, content: str) -> None:
    (ten / "page.png").write_text(content)
    with pytest.raises(DataError, match=r"page.png can't be read .*\. Replace or remove it"):
        image_folder(str(ten), 8)


@pytest.mark.parametrize(("size", "good"), [((4, 4), True), ((3, 40), False), ((40, 3), False)])
def test_an_image_of_less_than_four_pixels_is_refused_by_name(
    ten: Path, save: Save, size: tuple[int, int], good: bool
) -> None:
    path = save("tiny.png", flat((0, 0, 0), size))
    if good:
        assert len(image_folder(str(ten), 8).train) == 9
    else:
        with pytest.raises(DataError, match=f"{path} is only 3 pixels wide or high: remove it"):
            image_folder(str(ten), 8)


def test_sixteen_bits_are_refused_with_what_to_do(ten: Path, save: Save) -> None:
    path = save("deep.png", Image.fromarray(np.full((8, 8), 40_000, np.uint16)))
    with pytest.raises(DataError, match=rf"{path} has pixels of type I;16: save it with 8 bits a channel"):
        image_folder(str(ten), 8)


# --- the cache ---


def test_a_second_start_decodes_nothing(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = image_folder(str(ten), 8)
    forbid_decoding(monkeypatch)
    second = image_folder(str(ten), 8)
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.held_out, second.held_out)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks files up in /proc, which Linux has")
def test_images_are_mapped_not_read(ten: Path) -> None:
    """So a set may be larger than memory, and what is written to its tensors reaches no file."""
    found = image_folder(str(ten), 8)
    mapped = Path("/proc/self/maps").read_text()
    assert all(str(path) in mapped for path in cached(ten))
    before = [path.read_bytes() for path in cached(ten)]
    found.train.zero_()
    found.held_out.zero_()
    assert [path.read_bytes() for path in cached(ten)] == before


def test_the_cache_is_plain_bytes_and_nothing_else_is_left(ten: Path) -> None:
    found = image_folder(str(ten), 8)
    assert all(path.name.startswith("image_folder-") and path.suffix == ".npy" for path in cached(ten))
    stored = sorted((np.load(path) for path in cached(ten)), key=len)
    np.testing.assert_array_equal(stored[0], found.held_out.numpy())
    np.testing.assert_array_equal(stored[1], found.train.numpy())


def test_writing_to_a_mapped_pool_leaves_the_cache_as_it_is(ten: Path) -> None:
    before = image_folder(str(ten), 8)
    kept = before.train.clone()
    before.train.zero_()
    assert torch.equal(image_folder(str(ten), 8).train, kept)


def test_another_size_has_its_own_cache(ten: Path) -> None:
    image_folder(str(ten), 8)
    assert image_folder(str(ten), 16).train.shape[-1] == 16
    assert len(cached(ten)) == 4


@pytest.mark.parametrize("change", ["added", "removed", "replaced", "touched"])
def test_the_cache_is_made_anew_when_a_file_changes(ten: Path, save: Save, change: str) -> None:
    image_folder(str(ten), 8)
    if change == "added":
        save("more.png", flat((255, 0, 0)))
    elif change == "removed":
        (ten / "3.png").unlink()
    elif change == "replaced":
        save("3.png", flat((255, 0, 0), (41, 30)))
    else:
        os.utime(ten / "3.png", ns=(0, 1))
    found = image_folder(str(ten), 8)
    assert len(cached(ten)) == 4
    values = shades(found.train) + shades(found.held_out)
    assert (255 in values) == (change in ("added", "replaced"))
    assert (30 in values) == (change in ("added", "touched"))


def test_another_version_of_the_preprocessing_makes_the_cache_anew(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image_folder(str(ten), 8)
    monkeypatch.setattr(image_files, "VERSION", image_files.VERSION + 1)
    image_folder(str(ten), 8)
    assert len(cached(ten)) == 4


def test_what_is_cut_off_while_it_decodes_leaves_no_cache(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later start must not take half a file for the whole."""
    decode, left = image_files._decode_picture, iter(range(3))

    def interrupted(*arguments: object) -> np.ndarray:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return decode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(image_files, "_decode_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        image_folder(str(ten), 8)
    assert cached(ten) == []
    monkeypatch.setattr(image_files, "_decode_picture", decode)
    assert len(image_folder(str(ten), 8).train) == 8


def test_a_damaged_cache_is_refused_by_name(ten: Path) -> None:
    image_folder(str(ten), 8)
    path = max(cached(ten), key=lambda p: p.stat().st_size)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"{path} is damaged .*delete it; then it is made anew"):
        image_folder(str(ten), 8)


@pytest.mark.parametrize("content", [np.array([["abc"]]), np.zeros((9, 1, 4, 4), np.uint8)], ids=["text", "size"])
def test_a_cache_of_something_else_is_refused_by_name(ten: Path, content: Any) -> None:
    image_folder(str(ten), 8)
    path = max(cached(ten), key=lambda p: p.stat().st_size)
    np.save(path, content)
    with pytest.raises(DataError, match=rf"{path} is damaged .*delete it; then it is made anew"):
        image_folder(str(ten), 8)


def test_a_cache_that_cant_be_written_is_reported_with_its_size(ten: Path) -> None:
    (ten / "gan_env_cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"can't be written .* MiB in a folder that you may write to"):
        image_folder(str(ten), 8)
