"""Files are written whole or not at all."""

import hashlib
import io
import json
import random
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_env import ConfigError, DataError
from gan_env.files import (
    load_checkpoint,
    locked,
    make_first,
    read_json,
    require_writable,
    save_checkpoint,
    write_atomically,
    write_json,
)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "a/b/text.txt", lambda part: part.write_text("whole"))
    assert path.read_text() == "whole"
    assert [p.name for p in path.parent.iterdir()] == ["text.txt"]


def test_the_first_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    """Also where another process makes one meanwhile. A link to nowhere in the place of the parent is an error."""
    (tmp_path / "a/run_1").mkdir(parents=True)
    series = (tmp_path / f"a/run_{number}" for number in count(1))
    assert make_first(series) == tmp_path / "a/run_2"
    (tmp_path / "a/run_3").mkdir()
    assert make_first(series) == tmp_path / "a/run_4"
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        make_first(tmp_path / f"gone/run_{number}" for number in count(1))


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


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """Arrays as arrays, of their type, tuples as tuples, NumPy's numbers as such, integers of any size."""
    rng = np.random.default_rng(3)
    rng.random(5)
    state: dict[str, Any] = {
        "arrays": [np.arange(6).reshape(2, 3).astype(kind) for kind in ("f4", "f8", "i8", "u4", "u1", "?")],
        "views": (np.arange(9.0)[::2], np.ones((0, 3), "f4"), np.array(2.0)),
        "number": np.float32(0.1),
        "nested": {1: {"none": None, "flag": True, "text": "x", "pair": (1, [2.5])}},
        "tensors": (torch.ones(3, requires_grad=True), torch.zeros(2, dtype=torch.uint8)),
        "random": (rng.bit_generator.state, np.random.RandomState(0).get_state(), random.getstate()),
    }
    back = load_checkpoint(save_checkpoint(tmp_path / "state.pt", state))
    for given, found in zip(leaves(state), leaves(back), strict=True):
        assert type(found) is type(given)
        if isinstance(given, np.ndarray):
            assert found.dtype == given.dtype and found.shape == given.shape and (found == given).all()
        else:
            assert bool((found == given).all()) if isinstance(given, torch.Tensor) else found == given
    assert back.keys() == state.keys() and back["nested"] == state["nested"]
    again = np.random.default_rng(0)
    again.bit_generator.state = back["random"][0]
    assert again.random() == rng.random()


def leaves(state: Any) -> list[Any]:
    """What a nested state holds, in order."""
    if isinstance(state, dict):
        state = list(state.values())
    return [leaf for part in state for leaf in leaves(part)] if isinstance(state, list | tuple) else [state]


def test_an_object_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a checkpoint can't hold"):
        save_checkpoint(tmp_path / "state.pt", {"path": tmp_path})
    assert not list(tmp_path.iterdir())


class Evil:
    """Code that pickle would run on loading."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_checkpoint_that_is_missing_or_of_another_version_is_named_and_runs_no_code(tmp_path: Path) -> None:
    path, buffer = tmp_path / "checkpoint.pt", io.BytesIO()
    with pytest.raises(ConfigError, match=r"checkpoint\.pt can't be read .*expected a file of `save_checkpoint`"):
        load_checkpoint(path)
    torch.save({"weights": Evil(tmp_path / "trace")}, buffer)
    content = buffer.getvalue()
    path.write_bytes(content + hashlib.sha256(content).digest())
    said = r"^[^\n]*checkpoint\.pt can't be read, as another version[^\n]*delete it[^\n]*$"
    with pytest.raises(ConfigError, match=said):
        load_checkpoint(path)
    assert not (tmp_path / "trace").exists()
    torch.load(io.BytesIO(content), weights_only=False)
    assert (tmp_path / "trace").exists()  # so the file was dangerous


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


@pytest.mark.parametrize("content", [None, "", '{"a": [1,'])
def test_damaged_json_is_named_with_what_to_do(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=rf"{path} can't be read .*the same command makes it anew"):
        read_json(path)


def test_a_folder_is_locked_for_other_processes_until_the_block_ends(tmp_path: Path) -> None:
    program = f"from pathlib import Path; from gan_env.files import locked\nwith locked(Path({str(tmp_path)!r})): pass"

    def other() -> str:
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr

    with locked(tmp_path):
        assert "another program is at work there: wait for its end, or give another folder" in other()
    assert other() == ""
    assert not list(tmp_path.iterdir())
