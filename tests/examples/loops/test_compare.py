"""The study of loops: what is planned, in which order, what is refused, and going on after a kill."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from controllers import saved_controller

from gan_env.errors import ConfigError

ROOT = Path(__file__).parents[3]
SMALL = ("--updates", "15", "--samples", "100", "--width", "4")
ONE_CELL = ("--loops", "dcgan", "--data", "photo_tiles", "--rates", "1e-3", "--methods", "step_size", "random")


def planned(compare: ModuleType, *options: str) -> list[Any]:
    return list(compare.planned(compare.command_line(["run", *options]), {}))


def pretend(compare: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Instead of playing, collects what would be played."""
    asked: list[Any] = []

    def collect(runs: Sequence[Any], *_: Any) -> None:
        asked.extend(runs)

    monkeypatch.setattr(compare, "run_all", collect)
    return asked


def record_of(compare: ModuleType, run: Any) -> dict[str, Any]:
    return {**vars(run), **vars(compare.Settings(15, 100, 4))}


def test_it_runs_goes_on_after_a_kill_and_reports(
    compare: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("skimage", reason="photo tiles need scikit-image")
    runs, page = tmp_path / "runs.jsonl", tmp_path / "loops.md"
    options = [*SMALL, *ONE_CELL, "--seeds", "1", "--draws", "1", "--runs", str(runs), "--page", str(page)]
    compare.main(["run", *options])
    lines = runs.read_text().splitlines()
    assert [json.loads(line)["method"] for line in lines] == ["fixed", "step_size", "random"]
    runs.write_text("\n".join(lines[:2]) + "\n" + lines[2][:40])  # as a kill leaves it
    capsys.readouterr()
    compare.main(["run", *options, "--workers", "2"])
    assert "1 of 1: dcgan photo_tiles random " in capsys.readouterr().out
    assert runs.read_text().splitlines()[:2] == lines[:2]
    before, after = (json.loads(text) for text in (lines[2], runs.read_text().splitlines()[2]))
    assert {**before, "seconds": 0} == {**after, "seconds": 0}
    compare.main(["report", *options])
    assert "- **step_size**: " in page.read_text()
    assert page.with_suffix(".png").stat().st_size < 40_000
    assert page.with_suffix(".jsonl").read_text() == runs.read_text()


def test_a_bad_option_ends_the_program_in_one_line() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "examples/loops/compare.py"), "report", "--seeds", "0"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stderr == "error: --seeds=0 can't be used: expected at least 1\n"


def test_a_seed_is_whole_before_the_next_begins(compare: ModuleType) -> None:
    runs = planned(compare, "--seeds", "3")
    seeds = [run.seed for run in runs]
    assert seeds == sorted(seeds) and seeds.count(0) == seeds.count(1) == len(runs) / 3
    assert len(set(runs)) == len(runs)
    per_cell = [
        run.method for run in runs if (run.loop, run.data, run.seed, run.lr_g) == ("dcgan", "photo_tiles", 2, 1e-3)
    ]
    assert per_cell == ["fixed", "cosine_rates", "step_size", "ada"]


def test_the_loop_as_it_is_is_played_once(compare: ModuleType) -> None:
    runs = planned(compare, "--methods", "fixed", "ada", "ada", "--seeds", "1", "--rates", "1e-3")
    assert [run.method for run in runs] == ["fixed", "ada"] * 8


def test_random_rates_are_others_in_each_loop_and_seed_and_in_their_range(compare: ModuleType) -> None:
    runs = [run for run in planned(compare, "--seeds", "2") if run.method == "random"]
    rates = [rate for run in runs for rate in (run.lr_g, run.lr_d)]
    assert len(set(rates)) == len(rates) == 2 * 2 * 8 * 4
    assert min(rates) >= 1e-5 and max(rates) <= 1e-2
    assert runs == [run for run in planned(compare, "--seeds", "2") if run.method == "random"]


def test_the_page_says_the_options_that_make_its_runs(compare: ModuleType, page: ModuleType) -> None:
    for options in (
        ["--seeds", "2", "--draws", "3"],
        ["--seeds", "1", *ONE_CELL],
        ["--seeds", "1", "--methods", "ada"],
    ):
        runs = planned(compare, *options)
        results = page.Results([{**record_of(compare, run), "score": [1.0]} for run in runs])
        (command,) = page.asked(results).splitlines()
        assert set(planned(compare, *command.split()[3:])) == set(runs)


