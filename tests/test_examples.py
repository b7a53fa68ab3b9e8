"""Every program in examples/ runs as it stands, by the command in its first line, and shows what it says."""

import dataclasses
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from gan_env import PRESETS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples"
SHOWS = {
    "fork_a_run.py": ["in the middle", "rates rise", "the same future twice ends the same: True"],
    "own_data.py": ["('ring', 'triangle'): sliced Wasserstein", "('stripes',): Frechet distance", "trained"],
    "own_instances.py": ["6 instances, networks of width 48", "100 instances", "pinned: True", "after None: 4"],
    "own_judgement.py": ["5: mean_and_spread", "confidence", "reward"],
    "read_out.py": ["points: 288 decisions, 8 statistics", "G: 0.", "a linear law explains 0.9", "by decision"],
    "own_policy.py": ["fixed ", "cautious ", "sawtooth "],
}
"""By program that is run as it stands: what it prints. As a notebook, tests/test_site.py runs first_steps.py."""
LOOPS = {
    "dcgan.py": ("ada", "augment"),
    "hinge.py": ("cosine_rates", "lr_g"),
    "r3gan.py": ("r3gan", "r1"),
    "wgan_gp.py": ("fixed", "lr_d"),
}
"""By loop of images, which is run for a few updates: a controller, and a knob that it moves or holds."""
STUDY = ("compare.py", "one_run.py", "page.py", "results.py")
"""The study of loops, which tests/examples runs."""
FRAMEWORKS = {
    "accelerate": ["ada: 300 of 300 updates", "| update | augment |", "sign_real"],
    "lightning": ["cosine: 320 of 320 updates", "| update | instance_noise | augment | r1 |"],
}
"""By package of the extra `loops`: what its loop prints."""


def ran(program: str, *options: str) -> str:
    """What a program prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error::UserWarning:__main__", str(FOLDER / program), *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_program_says_how_it_is_run_and_a_test_runs_it() -> None:
    """Those in `libraries` are run by tests/libraries, beside a witness."""
    programs = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py")}
    programs -= {f"loops/{name}" for name in ("common.py", *STUDY)}
    heads = {name: (FOLDER / name).read_text().split('"""')[1] for name in programs}
    assert [name for name, head in heads.items() if f"`python examples/{name}`" not in head] == []
    by_libraries = "".join(path.read_text() for path in (ROOT / "tests/libraries").glob("test_*.py"))
    libraries = {name for name in programs if name.startswith("libraries/")}
    assert [name for name in libraries if f'"{Path(name).stem}"' not in by_libraries] == []
    loops = {f"loops/{name}" for name in (*LOOPS, *(f"points_{package}.py" for package in FRAMEWORKS))}
    run_elsewhere = {"first_steps.py", "mean_trajectory.py", "ppo_against_a_schedule.py"}  # test_site.py, test_docs.py
    assert programs - libraries == {*SHOWS, *loops, *run_elsewhere}


@pytest.mark.parametrize("program", SHOWS)
def test_an_example_runs_as_it_stands(program: str) -> None:
    printed = ran(program)
    assert [text for text in SHOWS[program] if text not in printed] == []


@pytest.mark.parametrize("package", FRAMEWORKS)
def test_a_loop_of_another_framework_runs_as_it_stands(package: str) -> None:
    pytest.importorskip(package, reason=f'{package} is not installed: pip install "gan_env[loops]"')
    printed = ran(f"loops/points_{package}.py")
    assert [text for text in FRAMEWORKS[package] if text not in printed] == []


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_of_images_is_controlled(loop: str) -> None:
    """For a few updates."""
    controller, knob = LOOPS[loop]
    printed = ran(f"loops/{loop}", "--controller", controller, "--updates", "8")
    head = next(line for line in printed.splitlines() if line.startswith("| update |"))
    assert f"{controller}: 8 of 8 updates" in printed and f"| {knob} |" in head


def test_ppo_is_compared_with_a_schedule_on_ten_pairs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, with fewer updates."""
    short = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 64, "compile": False}
    small = dataclasses.replace(PRESETS["points"], **short)
    monkeypatch.setitem(PRESETS, "points", small)
    runpy.run_path(str(FOLDER / "ppo_against_a_schedule.py"))
    printed = capsys.readouterr().out
    assert "   9 " in printed and "of 10 pairs; mean gain" in printed
