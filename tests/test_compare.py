"""`python agents/compare.py`: a whole tiny study, killed half-way and gone on with, and its report."""

import csv
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from agents.report import main as report
from agents.report import open_study
from baselines.intervals import iqm
from gan_env import ConfigError

ROOT = Path(__file__).resolve().parent.parent
ENV = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": "false"}
BRIEF = "arguments=['agent.rows=4','agent.rollouts=2','agent.minibatches=2','agent.epochs=1']"
STUDY = [
    *(f"env.{key}={value}" for key, value in ENV.items()),
    "rows=16", "instances=4", "gan_seeds=2", "tune_runs=2", "oracle_runs=1", "budget=1200",
    "policies=[fixed,random]", "tuned=[schedule,ada]", "~settings.slower_learning", "~settings.unseen_shapes",
    "controllers.three_shapes.seeds=0", "controllers.ppo.seeds=2", "controllers.without_quality.seeds=1",
    f"++controllers.ppo.{BRIEF}", f"++controllers.without_quality.{BRIEF}",
]  # fmt: skip
POLICIES = {"ppo", "ppo_replay", "best_schedule", "tuned_ada", "fixed", "random"}


def command(folder: Path, *more: str) -> list[str]:
    """To be run in the folder that `folder` is in."""
    script = str(ROOT / "agents/compare.py")
    return [sys.executable, script, "experiment=points", *STUDY, f"folder={folder.name}", *more]


