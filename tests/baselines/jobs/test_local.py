"""Jobs run in processes of their own, whose output goes to a log, and end with the program that wants them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import wait_for

from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job
from gan_env import ConfigError


def run(*jobs: Job, workers: int = 1, threads: int = 1) -> None:
    with ExecutorOptions(num_cpus=threads).start(workers, jobs[0].folder) as run:
        run(jobs)


def job(program: str, folder: Path) -> Job:
    return Job(exec, (program,), folder)


def test_what_jobs_print_is_added_to_their_logs(tmp_path: Path) -> None:
    """Also what doesn't pass through Python, and from one process that runs several of them."""
    program = "import os; print('{0}', flush=True); os.system('echo {0} again')"
    run(*(job(program.format(word), tmp_path / place) for word in ("one", "two") for place in ("a", "b")))
    for place in ("a", "b"):
        assert (tmp_path / place / "log.txt").read_text() == "one\none again\ntwo\ntwo again\n"


def test_jobs_run_side_by_side_but_no_more_than_asked_for(tmp_path: Path) -> None:
    program = "import os, time; start = time.time(); time.sleep(1); print(os.getpid(), start, time.time())"
    jobs = [job(program, tmp_path / str(number)) for number in range(3)]
    run(*jobs, workers=2)
    processes, starts, ends = zip(*(map(float, each.log.read_text().split()) for each in jobs), strict=True)
    assert len(set(processes)) == 2
    assert max(starts) >= min(ends)


def test_a_job_has_as_many_threads_as_it_is_given(tmp_path: Path) -> None:
    asking = job("import torch; print(torch.get_num_threads())", tmp_path)
    run(asking, threads=3)
    assert asking.log.read_text() == "3\n"


def test_a_failed_job_is_an_error_that_shows_what_it_said_and_no_other_starts(tmp_path: Path) -> None:
    late = job("print('late')", tmp_path / "late")
    with pytest.raises(ConfigError, match=r"(?s)the job exec failed.*log\.txt.*NameError: name 'nothing' is not def"):
        run(job("print(nothing)", tmp_path), late, late)
    assert not late.log.exists()


def test_a_job_that_ends_its_program_has_failed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"(?s)the job exec failed.*SystemExit: no"):
        run(job("import sys; sys.exit('no')", tmp_path))


def test_a_killed_process_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a process was killed.*the same command continues"):
        run(job("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks processes up in /proc, which Linux has")
def test_a_job_ends_when_its_study_is_killed(tmp_path: Path) -> None:
    """Killed hard, without a chance to say so."""
    log, program = tmp_path / "log.txt", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    study = f"""
from pathlib import Path
from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job
with ExecutorOptions().start(1, Path()) as run:
    run([Job(exec, ({program!r},), Path())])
"""
    process = subprocess.Popen([sys.executable, "-c", study], cwd=tmp_path, stdout=subprocess.DEVNULL)
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    found = Path("/proc") / log.read_text().strip()
    assert found.exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not found.exists() or "zombie" in (found / "status").read_text())


def test_what_a_job_refuses_is_told_without_its_traceback(tmp_path: Path) -> None:
    program = "from gan_env import DataError; raise DataError('x.json can not be read')"
    with pytest.raises(ConfigError, match=rf"^x\.json can not be read \({tmp_path}/log\.txt\)$"):
        run(job(program, tmp_path))


def test_ctrl_c_while_a_process_starts_prints_no_traceback(tmp_path: Path) -> None:
    """It reaches both; the child is in the middle of its imports."""
    study = f"""
import os, signal, sys
from pathlib import Path
from baselines.jobs import local
from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job
from gan_env.errors import errors_in_one_line

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background ignores it
    submit = local._submit
    def interrupted(*arguments):
        found = submit(*arguments)
        os.killpg(0, signal.SIGINT)
        return found
    local._submit = interrupted
    with errors_in_one_line(), ExecutorOptions().start(1, Path({str(tmp_path)!r})) as run:
        run([Job(exec, ("import time; time.sleep(60)",), Path({str(tmp_path)!r}))])
"""
    path = tmp_path / "study.py"
    path.write_text(study)
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, start_new_session=True, timeout=120, check=False
    )
    assert done.stderr == "\nstopped\n" and done.returncode == 130
