"""`python baselines/contact_sheet.py`: which folders it draws, which it refuses, and how soon runs were good."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import COLUMNS, write_finished, write_run

from baselines import contact_sheet
from gan_env import ConfigError
from gan_env.gan.saved import CHECKPOINT, NAME

ROOT = Path(__file__).resolve().parents[2]


def draw(folder: Path) -> None:
    contact_sheet.main([str(folder), "--out", str(folder / "sheet.png")])


def test_runs_among_and_below_the_folders_are_found_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    below, among = write_finished(tmp_path / "a/b"), write_finished(tmp_path / "c")
    contact_sheet.main([str(among), str(tmp_path), "--out", str(tmp_path / "sheet.png")])
    table = capsys.readouterr().out.splitlines()[1:-1]
    assert [line.split()[0] for line in table] == [among.name, below.name]


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"FOLDER=.*generator\.safetensors, which baselines/train_gan\.py writes"):
        draw(tmp_path)


def test_runs_that_are_left_out_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_finished(tmp_path / "done")
    (write_finished(tmp_path / "killed") / NAME).rename(tmp_path / "killed" / CHECKPOINT)
    draw(tmp_path)
    shown = capsys.readouterr()
    assert shown.err.startswith(f"left out: {tmp_path / 'killed'} is not finished")
    assert "killed" not in shown.out


def test_where_all_runs_are_finished_nothing_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_finished(tmp_path / "one")
    write_finished(tmp_path / "two")
    draw(tmp_path)
    assert "left out" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.jpg", b"\xff\xd8"), ("a.svg", b"<?xml")])
def test_the_picture_is_of_the_kind_that_its_name_says(tmp_path: Path, name: str, begins: bytes) -> None:
    write_finished(tmp_path / "one")
    contact_sheet.main([str(tmp_path), "--out", str(tmp_path / name)])
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["a.doc", "a"])
def test_a_name_that_says_no_kind_of_picture_is_refused(tmp_path: Path, name: str) -> None:
    write_finished(tmp_path / "one")
    with pytest.raises(ConfigError, match=rf"--out='{name}' .* ends with one of .*\.png"):
        contact_sheet.main([str(tmp_path), "--out", name])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"summary": {"metric": "another"}}, "metric of .*/two='another' .*'a distance' as in .*/one"),
        ({"dataset": "mnist"}, "data set of .*/two='mnist' .*'fashion_mnist' as in .*/one"),
        ({"summary": {"extractor_hash": "b"}}, "classifier of .*/two='b' .*'a' as in .*/one"),
        ({"image_size": 16}, "image size of .*/two=16 .*28 as in .*/one"),
    ],
)
def test_runs_that_cant_be_compared_are_refused(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    write_finished(tmp_path / "one")
    write_finished(tmp_path / "two", **other)
    with pytest.raises(ConfigError, match=message):
        draw(tmp_path)
    assert not (tmp_path / "sheet.png").exists()


def test_ones_own_images_are_told_apart_by_their_place(tmp_path: Path) -> None:
    for name, root in (("one", "cats"), ("two", "dogs")):
        write_finished(tmp_path / name, dataset="image_folder", data_root=root)
    with pytest.raises(ConfigError, match=r"'image_folder dogs' .*'image_folder cats'"):
        draw(tmp_path)


@pytest.mark.parametrize("name", ["summary.json", "config.yaml"])
@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_run_is_named(tmp_path: Path, name: str, content: str) -> None:
    (write_finished(tmp_path / "bad") / name).write_text(content)
    with pytest.raises(ConfigError, match=r"bad has a damaged summary\.json or config\.yaml"):
        draw(tmp_path)


@pytest.mark.parametrize("content", ["", "episode,updates,score\n", "episode,updates,score\n0,10,1.0\n0,2"])
def test_damaged_decisions_are_named(tmp_path: Path, content: str) -> None:
    (write_finished(tmp_path / "bad") / "decisions.csv").write_text(content)
    with pytest.raises(ConfigError, match=r"bad has a damaged decisions\.csv .*train that run again"):
        draw(tmp_path)


def test_a_run_without_its_pictures_is_named(tmp_path: Path) -> None:
    run = write_finished(tmp_path / "bad")
    for path in run.glob("samples/updates_*.png"):
        path.unlink()
    with pytest.raises(ConfigError, match=r"bad/samples' .*updates_\*\.png: train that run again"):
        draw(tmp_path)


def test_the_command_refuses_a_bad_folder_in_one_line(tmp_path: Path) -> None:
    write_run(tmp_path / "no_run", COLUMNS)
    command = [sys.executable, str(ROOT / "baselines/contact_sheet.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: FOLDER='{tmp_path}'")
    assert len(done.stderr.splitlines()) == 1


def test_runs_are_compared_by_how_soon_they_came_to_the_same_metric(tmp_path: Path) -> None:
    """By hand: a is at 4 after 10, at 1 after 30; b is never below 2. Several seeds count by their median."""
    for name, metrics in {"a": [[4, 3, 1], [4, 3, 1]], "b": [[8, 2, 5]]}.items():
        (tmp_path / name).mkdir()
        lines = [
            f"{episode},{10 * (t + 1)},{np.log(metric)}"
            for episode, row in enumerate(metrics)
            for t, metric in enumerate(row)
        ]
        (tmp_path / name / "decisions.csv").write_text("\n".join(["episode,updates,score", *lines]))
    runs = {name: tmp_path / name for name in ("a", "b")}
    lines = [line.split() for line in contact_sheet.speeds(runs).splitlines()]
    assert lines[0][-3:] == ["updates", "to", "2"]
    assert lines[1:] == [["a", "1", "1", "30"], ["b", "5", "2", "20"]]
    assert contact_sheet.speeds(runs, 1.5).splitlines()[2].endswith("not reached")
    with pytest.raises(ConfigError, match="--target"):
        contact_sheet.main([str(tmp_path), "--target", "0"])
