"""Every program of baselines/ starts as a user starts it, and refuses a folder that can't be written to."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import call

ROOT = Path(__file__).parents[2]
PROGRAMS = ("contact_sheet", "evaluate", "fit_features", "headroom", "run", "train_gan", "tune")


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_starts_from_the_shell(program: str, tmp_path: Path) -> None:
    """In another folder, and with the configuration that it is written for."""
    command = [sys.executable, str(ROOT / "baselines" / f"{program}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("contact_sheet", [".", "--out", "/proc/nothing/sheet.png"]),
        ("fit_features", ["fashion_mnist", "--out", "/proc/nothing/weights.safetensors"]),
    ],
)
def test_a_place_for_the_result_that_cannot_be_written_to_is_refused(
    program: str, arguments: list[str], tmp_path: Path
) -> None:
    done = call(f"baselines/{program}.py", *arguments, folder=tmp_path)
    assert done.stderr.startswith("error: folder of --out='/proc/nothing' can't be used")
