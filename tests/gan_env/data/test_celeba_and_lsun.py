"""The real loaders of CelebA and LSUN on small files in the sources' own formats."""

import io
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from sources import flat, forbid_decoding, shades, write_celeba, write_lsun
from torchvision.datasets import CelebA

from gan_env.data.pictures import celeba, lsun
from gan_env.errors import DataError
from gan_env.records import Dataset

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
