"""What tests of studies share: one finished study, also between the processes of a parallel run."""

from pathlib import Path

import pytest
from filelock import FileLock
from small_study import make_killed_and_continued

from agents.report import main as report
from agents.report import open_study
from agents.study.records import Summary
from agents.study.summary import summarize_study


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run of the tests, the same in all of its processes."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def finished(shared: Path) -> Path:
    """The folder of a finished study, which was killed in between. Tests that change it work on a copy."""
    folder = shared / "studies" / "tiny"
    with FileLock(shared / "study.lock"):
        if not (folder / "summary.json").exists():
            folder.mkdir(parents=True)
            make_killed_and_continued(folder)
    return folder


@pytest.fixture(scope="session")
def published(finished: Path, shared: Path) -> Path:
    """Its report, published."""
    folder = shared / "results" / "points"
    with FileLock(shared / "report.lock"):
        if not (folder / "training/ppo-1/controller.json").exists():
            report([str(finished), "--to", str(folder)])
    return folder


@pytest.fixture(scope="session")
def summary(finished: Path) -> Summary:
    return summarize_study(open_study(str(finished)))
