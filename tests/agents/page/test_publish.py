"""What is published is complete, can be used, and says which code it was made by."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_study import ROOT, TRAINED

from agents import compare
from agents.learning.controllers import load_controller
from agents.page.publish import commands
from agents.report import main as report
from agents.report import open_study
from gan_env import ConfigError


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
    monkeypatch.setattr(compare, "CONFIGS", folder / "configs")
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
    assert commands(study, "ppo").splitlines() == [
        f"git checkout {name}    # the code that it was made by",
        "python agents/compare.py experiment=points",
        "python agents/report.py logs/study/points",
        "python baselines/run.py --config-dir=logs/study/points/configs env=study policy=tuned_schedule_0",
        "python baselines/run.py --config-dir=logs/study/points/configs env=study policy=frozen_ppo_0",
    ]


def test_a_study_that_is_continued_by_other_code_says_what_it_was_begun_by(study: Any, checkout: Path) -> None:
    first = commit(checkout)
    compare.note_commit(study.path / "study/commits.txt")
    second = commit(checkout)
    compare.note_commit(study.path / "study/commits.txt")
    assert first != second
    assert f"git checkout {second}    # the code that it was made by; begun by {first}\n" in commands(study, "ppo")


def test_nothing_is_said_where_there_is_no_checkout(
    study: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(checkout.parent))
    compare.note_commit(study.path / "study/commits.txt")
    assert commands(study, "ppo").startswith("python agents/compare.py experiment=points\n")


def best_training(finished: Path) -> str:
    """The name of the one training that is published: the best on training instances."""
    study = open_study(str(finished))
    return min(TRAINED, key=lambda run: study.training_episodes("ppo", TRAINED.index(run)).validation.mean())


def test_what_is_published_is_complete_and_not_more(finished: Path, published: Path) -> None:
    best = best_training(finished)
    names = {str(path.relative_to(published)) for path in published.rglob("*") if path.is_file()}
    pictures = {name for name in names if name.startswith("figures/")}
    trained = ("controller.json", "weights.safetensors")
    assert len(pictures) == (finished / "report.html").read_text().count("<img ")
    assert names - pictures - {"commits.txt"} == {  # that only where this is a git checkout
        "report.html", "report.md", "runs.parquet", "config.yml", "command.txt",
        *(f"training/{best}/{name}" for name in trained),
        "configs/env/study.yaml",
        *(f"configs/policy/tuned_{kind}_{seed}.yaml" for kind in ("ada", "schedule") for seed in range(2)),
        *(f"configs/policy/frozen_{run.replace('-', kind)}.yaml" for run in TRAINED for kind in ("_", "_rates_")),
    }  # fmt: skip
    assert (published / f"training/{best}/weights.safetensors").stat().st_size < 250_000


def test_nothing_published_says_where_it_was_made(finished: Path, published: Path) -> None:
    texts = {path: path.read_bytes() for path in published.rglob("*") if path.is_file() and path.suffix != ".png"}
    for path, text in texts.items():
        for place in (ROOT, finished.parent, sys.prefix):
            assert str(place).encode() not in text, path


def test_a_published_controller_acts_as_the_original(finished: Path, published: Path) -> None:
    study = open_study(str(finished))
    env = study.env(study.env_options("ppo", {"split": "test"}))
    observation, _ = env.reset(seed=5)
    best = best_training(finished)
    copy = load_controller(published / "training" / best, env).predict(observation)[0]
    actions = {run: study.policy("ppo", seed, env).predict(observation)[0] for seed, run in enumerate(TRAINED)}
    assert [run for run in TRAINED if np.array_equal(copy, actions[run])] == [best]


def test_publishing_again_gives_the_same_bytes_and_leaves_nothing_old(finished: Path, published: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in published.rglob("*") if path.is_file()}

    before = content()
    for path in (published / "figures/old.png", published / "training/old-0.zip", finished / "figures/old.png"):
        path.write_text("of what there is no more")
    report([str(finished), "--to", str(published)])
    assert content() == before


def test_other_files_are_not_published_over(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"mine\.txt' is a file: expected a new folder"):
        report([str(finished), "--to", str(file)])
    with pytest.raises(ConfigError, match="holds other files: expected a new folder"):
        report([str(finished), "--to", str(tmp_path)])
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(ConfigError, match="holds other files"):
        report([str(finished), "--to", str(finished)])  # a study has a page and trainings of its own
