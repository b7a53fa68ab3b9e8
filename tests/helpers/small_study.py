"""A whole small study from its command, for all tests that look at a finished one."""

import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import yaml
from programs import composed

from agents.compare import compare
from gan_env.config import CONFIGS

ROOT = CONFIGS.parent
ENV = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": "false"}
LISTED = yaml.safe_load((CONFIGS / "experiment/points.yaml").read_text())
OVERRIDES = [
    "experiment=points",
    *(f"env.{key}={value}" for key, value in ENV.items()),
    "rows=16", "instances=4", "gan_seeds=2", "tune_runs=2", "oracle_runs=1", "budget=1200",
    "policies=[fixed,random]", *(f"tuned.{kind}=0" for kind in LISTED["tuned"]), "tuned.schedule=2", "++tuned.ada=2",
    *(f"~settings.{name}" for name in LISTED["settings"] if name != "faster_learning"),
    *(f"++settings.faster_learning.{field}" for field in ("instances=3", "gan_seeds=1", "policies=[ppo,fixed]")),
    *(f"controllers.{name}.seeds=0" for name in LISTED["controllers"]),
    "controllers.ppo.seeds=2", "controllers.without_quality.seeds=1", "controllers.without_quality.varies=ppo",
    "++controllers.ppo.agent={rows:4,rollouts:2,minibatches:2,epochs:1,hidden:[16]}",
]  # fmt: skip
TRAINED = ("ppo-0", "ppo-1")
POLICIES = {"ppo", "ppo_replay", "ppo_rates_replay", "ppo_yoked", "best_schedule", "tuned_ada", "fixed", "random"}
"""All but the ablation and the oracle."""


def words(folder: Path, *more: str) -> list[str]:
    """The command of the study, but for Python and the script; to be run in the folder that `folder` is in."""
    return [*OVERRIDES, f"folder={folder.name}", *more]


def fields(folder: Path, *more: str) -> dict[str, Any]:
    """What Hydra makes of that command."""
    return composed("compare", *words(folder, *more))


def done(folder: Path) -> dict[Path, int]:
    """Results of cells, and when they were written."""
    patterns = ("training/*/trained.json", "tuning/*/*.json", "configs/policy/*.yaml", "evaluations/**/*.npz")
    return {path: path.stat().st_mtime_ns for pattern in patterns for path in folder.glob(pattern)}


def make_killed_and_continued(folder: Path) -> None:
    """Starts a study by its command, kills it when the first policy has played, and continues it in this process."""
    script, log = str(ROOT / "agents/compare.py"), folder.parent / "log.txt"
    with log.open("wb") as file:
        job = subprocess.Popen([sys.executable, script, *words(folder)], stdout=file, stderr=file, cwd=folder.parent)
    for _ in range(3000):
        if (folder / "evaluations/held_out/ppo-0.npz").exists() or job.poll() is not None:
            break
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert (folder / "evaluations/held_out/ppo-0.npz").exists(), log.read_text()[-3000:]
    assert not (folder / "summary.json").exists()
    before = done(folder)
    with chdir(folder.parent):
        compare(fields(folder), ["python", "agents/compare.py", *words(folder)])
    after = done(folder)
    assert {path: after[path] for path in before} == before  # nothing was done again
