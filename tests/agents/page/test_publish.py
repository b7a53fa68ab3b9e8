"""Which code a study was made by is noted, and said beside its command."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents import compare
from agents.page.publish import made_by


@pytest.fixture
def study(tmp_path: Path) -> Any:
    (tmp_path / "study").mkdir()
    (tmp_path / "study/command.txt").write_text("python agents/compare.py experiment=points\n")
    (tmp_path / "study/config.yml").write_text("folder: logs/study/points\n")
    return SimpleNamespace(path=tmp_path)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setattr(compare, "CONFIGS", str(folder / "configs"))
    return folder


def commit(folder: Path) -> str:
    """A new commit there; its short name."""
    git = ("git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "more"]):
        subprocess.run([*git, *words], check=True)
    return subprocess.check_output([*git, "rev-parse", "--short", "HEAD"], text=True).strip()


def test_the_checkout_is_said_before_the_command(study: Any, checkout: Path) -> None:
    name = commit(checkout)
    for _ in range(2):  # started, killed and started again
        compare.note_commit(study.path / "study/commits.txt")
    assert made_by(study) == (
        f"git checkout {name}    # the code that it was made by\npython agents/compare.py experiment=points",
        "logs/study/points",
    )


def test_a_study_that_goes_on_by_other_code_says_what_it_was_begun_by(study: Any, checkout: Path) -> None:
    first = commit(checkout)
    compare.note_commit(study.path / "study/commits.txt")
    second = commit(checkout)
    compare.note_commit(study.path / "study/commits.txt")
    assert first != second
    assert f"git checkout {second}    # the code that it was made by; begun by {first}\n" in made_by(study)[0]


def test_nothing_is_said_where_there_is_no_checkout(
    study: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    compare.note_commit(study.path / "study/commits.txt")
    assert made_by(study)[0] == "python agents/compare.py experiment=points"
