"""`python agents/compare.py`: a whole tiny study, killed half-way and gone on with, and its report."""

import base64
import csv
import gzip
import html
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from studies import LEGIBLE, text_height

from agents.learning.controllers import load_controller
from agents.page.data import read_scores
from agents.report import main as report
from agents.report import open_study
from gan_env import ConfigError
from gan_env.evaluation.intervals import iqm

ROOT = Path(__file__).resolve().parents[2]
ENV = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": "false"}
BRIEF = "arguments=['agent.rows=4','agent.rollouts=2','agent.minibatches=2','agent.epochs=1']"
LISTED = yaml.safe_load((ROOT / "configs/experiment/points.yaml").read_text())
STUDY = [
    *(f"env.{key}={value}" for key, value in ENV.items()),
    "rows=16", "instances=4", "gan_seeds=2", "tune_runs=2", "oracle_runs=1", "budget=1200",
    "policies=[fixed,random]", "tuned={schedule:2,rates:0,r3gan:0,ada:2}",
    *(f"~settings.{name}" for name in LISTED["settings"] if name != "faster_learning"),
    *(f"++settings.faster_learning.{field}" for field in ("instances=3", "gan_seeds=1", "policies=[ppo,fixed]")),
    *(f"controllers.{name}.seeds=0" for name in LISTED["controllers"]),
    "controllers.ppo.seeds=2", "controllers.without_quality.seeds=1", "controllers.without_quality.varies=ppo",
    *(f"+controllers.residual.{field}" for field in ("script=ppo", "seeds=1", "base_updates=1000", "base=ada", BRIEF)),
    f"++controllers.ppo.{BRIEF}",
]  # fmt: skip
TRAINED = ("ppo-0", "ppo-1", "residual-0")
POLICIES = {
    "ppo",
    "ppo_replay",
    "ppo_rates_replay",
    "residual",
    "residual_replay",
    "residual_rates_replay",
    "residual_base",
    "best_schedule",
    "tuned_ada",
    "fixed",
    "random",
}


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
    patterns = ("training/*/trained.json", "tuning/*/*.json", "configs/policy/*.yaml", "evaluations/**/*.npz")
    return [path for pattern in patterns for path in folder.glob(pattern)]


@pytest.fixture(scope="module")
def summary(finished: Path) -> dict[str, Any]:
    return dict(json.loads((finished / "summary.json").read_text()))


def test_a_study_that_cannot_go_on_is_left_as_it_is(finished: Path) -> None:
    """What was added can't be: neither the summary is lost, nor does the study rest on it from now on."""
    files = [finished / name for name in ("summary.json", "study/known.json", "study/config.yml")]
    before = [path.read_bytes() for path in files]
    refused = run(command(finished, "+settings.lost.env.instances={lr_q:1}"), finished.parent)
    assert refused.returncode != 0
    assert "settings.lost" in refused.stderr and "lr_q" in refused.stderr
    assert [path.read_bytes() for path in files] == before


def test_every_policy_is_there_with_every_run(summary: dict[str, Any]) -> None:
    held_out = summary["settings"]["held_out"]["policies"]
    assert set(held_out) == {*POLICIES, "without_quality", "oracle"}
    faster = summary["settings"]["faster_learning"]["policies"]
    assert {name: row["n"] for name, row in faster.items()} == {"ppo": 6, "best_schedule": 6, "fixed": 3}
    for name, row in held_out.items():
        seeds = 2 if name.startswith(("ppo", "best_schedule", "tuned")) else 1
        assert (row["seeds"], row["n"]) == (seeds, seeds * 4 * 2)
        assert row["ci95"][0] <= row["iqm"] <= row["ci95"][1]
    assert [a["name"] for a in summary["ablations"]] == ["without_quality"]
    assert held_out["ppo"]["found_gan_updates"] == 2 * 4 * 4
    assert 0 < held_out["residual"]["found_gan_updates"] - 2 * 4 * 4 <= 1000  # tuning its base costs as well
    assert 0 < held_out["best_schedule"]["found_gan_updates"] <= 1200
    assert held_out["ppo"]["found_peak_mb"] > 50


