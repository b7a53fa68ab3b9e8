"""The real loaders of CelebA, LSUN and folders on small files in the sources' own formats, and their cache."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image
from sources import flat, write_celeba, write_lsun
from torchvision.datasets import CelebA

from gan_env.gan import image_files
from gan_env.gan.dataset import DataError, Dataset
from gan_env.gan.image_files import celeba, image_folder, lsun

Save = Callable[..., Path]


def shades(images: torch.Tensor) -> list[int]:
    """The first channel's value in the middle of each image."""
    side = images.shape[-1]
    return images[:, 0, side // 2, side // 2].tolist()


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
    for i, name in enumerate(("cats/a.png", "cats/small/b.JPG", "dogs/c.jpeg", "d.bmp", ".hidden.png")):
        save(name, flat((i, i, i)))
    (tmp_path / "notes.txt").write_text("no image")
    found = image_folder(str(tmp_path), 8)
    assert sorted(shades(found.train) + shades(found.held_out)) == [0, 1, 2, 3]


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
    with pytest.raises(DataError, match=r"absent holds 0 images"):
        image_folder(str(tmp_path / "absent"), 8)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_truncated_image_is_refused_by_name(ten: Path, save: Save, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(f"bad.{kind}", Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
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


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_files, "_decode_picture", fail)


def test_a_second_start_decodes_nothing_and_maps_the_cache(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = image_folder(str(ten), 8)
    forbid_decoding(monkeypatch)
    second = image_folder(str(ten), 8)
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.held_out, second.held_out)
    assert isinstance(np.load(cached(ten)[0], mmap_mode="c"), np.memmap)


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


def test_a_cache_that_cant_be_written_is_reported_with_its_size(ten: Path) -> None:
    (ten / "gan_env_cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"can't be written .* MiB in a folder that you may write to"):
        image_folder(str(ten), 8)


# --- CelebA ---


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_celeba(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """CelebA's download as on a machine without a network."""

    def fail(self: CelebA) -> None:
        raise RuntimeError("no network here")

    monkeypatch.setattr(CelebA, "download", fail)


@pytest.mark.usefixtures("faces")
def test_celeba_is_cropped_and_split_as_its_text_file_says(tmp_path: Path) -> None:
    found = celeba(str(tmp_path), 16)
    assert found.train.shape == (7, 3, 16, 16)
    np.testing.assert_allclose(sorted(shades(found.train)), range(0, 140, 20), atol=3)
    np.testing.assert_allclose(shades(found.held_out), [180, 200, 220], atol=3)
    assert found.train[:, 2].max() < 40  # no blue: the whole crop, and nothing else


def test_a_second_start_of_celeba_reads_neither_texts_nor_faces(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = celeba(str(tmp_path), 16)
    monkeypatch.setattr(CelebA, "__init__", None)
    assert torch.equal(celeba(str(tmp_path), 16).held_out, first.held_out)


def test_a_damaged_text_file_of_celeba_is_named(tmp_path: Path, faces: Path) -> None:
    path = faces / "list_attr_celeba.txt"
    path.write_text(path.read_text()[:-10])
    with pytest.raises(DataError, match=f"{path} is damaged: its MD5 sum"):
        celeba(str(tmp_path), 16)


@pytest.mark.parametrize("kept", [None, 0, 400])
def test_a_missing_or_truncated_face_is_named_with_the_remedy(tmp_path: Path, faces: Path, kept: int | None) -> None:
    """Removing it would not help: the text files list it, and torchvision downloads nothing beside them."""
    path = faces / "img_align_celeba" / "000011.jpg"
    content = path.read_bytes()
    path.unlink()
    if kept is not None:
        path.write_bytes(content[:kept])
    remedy = f"Unpack img_align_celeba.zip in {faces} again; it is at http://mmlab"
    with pytest.raises(DataError, match=rf"{path} can't be read .*\. {remedy}"):
        celeba(str(tmp_path), 16)
    path.write_bytes(content)
    assert len(celeba(str(tmp_path), 16).held_out) == 3


def test_a_grey_face_gets_three_equal_channels(tmp_path: Path, faces: Path) -> None:
    flat(90, (178, 218), "L").save(faces / "img_align_celeba" / "000011.jpg")
    assert (celeba(str(tmp_path), 16).held_out[1] == 90).all()


def test_without_celeba_the_error_says_where_to_get_it_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        celeba(str(tmp_path), 16)
    message = str(error.value)
    assert f"{tmp_path / 'celeba'}/list_attr_celeba.txt is missing, and the download failed: no network" in message
    assert "mmlab.ie.cuhk.edu.hk/projects/CelebA.html" in message
    assert "pip install gdown" in message


# --- LSUN ---


@pytest.fixture
def churches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_lsun(tmp_path, monkeypatch)


def load_churches(root: Path) -> Dataset:
    return lsun("church_outdoor", str(root), 16)


def test_lsun_is_read_with_its_own_split(churches: Path) -> None:
    found = load_churches(churches)
    assert found.train.shape == (7, 3, 16, 16)
    assert sorted(shades(found.train)) == list(range(0, 140, 20))
    assert shades(found.held_out) == [140, 160, 180]


def test_lsun_leaves_no_file_in_the_working_directory(churches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchvision's reader does."""
    work = churches / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    load_churches(churches)
    assert list(work.iterdir()) == []


def test_a_second_start_of_lsun_decodes_nothing(churches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_churches(churches)
    forbid_decoding(monkeypatch)
    load_churches(churches)


@pytest.mark.parametrize("part", ["train", "val"])
def test_without_a_database_the_error_says_where_to_get_it(churches: Path, part: str) -> None:
    path = churches / f"church_outdoor_{part}_lmdb" / "data.mdb"
    for damage in (lambda: path.write_bytes(b""), path.unlink):
        damage()
        with pytest.raises(
            DataError, match=f"{path} is missing or empty. Get http.*church_outdoor_{part}_lmdb.zip and unpack it in"
        ):
            load_churches(churches)


def test_a_database_without_pictures_is_refused_by_name(churches: Path) -> None:
    with lmdb.open(str(churches / "church_outdoor_val_lmdb")) as base, base.begin(write=True) as out:
        out.drop(base.open_db(txn=out), delete=False)
    with pytest.raises(DataError, match=r"church_outdoor_val_lmdb/data.mdb is damaged: it holds no pictures. Get http"):
        load_churches(churches)


@pytest.mark.parametrize("kept", [10, 2 * 4096])
def test_a_truncated_database_is_refused_by_name(churches: Path, kept: int) -> None:
    """In its header or in its pages, where a reader would run off the end of the mapping."""
    path = churches / "church_outdoor_train_lmdb" / "data.mdb"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=f"{path} is damaged: "):
        load_churches(churches)


def put(root: Path, key: bytes, content: bytes) -> None:
    """Replaces a held-out picture."""
    with lmdb.open(str(root / "church_outdoor_val_lmdb")) as base, base.begin(write=True) as out:
        out.put(key, content)


@pytest.mark.parametrize("content", [b"RIFF0000WEBP", b""])
def test_a_damaged_picture_in_a_database_is_named_by_its_key_with_the_remedy(churches: Path, content: bytes) -> None:
    put(churches, b"key008", content)
    with pytest.raises(
        DataError,
        match=r"val_lmdb/data.mdb, key key008 can't be read .*\. Get http.*/church_outdoor_val_lmdb.zip and unpack it",
    ):
        load_churches(churches)


def test_a_grey_picture_in_a_database_gets_three_equal_channels(churches: Path) -> None:
    content = io.BytesIO()
    flat(90, mode="L").save(content, "JPEG")
    put(churches, b"key008", content.getvalue())
    assert (load_churches(churches).held_out[1] == 90).all()
