"""Files are written whole or not at all."""

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gan_env import ConfigError
from gan_env.files import (
    load_checkpoint,
    require_writable,
    save_checkpoint,
    write_atomically,
    write_json,
)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "a/b/text.txt", lambda part: part.write_text("whole"))
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["text.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "text.txt", lambda part: part.write_text("old"))

    def half(part: Path) -> None:
        part.write_text("hal")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["text.txt"]


def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path: Path) -> None:
    """A single flipped bit among its numbers too, which torch would read and a job would train on."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"weights": torch.ones(1000)})
    assert load_checkpoint(path)["weights"].sum() == 1000
    whole = path.read_bytes()
    middle = whole.index(torch.ones(100).numpy().tobytes()) + 40
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for damaged in (flipped, whole[:-9], b"", b"nothing"):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"checkpoint\.pt is damaged .*delete it to start anew"):
            load_checkpoint(path)


def test_a_checkpoint_that_is_missing_or_of_another_version_is_named(tmp_path: Path) -> None:
    path, module = tmp_path / "checkpoint.pt", ModuleType("of_another_version")
    with pytest.raises(ConfigError, match=r"checkpoint\.pt can't be read .*delete it"):
        load_checkpoint(path)
    sys.modules[module.__name__] = module
    exec("class Gone: pass", module.__dict__)
    save_checkpoint(path, module.Gone())
    del sys.modules[module.__name__]
    with pytest.raises(ConfigError, match=r"checkpoint\.pt can't be read .*of_another_version.*delete it"):
        load_checkpoint(path)


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "b": {"c": "d"}}
    assert json.loads(write_json(tmp_path / "x.json", value).read_text()) == value


def test_a_folder_that_can_be_written_to_is_left_as_it_is(tmp_path: Path) -> None:
    require_writable(tmp_path / "a/b", "folder")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nothing"])
def test_a_folder_that_can_t_be_written_to_is_refused(tmp_path: Path, place: str) -> None:
    """Also to root, who may do anything but that."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^logs='.*' can't be used: .*give another folder"):
        require_writable(tmp_path / place, "logs")