def run(arguments: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False, cwd=where)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was killed when the first policies had played, and started again."""
    folder = tmp_path_factory.mktemp("studies") / "tiny"
    with (folder.parent / "log.txt").open("wb") as log:
        job = subprocess.Popen(command(folder), stdout=log, stderr=log, cwd=folder.parent)
    for _ in range(3000):
        if (folder / "evaluations/held_out/ppo-0.npz").exists() or job.poll() is not None:
            break
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert (folder / "evaluations/held_out/ppo-0.npz").exists(), (folder.parent / "log.txt").read_text()[-3000:]
    assert not (folder / "summary.json").exists()
    before = {path: path.stat().st_mtime_ns for path in done(folder)}
    again = run(command(folder), folder.parent)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "learned: ppo" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before  # nothing was done again
    return folder


def done(folder: Path) -> list[Path]:
    """Results of cells."""
    patterns = ("training/*/trained.json", "tuning/*.json", "configs/policy/*.yaml", "evaluations/**/*.npz")
    return [path for pattern in patterns for path in folder.glob(pattern)]


@pytest.fixture(scope="module")
def summary(finished: Path) -> dict[str, Any]:
    return dict(json.loads((finished / "summary.json").read_text()))


def test_every_policy_is_there_with_every_run(summary: dict[str, Any]) -> None:
    held_out = summary["settings"]["held_out"]["policies"]
    assert set(held_out) == {*POLICIES, "without_quality", "oracle"}
    assert set(summary["settings"]["faster_learning"]["policies"]) == POLICIES
    for name, row in held_out.items():
        seeds = 2 if name in ("ppo", "ppo_replay") else 1
        assert (row["seeds"], row["n"]) == (seeds, seeds * 4 * 2)
        assert row["ci95"][0] <= row["iqm"] <= row["ci95"][1]
    assert [a["name"] for a in summary["ablations"]] == ["without_quality"]
    assert held_out["ppo"]["found_gan_updates"] == 2 * 4 * 4
    assert 0 < held_out["best_schedule"]["found_gan_updates"] <= 1200
    assert held_out["ppo"]["found_peak_mb"] > 50


def test_numbers_are_those_of_the_saved_runs(finished: Path, summary: dict[str, Any]) -> None:
    def final(name: str) -> Any:
        return np.load(finished / f"evaluations/held_out/{name}.npz")["log_metric"][:, -1].astype(np.float64)

    row, both = summary["settings"]["held_out"]["policies"]["ppo"], [final("ppo-0"), final("ppo-1")]
    assert row["iqm"] == pytest.approx(iqm(np.concatenate(both)))
    assert row["by_seed"] == pytest.approx([float(iqm(b)) for b in both])
    assert row["gain"]["value"] == pytest.approx(np.mean([final("best_schedule") - b for b in both]))


def test_policies_are_paired(finished: Path) -> None:
    """All meet the same untrained generators; in another setting with the same seeds, the same too."""
    starts = [np.load(path)["log_metric"][:, 0] for path in (finished / "evaluations/held_out").glob("*.npz")]
    assert len(starts) == 10
    for start in starts[1:]:
        np.testing.assert_allclose(start, starts[0], atol=1e-5)
    assert len(np.unique(starts[0])) == 8


def test_the_frozen_read_out_is_the_mean_trajectory(finished: Path) -> None:
    played = np.load(finished / "evaluations/training/ppo-0.npz")["coordinates"].mean(axis=0)
    replayed = np.load(finished / "evaluations/held_out/ppo_replay-0.npz")["coordinates"]
    np.testing.assert_allclose(replayed, np.broadcast_to(played, replayed.shape), atol=1e-3)


def test_a_frozen_read_out_can_be_played_by_anybody(finished: Path, tmp_path: Path) -> None:
    fields = [f"env.{key}={value}" for key, value in ENV.items()]
    play = [sys.executable, str(ROOT / "baselines/run.py"), f"--config-dir={finished}/configs", "policy=frozen_ppo_0"]
    played = run([*play, *fields, "episodes=2", "rows=2"], tmp_path)
    assert played.returncode == 0, played.stderr
    rows = list(csv.DictReader((tmp_path / "logs/run/frozen_ppo_0-points/decisions.csv").open()))
    table = yaml.safe_load((finished / "configs/policy/frozen_ppo_0.yaml").read_text())["table"]
    assert [float(row["knob_r1"]) for row in rows[:4]] == pytest.approx(table["r1"], rel=1e-2)


def test_other_options_are_refused_with_help(finished: Path) -> None:
    again = run(command(finished, "gan_seeds=3"), finished.parent)
    assert again.returncode != 0
    assert "gan_seeds=3 (there: 2)" in again.stderr


def test_the_command_is_that_of_any_machine(finished: Path) -> None:
    words = shlex.split((finished / "study/command.txt").read_text())
    assert words == ["python", "agents/compare.py", *command(finished)[2:]]


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    report([str(finished)])
    return (finished / "report.html").read_text()


def test_the_page_is_one_file_with_everything(page: str) -> None:
    for heading in ("Conclusion", "Results on held-out instances", "Cost and stability", "Transfer without retraining",
                    "Ablations", "Failure cases", "How to make it again"):  # fmt: skip
        assert f"<h2>{heading}" in page
    assert page.count("data:image/png;base64,") == page.count("<img ") >= 9
    assert 'src="http' not in page and "href=" not in page
    assert 'name="viewport"' in page


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_shows_in_a_browser(
    check_page: Callable[[Path, int], None], finished: Path, page: str, width: int
) -> None:
    check_page(finished / "report.html", width)


def test_markdown_says_the_same_and_has_its_pictures(finished: Path, page: str) -> None:
    text = (finished / "report.md").read_text()
    names = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(names) == page.count("<img ")
    for name in names:
        assert (finished / name).read_bytes().startswith(b"\x89PNG")
    sentences = [line.removeprefix("- ") for line in text.split("## Conclusion")[1].split("##")[0].splitlines() if line]
    assert len(sentences) > 8


def test_the_table_of_numbers_is_written(finished: Path, page: str) -> None:
    rows = list(csv.DictReader((finished / "policies.csv").open()))
    assert len(rows) == 8 + 6
    best = next(r for r in rows if (r["setting"], r["policy"]) == ("held_out", "best_schedule"))
    assert float(best["gain"]) == 0


def test_a_folder_without_a_study_is_refused_with_help(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agents/compare\.py"):
        open_study(str(tmp_path))
