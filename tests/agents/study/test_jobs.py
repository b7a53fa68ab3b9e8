"""Jobs run in processes of their own, whose output goes to a log, and end with the process that wants them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from agents.study import jobs
from agents.study.jobs import run_job
from gan_env import ConfigError


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_what_a_job_prints_is_added_to_its_log(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However its process is started."""
    monkeypatch.setattr(jobs, "_context", lambda: multiprocessing.get_context(method))
    log = tmp_path / "made" / "log.txt"
    for word in ("one", "two"):
        run_job(print, ["here", word], log, 1)
    assert log.read_text() == "here one\nhere two\n"


def test_a_job_has_as_many_threads_as_it_is_given(tmp_path: Path) -> None:
    assert output("import torch; print(torch.get_num_threads())", tmp_path, threads=3) == "3\n"


def test_a_failed_job_is_an_error_that_shows_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)the job exec failed.*NameError: name 'nothing' is not defined"):
        run_job(exec, ["print(nothing)"], tmp_path / "log.txt", 1)


@pytest.mark.skipif(sys.platform != "linux" or torch.cuda.is_available(), reason="jobs are not forked here")
@pytest.mark.parametrize("module", ["agents.train_ppo", "baselines.search.tuner", "torch._inductor.standalone_compile"])
def test_a_job_finds_loaded_what_trainings_need(module: str, tmp_path: Path) -> None:
    """Without, jobs are slower, and nothing says so."""
    assert output(f"import sys; print({module!r} in sys.modules)", tmp_path) == "True\n"


def output(program: str, folder: Path, threads: int = 1) -> str:
    """What a job prints."""
    run_job(exec, [program], folder / "log.txt", threads)
    return (folder / "log.txt").read_text()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks processes up in /proc, which Linux has")
def test_a_job_ends_when_its_study_is_killed(tmp_path: Path) -> None:
    """Killed hard, without a chance to say so."""
    log = tmp_path / "log.txt"
    job = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    study = "import sys, pathlib, agents.study.jobs as j; j.run_job(exec, sys.argv[2:], pathlib.Path(sys.argv[1]), 1)"
    process = subprocess.Popen([sys.executable, "-c", study, str(log), job])
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    found = Path("/proc") / log.read_text().strip()
    assert found.exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not found.exists() or "zombie" in (found / "status").read_text())


def wait_for(happened: Callable[[], bool]) -> None:
    """Waits for something of another process, which takes long where others run."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)
