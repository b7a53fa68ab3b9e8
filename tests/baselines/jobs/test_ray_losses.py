"""Jobs on Ray go on where a machine is lost, and end where the program is."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from waiting import wait_for

from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install gan_env[ray]")

COUNTS = """
import ray, time
from pathlib import Path
place, steps = ray.get_runtime_context().get_node_id(), Path("steps.txt")
for step in range(len(steps.read_text().splitlines()) if steps.exists() else 0, 30):
    with steps.open("a") as file: file.write(f"{step} {place}\\n")
    time.sleep(0.1)
"""
"""A job that continues from its file."""


@pytest.fixture
def machines() -> Iterator[tuple[Any, list[Any]]]:
    """A cluster whose head does no work, and two machines of one core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    found = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, found
    ray.shutdown()
    cluster.shutdown()


def test_a_job_goes_on_from_its_files_on_another_machine_when_its_own_is_lost(
    machines: tuple[Any, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (cluster, nodes), steps = machines, tmp_path / "steps.txt"

    def lose() -> None:
        wait_for(lambda: steps.exists() and steps.read_text().count("\n") > 3)
        first = steps.read_text().split()[1]
        cluster.remove_node(next(node for node in nodes if node.node_id == first), allow_graceful=False)

    losing = Thread(target=lose)
    losing.start()
    with ExecutorOptions("ray", num_cpus=1, wait_s=60).start(1, tmp_path) as run:
        run([Job(exec, (COUNTS,), tmp_path)])
    losing.join()
    lines = [line.split() for line in steps.read_text().splitlines()]
    assert [int(step) for step, _ in lines] == list(range(30))
    assert len({place for _, place in lines}) == 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks processes up in /proc, which Linux has")
@pytest.mark.parametrize("elsewhere", [False, True], ids=["Ray of its own", "a cluster"])
def test_a_job_ends_when_its_program_is_killed(elsewhere: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Killed hard, without a chance to say so: a restarted study must not run the job twice."""
    where = repr(request.getfixturevalue("machines")[0].address if elsewhere else "local")
    log, program = tmp_path / "log.txt", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    study = f"""
import ray
from pathlib import Path
from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job
ray.init({where})
with ExecutorOptions("ray", num_cpus=1).start(1, Path()) as run:
    run([Job(exec, ({program!r},), Path())])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", study], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    found = Path("/proc") / log.read_text().strip()
    assert found.exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not found.exists() or "zombie" in (found / "status").read_text())
