"""Every program of agents/ starts as a user starts it, and refuses a folder that can't be written to."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import call

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("program", sorted(path.name for path in (ROOT / "agents").glob("[a-z]*.py")))
def test_it_starts_from_the_shell(program: str, tmp_path: Path) -> None:
    """In another folder, and with the configuration that it is written for."""
    command = [sys.executable, str(ROOT / "agents" / program), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout and not list(tmp_path.iterdir())


def test_a_study_s_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    done = call("agents/compare.py", "folder=/proc/nothing", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: folder='/proc/nothing' can't be used")


def test_a_place_for_publishing_that_cannot_be_written_to_is_refused(finished: Path) -> None:
    done = call("agents/report.py", str(finished), "--to", "/proc/nothing")
    assert done.stderr.startswith("error: --to='/proc/nothing' can't be used")
