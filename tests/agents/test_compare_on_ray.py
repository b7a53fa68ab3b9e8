"""`python agents/compare.py executor=ray`: a small study as Ray tasks (see helpers/small_study.py)."""

import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
from small_study import fields

from agents.compare import compare


def test_a_study_on_ray_is_the_study_on_this_machine(finished: Path, tmp_path: Path) -> None:
    """A training, a tuning and all evaluations are lost; Ray makes them anew, each in a process of its own."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install gan_env[ray]")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    folder = shutil.copytree(finished, tmp_path / finished.name)
    lost = ["training/ppo-0", "tuning/tuned_ada-1"]
    for name in [*lost, "configs", "evaluations", "playing"]:
        shutil.rmtree(folder / name)
    try:
        with chdir(tmp_path):
            compare(fields(folder, "executor=ray", "executor.num_cpus=1"), [])
    finally:
        ray.shutdown()
    here, there = (sorted((path / "evaluations").rglob("*.npz")) for path in (finished, folder))
    assert [path.relative_to(finished) for path in here] == [path.relative_to(folder) for path in there]
    for mine, other in zip(here, there, strict=True):
        np.testing.assert_allclose(np.load(mine)["score"], np.load(other)["score"], atol=1e-4)
    logs = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("log.txt")}
    assert {*lost, "playing/0", "playing/1"} <= logs
