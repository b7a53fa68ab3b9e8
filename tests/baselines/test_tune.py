"""`python baselines/tune.py`: a small search from its command, here and as a Ray task."""

import os
from pathlib import Path

import pytest
import yaml
from programs import call

SMALL = ("env.num_decisions=2", "env.updates_per_decision=1", "env.metric_samples=32", "env.compile=false")
SIZES = ("rows=4", "runs=2", "budget=100", "folder=tuned")


def test_the_best_policy_is_written_and_the_same_command_only_reads_it(tmp_path: Path) -> None:
    for _ in range(2):
        done = call("baselines/tune.py", *SMALL, *SIZES, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "play it: python baselines/run.py --config-dir tuned policy=tuned_schedule" in done.stdout
    assert not (tmp_path / "tuned/log.txt").exists()


def test_on_ray_it_finds_what_it_finds_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install gan_env[ray]")
    monkeypatch.setitem(os.environ, "RAY_ADDRESS", "local")  # whatever else runs on this machine
    for place in ("local", "ray"):
        (tmp_path / place).mkdir()
        more = ("executor=ray", "executor.num_cpus=1") if place == "ray" else ()
        done = call("baselines/tune.py", *SMALL, *SIZES, *more, folder=tmp_path / place)
        assert done.returncode == 0, done.stderr
    file = "tuned/policy/tuned_schedule.yaml"
    here, there = (yaml.safe_load((tmp_path / place / file).read_text()) for place in ("local", "ray"))
    assert here == there
    assert "tuning schedule" in (tmp_path / "ray/tuned/log.txt").read_text()


def test_a_budget_that_is_too_small_is_refused_before_ray_starts(tmp_path: Path) -> None:
    done = call("baselines/tune.py", *SMALL, "executor=ray", "budget=1", folder=tmp_path)
    assert done.stderr.startswith("error: budget=1 can't be used"), done.stderr
