from pathlib import Path

import pytest
import torch

from gan_env.data.dataset import decode, open_or_download
from gan_env.errors import DataError


def test_bytes_are_decoded_to_the_unit_range() -> None:
    decoded = decode(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(decoded, torch.tensor([-1.0, -0.6, 1.0]))


def test_floats_are_decoded_as_they_are() -> None:
    points = torch.tensor([[0.3, -0.7]])
    assert torch.equal(decode(points), points)


# --- opening, or downloading ---

EMPTY = "d41d8cd98f00b204e9800998ecf8427e"  # the MD5 sum of nothing


def refuse(files: dict[Path, str | None], error: Exception) -> str:
    def fail(download: bool) -> None:
        raise error

    with pytest.raises(DataError) as raised:
        open_or_download(fail, files, "Get it at x.org.")
    return str(raised.value)


@pytest.mark.parametrize("there", [True, False])
def test_a_set_is_downloaded_only_where_a_file_is_missing(tmp_path: Path, there: bool) -> None:
    (tmp_path / "a").touch()
    files = {tmp_path / "a": None, tmp_path / ("a" if there else "b"): None}
    assert open_or_download(lambda download: download, files, "") is not there


def test_a_failed_download_names_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    message = refuse({tmp_path / "a": EMPTY, tmp_path / "b": EMPTY}, OSError("no network here"))
    failed = f"{tmp_path / 'b'} is missing, and the download failed: no network here. "
    assert message == f"{failed}Try again, or do it by hand: Get it at x.org."


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").write_text("half")
    message = refuse({tmp_path / "a": EMPTY, tmp_path / "b": EMPTY}, RuntimeError("corrupted"))
    assert message.startswith(f"{tmp_path / 'b'} is damaged: its MD5 sum is not {EMPTY}. Delete it")
    assert message.endswith("Get it at x.org.")


def test_files_that_are_whole_but_unreadable_are_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert f"{tmp_path} can't be read: no room" in refuse({tmp_path / "a": EMPTY}, MemoryError("no room"))


def test_an_error_that_already_helps_is_left_as_it_is(tmp_path: Path) -> None:
    assert refuse({tmp_path / "a": None}, DataError("file b is damaged")) == "file b is damaged"