def test_it_says_one_command_for_each_number_of_seeds(compare: ModuleType, page: ModuleType) -> None:
    words = ["--loops", "dcgan", "--rates", "1e-3", "--draws", "3", "--methods", "random"]
    wide = planned(compare, *words, "step_size", "--seeds", "1")
    more = planned(compare, *words, "--seeds", "2", "--data", "photo_tiles")
    runs = {*wide, *more}
    results = page.Results([{**record_of(compare, run), "score": [1.0]} for run in runs])
    found = [planned(compare, *command.split()[3:]) for command in page.asked(results).splitlines()]
    assert set().union(*found) == runs


def test_what_has_its_own_rates_is_played_once_for_all(compare: ModuleType, tmp_path: Path) -> None:
    controller = saved_controller()
    controller.env["instances"] |= {"lr_g": [5e-3, 5e-3], "lr_d": [4e-3, 4e-3]}
    controller.save(tmp_path)
    runs = planned(compare, *ONE_CELL, "--methods", str(tmp_path), "--rates", "1e-4", "1e-3", "--seeds", "1")
    assert [(run.method, run.lr_g) for run in runs] == [("fixed", 1e-4), ("fixed", 1e-3), (str(tmp_path), None)]


def test_names_and_shipped_controllers_are_looked_up_as_the_loops_do(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder that is no controller does not stand for the policy of its name."""
    monkeypatch.chdir(tmp_path)
    Path("ada").mkdir()
    assert not compare.has_own_rates("ada") and not compare.has_own_rates("learned/family")
    controller = saved_controller()
    controller.env["instances"] |= {"lr_g": [5e-3, 5e-3], "lr_d": [4e-3, 4e-3]}
    controller.save(tmp_path / "shipped")
    monkeypatch.setattr(compare, "shipped_controllers", lambda: {"learned/own": tmp_path / "shipped"})
    assert compare.has_own_rates("learned/own")


def test_what_is_there_is_not_played_again(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, path = pretend(compare, monkeypatch), tmp_path / "runs.jsonl"
    options = [*SMALL, *ONE_CELL, "--seeds", "2"]
    everything = planned(compare, *options)
    path.write_text("".join(json.dumps(record_of(compare, run)) + "\n" for run in everything[:5]))
    compare.main(["run", *options, "--runs", str(path)])
    assert asked == everything[5:]


def test_ada_is_left_out_where_it_is_refused(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = pretend(compare, monkeypatch)
    compare.main(["run", *SMALL, "--methods", "ada", "--runs", str(tmp_path / "runs.jsonl"), "--seeds", "1"])
    assert {run.loop for run in asked if run.method == "ada"} == {"dcgan", "hinge"}
    assert "ada is not played in wgan_gp: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "step_sise"], "step_sise"),
        (["--methods", "ada", "--loops", "r3gan"], "relativistic"),
        (["--updates", "2"], "--updates=2"),
        (["--seeds", "0"], "--seeds=0"),
        (["--workers", "0"], "--workers=0"),
        (["--rates", "1e-3", "0"], "--rates"),
        (["--width", "0"], "--width=0"),
    ],
)
def test_bad_options_are_refused_before_any_work(
    compare: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], message: str
) -> None:
    asked, runs = pretend(compare, monkeypatch), tmp_path / "runs.jsonl"
    with pytest.raises(ConfigError, match=message):
        compare.main(["run", *SMALL, *options, "--runs", str(runs)])
    assert not asked and not runs.exists()


def test_a_run_that_is_there_twice_counts_once(compare: ModuleType, tmp_path: Path) -> None:
    """As two programs leave it that went on with one file."""
    path = tmp_path / "runs.jsonl"
    record = record_of(compare, compare.Run("dcgan", "photo_tiles", "random", 0, 1e-3, 1e-4))
    path.write_text(2 * (json.dumps(record) + "\n"))
    assert compare.read_runs(path, compare.Settings(15, 100, 4)) == [record]


def test_a_file_of_other_runs_is_refused(compare: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    record = record_of(compare, compare.Run("dcgan", "photo_tiles", "fixed", 0, 1e-3, 1e-3))
    path.write_text(json.dumps({**record, "updates": 30}) + "\n")
    with pytest.raises(ConfigError, match=r"'updates': 30.*'updates': 15"):
        compare.main(["run", *SMALL, "--runs", str(path)])
    path.write_text("{}\n")
    with pytest.raises(ConfigError, match="damaged"):
        compare.main(["run", *SMALL, "--runs", str(path)])


def test_a_report_of_nothing_is_refused(compare: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a file with runs"):
        compare.main(["report", "--runs", str(tmp_path / "runs.jsonl")])
