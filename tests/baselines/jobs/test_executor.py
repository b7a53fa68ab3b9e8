"""Options of where jobs run, as configs/executor/ has them."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from baselines.jobs import executor
from baselines.jobs.executor import ExecutorOptions
from gan_env import ConfigError
from gan_env.config import CONFIGS
from gan_env.strict import replace


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_the_configurations_are_the_defaults(kind: str) -> None:
    fields = yaml.safe_load((CONFIGS / f"executor/{kind}.yaml").read_text())
    assert replace(ExecutorOptions(), fields) == replace(ExecutorOptions(), {"kind": kind})


@pytest.mark.parametrize(
    ("given", "expected"), [({}, 4), ({"num_cpus": 3}, 3), ({"workers": 20}, 1)], ids=["shared", "given", "crowded"]
)
def test_jobs_share_the_cores_unless_they_are_given_some(
    given: dict[str, int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, threads = dict(given), []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(executor, "local_jobs", lambda workers, cpus: threads.append(cpus))
    ExecutorOptions(num_cpus=given.get("num_cpus")).start(given.get("workers", 2), Path())
    assert threads == [expected]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "dask"}, r"executor\.kind='dask'.*local.*ray"),
        ({"num_cpus": 0}, r"executor\.num_cpus=0.*null, or at least 1"),
        ({"num_gpus": 1}, r"executor\.num_gpus=1\.0.*0 where executor=local"),
        ({"kind": "ray", "retries": -1}, r"executor\.retries=-1.*at least 0"),
        ({"kind": "ray", "wait_s": 0}, r"executor\.wait_s=0\.0.*more than 0"),
    ],
)
def test_what_cannot_be_used_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(ExecutorOptions(), fields, "executor.")


def test_without_ray_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    monkeypatch.delitem(__import__("sys").modules, "baselines.jobs.on_ray", raising=False)
    with pytest.raises(ImportError, match=r'ray is missing: pip install "gan_env\[ray\]" brings it'):
        ExecutorOptions("ray").start(1, tmp_path)