def test_numbers_are_those_of_the_saved_runs(finished: Path, summary: dict[str, Any]) -> None:
    def final(name: str) -> Any:
        return np.load(finished / f"evaluations/held_out/{name}.npz")["log_metric"][:, -1].astype(np.float64)

    row, both = summary["settings"]["held_out"]["policies"]["ppo"], [final("ppo-0"), final("ppo-1")]
    assert row["iqm"] == pytest.approx(iqm(np.concatenate(both)))
    assert row["by_seed"] == pytest.approx([float(iqm(b)) for b in both])
    assert row["gain"]["value"] == pytest.approx(
        np.mean([final(f"best_schedule-{s}") - b for s in (0, 1) for b in both])
    )


def test_policies_are_paired(finished: Path) -> None:
    """All meet the same untrained generators; in another setting with the same seeds, the same too."""
    files = sorted((finished / "evaluations/held_out").glob("*.npz"))
    starts = {path.stem: np.load(path)["log_metric"][:, 0] for path in files}
    oracle = [starts.pop(path.stem) for path in files if path.stem.startswith("oracle")]  # an instance each
    assert (len(starts), len(oracle)) == (17, 4)
    first, *others = *starts.values(), np.stack(oracle, axis=1).ravel()
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)
    assert len(np.unique(first)) == 8


def test_the_frozen_read_out_is_the_mean_trajectory(finished: Path) -> None:
    played = np.load(finished / "evaluations/training/ppo-0.npz")["coordinates"].mean(axis=0)
    replayed = np.load(finished / "evaluations/held_out/ppo_replay-0.npz")["coordinates"]
    np.testing.assert_allclose(replayed, np.broadcast_to(played, replayed.shape), atol=1e-3)


def test_a_frozen_read_out_can_be_played_by_anybody(finished: Path, tmp_path: Path) -> None:
    fields = [f"env.{key}={value}" for key, value in ENV.items()]
    play = [sys.executable, str(ROOT / "baselines/run.py"), f"--config-dir={finished}/configs", "policy=frozen_ppo_0"]
    fields.append("env.knobs=[instance_noise,augment,r1,lr_g,lr_d]")
    played = run([*play, *fields, "episodes=2", "rows=2"], tmp_path)
    assert played.returncode == 0, played.stderr
    rows = list(csv.DictReader((tmp_path / "logs/run/frozen_ppo_0-points/decisions.csv").open()))
    table = yaml.safe_load((finished / "configs/policy/frozen_ppo_0.yaml").read_text())["table"]
    assert [float(row["knob_r1"]) for row in rows[:4]] == pytest.approx(table["r1"], rel=1e-2)


def test_other_options_are_refused_with_help(finished: Path) -> None:
    again = run(command(finished, "gan_seeds=3"), finished.parent)
    assert again.returncode != 0
    assert "gan_seeds=2, not 3" in again.stderr


def test_the_command_is_that_of_any_machine(finished: Path) -> None:
    words = shlex.split((finished / "study/command.txt").read_text())
    assert words == ["python", "agents/compare.py", *command(finished)[2:]]


