"""`python agents/compare.py`: a whole small study, killed half-way and continued (see helpers/small_study.py)."""

import csv
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from programs import call
from small_study import ENV, POLICIES, fields, words

from agents.compare import compare
from agents.study.records import Summary
from gan_env import ConfigError
from gan_env.evaluation.intervals import iqm


def test_a_study_that_cannot_be_continued_is_left_as_it_is(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was added can't be: neither the summary is lost, nor does the study rest on it from now on."""
    files = [finished / name for name in ("summary.json", "study/known.json", "study/config.yml")]
    before = [path.read_bytes() for path in files]
    monkeypatch.chdir(finished.parent)
    with pytest.raises(ConfigError, match=r"settings\.lost.*lr_q"):
        compare(fields(finished, "+settings.lost.env.instances={lr_q:1}"), [])
    assert [path.read_bytes() for path in files] == before


def test_other_options_are_refused_with_help_on_the_command_line(finished: Path) -> None:
    again = call("agents/compare.py", *words(finished, "gan_seeds=3"), folder=finished.parent)
    assert again.returncode != 0
    assert again.stderr.startswith("error: ") and again.stderr.count("\n") == 1
    assert "gan_seeds=2, not 3" in again.stderr


def test_every_policy_is_there_with_every_run(summary: Summary) -> None:
    held_out, faster = (summary.settings[name].rows for name in ("held_out", "faster_learning"))
    assert set(held_out) == {*POLICIES, "without_quality", "oracle"}
    assert {name: row.runs for name, row in faster.items()} == {"ppo": 6, "best_schedule": 6, "fixed": 3}
    for name, row in held_out.items():
        seeds = 2 if name.startswith(("ppo", "best_schedule", "tuned")) else 1
        assert (row.seeds, row.runs) == (seeds, seeds * 4 * 2)
        assert row.iqm.ci95[0] <= row.iqm.value <= row.iqm.ci95[1]
    assert set(held_out["without_quality"].against) == {"best_schedule", "fixed", "oracle", "ppo"}
    assert held_out["ppo"].found.gan_updates == 2 * 4 * 4
    assert 0 < (held_out["best_schedule"].found.gan_updates or 0) <= 1200
    assert (held_out["ppo"].found.peak_mb or 0) > 50


def test_numbers_are_those_of_the_saved_runs(finished: Path, summary: Summary) -> None:
    """Scores, on the half of the held-out data that nothing is chosen by."""

    def final(name: str) -> np.ndarray:  # type: ignore[type-arg]
        return np.load(finished / f"evaluations/held_out/{name}.npz")["score"][:, -1].astype(np.float64)

    row, both = summary.settings["held_out"].rows["ppo"], [final("ppo-0"), final("ppo-1")]
    assert row.iqm.value == pytest.approx(iqm(np.concatenate(both)))
    assert row.spread_over_seeds == pytest.approx(np.std([iqm(b) for b in both], ddof=1))
    mean = np.mean([final(f"best_schedule-{s}") - b for s in (0, 1) for b in both])
    assert row.against["best_schedule"].gain.value == pytest.approx(mean)


def test_policies_are_paired(finished: Path) -> None:
    """All meet the same untrained generators; in another setting with the same seeds, the same too."""
    files = sorted((finished / "evaluations/held_out").glob("*.npz"))
    starts = {path.stem: np.load(path)["log_metric"][:, 0] for path in files}
    oracle = [starts.pop(path.stem) for path in files if path.stem.startswith("oracle")]  # an instance each
    assert (len(starts), len(oracle)) == (15, 4)
    first, *others = *starts.values(), np.stack(oracle, axis=1).ravel()
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-5)
    assert len(np.unique(first)) == 8


def test_the_frozen_read_out_is_the_mean_trajectory(finished: Path) -> None:
    played = np.load(finished / "evaluations/training/ppo-0.npz")["coordinates"].mean(axis=0)
    replayed = np.load(finished / "evaluations/held_out/ppo_replay-0.npz")["coordinates"]
    np.testing.assert_allclose(replayed, np.broadcast_to(played, replayed.shape), atol=1e-3)


def test_the_yoked_replay_does_what_was_done_with_the_other_gan_seed(finished: Path) -> None:
    led, yoked = (np.load(finished / f"evaluations/held_out/{name}-0.npz") for name in ("ppo", "ppo_yoked"))
    assert not led["crashed"].any()
    np.testing.assert_allclose(yoked["coordinates"], np.roll(led["coordinates"], 4, axis=0), atol=1e-5)


def test_a_frozen_read_out_can_be_played_by_anybody_in_the_study_s_environment(finished: Path, tmp_path: Path) -> None:
    words = [f"--config-dir={finished}/configs", "env=study", "policy=frozen_ppo_0", "episodes=2", "rows=2"]
    played = call("baselines/run.py", *words, "env.compile=false", folder=tmp_path)
    assert played.returncode == 0, played.stderr
    rows = list(csv.DictReader((tmp_path / "logs/run/frozen_ppo_0-study/decisions.csv").open()))
    table = yaml.safe_load((finished / "configs/policy/frozen_ppo_0.yaml").read_text())["table"]
    assert [float(row["knob_r1"]) for row in rows[: ENV["num_decisions"]]] == pytest.approx(table["r1"], rel=1e-2)


def test_the_command_is_that_of_any_machine(finished: Path) -> None:
    found = shlex.split((finished / "study/command.txt").read_text())
    assert found == ["python", "agents/compare.py", *words(finished)]
