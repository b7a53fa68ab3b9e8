"""Jobs as Ray tasks: their output, their errors, and what happens where a process, a machine or the program is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job
from gan_env import ConfigError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install gan_env[ray]")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray on this machine, with two cores, whatever it has and whatever else runs on it."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def run(*jobs: Job, workers: int = 2, **options: float) -> None:
    with ExecutorOptions("ray", num_cpus=1, **options).start(workers, jobs[0].folder) as run:  # type: ignore[arg-type]
        run(jobs)


def job(program: str, folder: Path) -> Job:
    return Job(exec, (program,), folder)


@pytest.mark.usefixtures("cluster")
def test_what_a_job_prints_is_added_to_its_log(tmp_path: Path) -> None:
    for word in ("one", "two"):
        run(*(job(f"import torch; print('{word}', torch.get_num_threads())", tmp_path / str(n)) for n in range(3)))
    for number in range(3):
        assert (tmp_path / str(number) / "log.txt").read_text() == "one 1\ntwo 1\n"


@pytest.mark.usefixtures("cluster")
def test_a_failed_job_is_an_error_that_shows_what_it_said_and_others_finish(tmp_path: Path) -> None:
    other = job("import time; print('begun', flush=True); time.sleep(2); print('done')", tmp_path / "other")
    there = f"os.path.exists({str(other.log)!r}) and os.path.getsize({str(other.log)!r})"
    waits = f"import os, time\nwhile not ({there}):\n    time.sleep(0.1)"
    with pytest.raises(ConfigError, match=r"(?s)the job exec failed.*NameError: name 'nothing' is not defined"):
        run(other, job(f"{waits}\nprint(nothing)", tmp_path / "failing"), job("print('late')", tmp_path / "late"))
    assert other.log.read_text() == "begun\ndone\n"
    assert not (tmp_path / "late").exists()


DIES = """
import os, pathlib, signal
note = pathlib.Path({note!r})
note.write_text(note.read_text() + "x" if note.exists() else "x")
if len(note.read_text()) <= {times}:
    os.kill(os.getpid(), signal.SIGKILL)
print("done")
"""


@pytest.mark.usefixtures("cluster")
def test_a_job_whose_process_was_killed_is_started_again(tmp_path: Path) -> None:
    dying = job(DIES.format(note=str(tmp_path / "note"), times=2), tmp_path)
    run(dying, retries=2)
    assert dying.log.read_text() == "done\n"


@pytest.mark.usefixtures("cluster")
def test_a_job_whose_process_is_killed_again_and_again_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.txt.*lost 2 times"):
        run(job(DIES.format(note=str(tmp_path / "note"), times=9), tmp_path), retries=1)
    assert (tmp_path / "note").read_text() == "xx"


@pytest.mark.usefixtures("cluster")
def test_resources_that_no_machine_has_are_an_error_in_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"could start a job in executor\.wait_s=1 .*'GPU': 64.*executor\.num_gpus"):
        run(job("print(1)", tmp_path), num_gpus=64, wait_s=1)


@pytest.mark.usefixtures("cluster")
def test_a_machine_that_does_not_see_the_folder_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the driver's folder is on no other machine: here it's gone when the task looks for it."""
    monkeypatch.setattr("baselines.jobs.on_ray.Path.cwd", lambda: Path("/nowhere/here"))
    with pytest.raises(ConfigError, match=r"can't see /nowhere/here: all machines have to share"):
        run(job("print(1)", tmp_path / "job"))
    assert not (tmp_path / "job" / "log.txt").exists()
