"""Every program starts as a user starts it, and refuses a place that can't be written to."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import call

from gan_env.files import locked

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("agents", "baselines") for path in (ROOT / folder).glob("*.py"))
PROGRAMS = [path.relative_to(ROOT).as_posix() for path in FILES if '__name__ == "__main__"' in path.read_text()]


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_starts_where_it_is_called(program: str) -> None:
    """What its `main` does is a matter of the other tests, which call it without a process of its own."""
    last = (ROOT / program).read_text().partition('\nif __name__ == "__main__":\n')[2].split()
    assert last in (["main()"], ["with", "errors_in_one_line():", "main()"])


@pytest.mark.parametrize("program", ["agents/train_ppo.py", "baselines/run.py", "baselines/contact_sheet.py"])
def test_it_starts_from_the_shell(program: str, tmp_path: Path) -> None:
    """One of each kind, in another folder, and with the configuration that it is written for."""
    command = [sys.executable, str(ROOT / program), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "arguments", "key"),
    [
        ("agents/compare.py", ["folder=/proc/nothing"], "folder"),
        ("baselines/contact_sheet.py", [".", "--out", "/proc/nothing/sheet.png"], "folder of --out"),
        ("baselines/fit_features.py", ["fashion_mnist", "--out", "/proc/nothing/w.safetensors"], "folder of --out"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_refused(
    program: str, arguments: list[str], key: str, tmp_path: Path
) -> None:
    done = call(program, *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {key}='/proc/nothing' can't be used")


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("baselines/train_gan.py", ["policy=fixed", "env=points"]),
        ("baselines/tune.py", ["kind=schedule", "env=points"]),
        ("baselines/worth.py", ["policy=fixed", "env=points", "instances=2", "runs=8"]),
        ("agents/compare.py", ["experiment=points"]),
    ],
)
def test_a_folder_in_which_another_program_works_is_refused(program: str, options: list[str], tmp_path: Path) -> None:
    with locked(tmp_path / "here"):
        done = call(program, *options, "folder=here", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "another program is at work there: wait for its end, or give another folder"
    )