@pytest.fixture(scope="module")
def published(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "points"
    report([str(finished), "--to", str(folder)])
    return folder


@pytest.fixture(scope="module")
def page(finished: Path, published: Path) -> str:
    return (finished / "report.html").read_text()


def test_the_page_is_one_file_with_everything(page: str) -> None:
    for heading in ("Conclusion", "Results on held-out instances", "Cost and stability", "Transfer without retraining",
                    "Ablations", "Failure cases", "How to make it again"):  # fmt: skip
        assert f"<h2>{heading}" in page
    assert "The environment is the preset points with num_decisions=4, updates_per_decision=1," in page
    assert "Of a single training, intervals leave out its luck." in page
    assert page.count("data:image/png;base64,") == page.count("<img ") >= 9
    assert 'src="http' not in page and "href=" not in page
    assert 'name="viewport"' in page


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_shows_in_a_browser(
    check_page: Callable[[Path, int], float], finished: Path, page: str, width: int
) -> None:
    assert text_height(check_page(finished / "report.html", width)) > LEGIBLE


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("study", sorted(path.name for path in (ROOT / "docs/results").iterdir()))
def test_committed_pages_show_in_a_browser(check_page: Callable[[Path, int], float], study: str, width: int) -> None:
    """How small their text is isn't asked: studies of which only the page is kept can't be drawn again."""
    check_page(ROOT / "docs/results" / study / "report.html", width)


def test_markdown_says_the_same_and_has_its_pictures(finished: Path, page: str) -> None:
    text = (finished / "report.md").read_text()
    names = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(names) == page.count("<img ")
    for name in names:
        assert (finished / name).read_bytes().startswith(b"\x89PNG")
    sentences = [line.removeprefix("- ") for line in text.split("## Conclusion")[1].split("##")[0].splitlines() if line]
    there = page.split("<h2>Conclusion</h2>")[1].split("</ul>")[0]
    assert sentences == [html.unescape(item) for item in re.findall("<li>(.*?)</li>", there)]
    assert len(sentences) > 8


def test_the_table_of_numbers_is_written(finished: Path, page: str) -> None:
    rows = list(csv.DictReader((finished / "policies.csv").open()))
    assert len(rows) == 13 + 3
    best = next(r for r in rows if (r["setting"], r["policy"]) == ("held_out", "best_schedule"))
    assert float(best["gain"]) == 0


def runs(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def test_every_run_is_a_row(finished: Path, published: Path, summary: dict[str, Any]) -> None:
    rows = runs(published / "runs.csv.gz")
    counted = Counter((row["setting"], row["policy"]) for row in rows)
    settings = summary["settings"].items()
    assert counted == {(s, name): p["n"] for s, found in settings for name, p in found["policies"].items()}
    mine = [r for r in rows if (r["setting"], r["policy"], r["training_seed"]) == ("held_out", "ppo", "1")]
    found = {column: [row[column] for row in mine] for column in rows[0]}
    with np.load(finished / "evaluations/held_out/ppo-1.npz") as saved:
        metric, crashed = saved["log_metric"], saved["crashed"]
    assert (found["instance"], found["gan_seed"]) == (list("01230123"), list("00001111"))
    for name, expected in {"final": metric[:, -1], "best": metric.min(axis=1), "start": metric[:, 0]}.items():
        np.testing.assert_allclose(np.array(found[name], float), expected, rtol=1e-4)
    assert [value == "1" for value in found["crashed"]] == crashed.tolist()
    assert {row["training_seed"] for row in rows if row["policy"] in ("fixed", "oracle")} == {""}
    assert {row["training_seed"] for row in rows if row["policy"] == "best_schedule"} == {"0", "1"}  # of tunings


def test_the_summary_follows_from_the_rows(published: Path, summary: dict[str, Any]) -> None:
    for setting, found in summary["settings"].items():
        for name, row in found["policies"].items():
            final = read_scores(published, name, setting)
            assert float(iqm(final.ravel())) == pytest.approx(row["iqm"], abs=1e-4)


def test_published_runs_are_read_back_by_training_instance_and_gan_seed(finished: Path, published: Path) -> None:
    scores = read_scores(published, "ppo")
    assert scores.shape == (2, 4, 2)
    with np.load(finished / "evaluations/held_out/ppo-1.npz") as saved:
        np.testing.assert_allclose(scores[1].T.ravel(), saved["log_metric"][:, -1], rtol=1e-4)
    with pytest.raises(ConfigError, match=r"policy='sac' is out of range: expected one of \['best_schedule', .*'ppo'"):
        read_scores(published, "sac")
    with pytest.raises(ConfigError, match=r"setting='lost'.*\['faster_learning', 'held_out'"):
        read_scores(published, "ppo", "lost")


def test_what_is_published_is_complete_and_not_more(published: Path, page: str) -> None:
    names = {str(path.relative_to(published)) for path in published.rglob("*") if path.is_file()}
    pictures = {name for name in names if name.startswith("figures/")}
    trained = ("controller.zip", "controller/config.yml", "controller/vecnormalize.pkl")
    assert len(pictures) == page.count("<img ")
    assert names - pictures - {"commits.txt"} == {  # that only where this is a git checkout
        "README.md", "report.html", "report.md", "policies.csv", "runs.csv.gz", "summary.json", "config.yml",
        "command.txt", *(f"training/{run}/{name}" for run in TRAINED for name in trained),
        *(f"configs/policy/tuned_{kind}_{seed}.yaml" for kind in ("ada", "schedule") for seed in range(2)),
        *(f"configs/policy/frozen_{run.replace('-', kind)}.yaml" for run in TRAINED for kind in ("_", "_rates_")),
    }  # fmt: skip
    assert (published / "training/ppo-0/controller.zip").stat().st_size < 250_000


def test_nothing_published_says_where_it_was_made(finished: Path, published: Path) -> None:
    texts = {path: path.read_bytes() for path in published.rglob("*") if path.is_file() and path.suffix != ".png"}
    for path in published.glob("training/*/controller.zip"):
        for name, value in json.loads(zipfile.ZipFile(path).read("data")).items():
            if isinstance(value, dict) and ":serialized:" in value:
                texts[path / name] = base64.b64decode(value[":serialized:"])
    for path, text in texts.items():
        for place in (ROOT, finished.parent, sys.prefix):
            assert str(place).encode() not in text, path


def test_a_published_controller_acts_as_the_original(finished: Path, published: Path) -> None:
    study = open_study(str(finished))
    env = study.env(study.controller_env("ppo", {"split": "test"}))
    observation, _ = env.reset(seed=5)
    actions = []
    for seed in (0, 1):
        copy = load_controller("ppo", published / f"training/ppo-{seed}", env)
        actions.append(copy.predict(observation)[0])
        np.testing.assert_array_equal(actions[-1], study.load("ppo", seed, env).predict(observation)[0])
    assert not np.array_equal(*actions)


def test_the_snippet_of_the_readme_plays_a_controller(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec((published / "README.md").read_text().split("```python\n")[1].split("```")[0], names)
    assert names["episodes"].log_metric.shape == (64, 4 + 1)
    assert np.isfinite(names["episodes"].final).all()


def test_publishing_again_gives_the_same_bytes_and_leaves_nothing_old(finished: Path, published: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in published.rglob("*") if path.is_file()}

    before = content()
    for path in (published / "figures/old.png", published / "training/old-0.zip", finished / "figures/old.png"):
        path.write_text("of what there is no more")
    report([str(finished), "--to", str(published)])
    assert content() == before


def test_other_files_are_not_published_over(finished: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("mine")
    with pytest.raises(ConfigError, match=r"mine\.txt' is a file: expected a new folder"):
        report([str(finished), "--to", str(file)])
    with pytest.raises(ConfigError, match="holds other files: expected a new folder"):
        report([str(finished), "--to", str(tmp_path)])
    assert list(tmp_path.iterdir()) == [file]


def test_a_study_that_is_not_done_is_refused_with_help(finished: Path, tmp_path: Path) -> None:
    """A report on it would begin to tune what is missing."""
    shutil.copytree(finished / "study", tmp_path / "study")
    with pytest.raises(
        ConfigError, match=r"is not done.*go on with it by `python agents/compare\.py experiment=points"
    ):
        open_study(str(tmp_path))


def test_every_policy_but_ablations_has_a_profile(summary: dict[str, Any]) -> None:
    profiles = summary["settings"]["held_out"]["profiles"]
    assert set(profiles["policies"]) == {*POLICIES, "oracle"}
    assert {"ppo", "best_schedule", summary["strongest"]} <= set(profiles["drawn"]) <= set(profiles["policies"])
    rows = summary["settings"]["held_out"]["policies"]
    best, other = sorted(("ppo_replay", "ppo_rates_replay"), key=lambda name: float(rows[name]["mean"]))
    assert best in profiles["drawn"] and other not in profiles["drawn"]


def test_a_folder_without_a_study_is_refused_with_help(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agents/compare\.py"):
        open_study(str(tmp_path))
