"""Tuning by Optuna: it finds what is good, and goes on after a kill as if nothing had happened."""

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gymnasium.vector import AutoresetMode
from programs import call

from baselines.search.tuner import TuneOptions, tune, tune_in
from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.side_by_side import Job
from gan_env.policies.presets import PolicyOptions
from gan_env.policies.tables import TablePolicy
from gan_env.strict import replace

ROOT = Path(__file__).resolve().parents[3]
SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


def make(rows: int = 16) -> GANVectorEnv:
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **SMALL)


def scored(env: GANVectorEnv, policies: list[TablePolicy], jobs: list[Job], *_: object) -> Episodes:
    """Stands in for GAN runs: the lower the nearer r1's coordinate is to a rise from 0.3 to 0.9; noise by seed.

    What is reported is 100 above what is chosen by.
    """
    table = np.stack([policies[owner].table for owner, _, _ in jobs])
    noise = np.array([np.random.default_rng(seed).normal() for _, seed, _ in jobs])
    final = (table[:, 0, 2] - 0.3) ** 2 + (table[:, -1, 2] - 0.9) ** 2 + 0.01 * noise
    env.gan_updates += -(-len(jobs) // env.num_envs) * env.num_envs * 3
    return Episodes(final[:, None], 100 + final[:, None], table, table[:, :, 0], final > np.inf, {}, 0)


def test_it_finds_the_schedule_with_the_lowest_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.search.task.run_jobs", scored)
    env = make()
    found = tune_in(env, TuneOptions(budget=1500, runs=2, rows=16, folder=str(tmp_path)))
    table = replace(PolicyOptions(), found.policy, "policy.").make(env).table  # type: ignore[attr-defined]
    assert table[0, 2] == pytest.approx(0.3, abs=0.15)
    assert table[-1, 2] == pytest.approx(0.9, abs=0.15)
    assert found.finalists[0] == found.policy
    assert found.score == pytest.approx(100, abs=0.1)  # on runs that nothing was chosen by


def test_it_searches_on_training_instances_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("baselines.search.tuner.tune_in", lambda env, options, report: seen.append(env.config.split))
    tune(TuneOptions(env={"compile": False}, rows=1))
    assert seen == ["train"]
    with pytest.raises(ConfigError, match=r"^env\.split='test'"):
        TuneOptions(env={"split": "test"})


@pytest.mark.parametrize(("kind", "group"), [("step_size", "steps"), ("ada", "logits"), ("linear_rates", "context")])
def test_the_search_shows_policies_what_they_look_at(kind: str, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment shows else."""
    seen: list[str] = []
    monkeypatch.setattr("baselines.search.tuner.tune_in", lambda env, *_: seen.extend(env.config.observation))
    tune(TuneOptions(kind=kind, env={"compile": False, "observation": ["quality"]}, rows=1))
    assert seen == ["quality", "progress", "knobs", group]


def test_a_budget_that_is_too_small_is_refused_with_help(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least"):
        tune_in(make(), TuneOptions(budget=10, runs=2, rows=16, folder=str(tmp_path)))


def test_all_candidates_meet_the_same_runs_and_finalists_fresh_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[set[int]] = []

    def spy(env: GANVectorEnv, policies: Any, jobs: list[Job], *_: object) -> Episodes:
        met.append({seed for _, seed, _ in jobs})
        return scored(env, policies, jobs)

    monkeypatch.setattr("baselines.search.task.run_jobs", spy)
    tune_in(make(), TuneOptions(budget=700, runs=2, rows=16, seed=100, folder=str(tmp_path)))
    assert met[:-2] == [{100, 101}] * (len(met) - 2)
    assert met[-2:] == [set(range(102, 108)), set(range(108, 132))]


def test_hard_runs_count_against_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs differ by far more than candidates do."""

    def uneven(env: GANVectorEnv, policies: Any, jobs: list[Job], *_: object) -> Episodes:
        played = scored(env, policies, jobs)
        hardness = np.array([50.0 * np.random.default_rng(seed + 7).normal() for _, seed, _ in jobs])
        return dataclasses.replace(played, log_metric=played.log_metric + hardness[:, None])

    monkeypatch.setattr("baselines.search.task.run_jobs", uneven)
    found = tune_in(make(), TuneOptions(budget=1000, runs=2, rows=16, folder=str(tmp_path)))
    table = replace(PolicyOptions(), found.policy, "policy.").make(make()).table  # type: ignore[attr-defined]
    assert (table[0, 2] - 0.3) ** 2 + (table[-1, 2] - 0.9) ** 2 < 0.15


@pytest.mark.parametrize("finished", [True, False])
def test_a_search_with_other_options_is_refused_with_help(
    finished: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would answer another question."""
    monkeypatch.setattr("baselines.search.task.run_jobs", scored)
    options = TuneOptions(budget=700, runs=2, rows=16, folder=str(tmp_path))
    tune_in(make(), options)
    if not finished:
        (tmp_path / "schedule.json").unlink()
    with pytest.raises(ConfigError, match=rf"{tmp_path} was begun with other options: seed=6000000, not 7\. Choose"):
        tune_in(make(), dataclasses.replace(options, seed=7))
    other = GANVectorEnv(16, autoreset_mode=AutoresetMode.DISABLED, **SMALL | {"knobs": ("r1",)})
    with pytest.raises(ConfigError, match=r"env\.knobs="):
        tune_in(other, options)


class Killed(Exception):
    pass


def test_a_killed_search_ends_where_an_uninterrupted_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.search.task.run_jobs", scored)
    whole = tune_in(make(), TuneOptions(budget=700, runs=2, rows=16, folder=str(tmp_path / "whole")))
    calls = 0

    def dies(*arguments: Any) -> Episodes:
        nonlocal calls
        calls += 1
        if calls == 4:  # within a batch whose candidates are drawn but not scored
            raise Killed
        return scored(*arguments)

    monkeypatch.setattr("baselines.search.task.run_jobs", dies)
    options = TuneOptions(budget=700, runs=2, rows=16, folder=str(tmp_path / "cut"))
    with pytest.raises(Killed):
        tune_in(make(), options)
    assert tune_in(make(), options) == whole


def test_a_finished_search_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baselines.search.task.run_jobs", scored)
    options = TuneOptions(kind="schedule", budget=700, runs=2, rows=16, folder=str(tmp_path))
    found, env = tune_in(make(), options), make()
    assert tune_in(env, options) == found
    assert env.gan_updates == 0


def test_the_command_writes_a_policy_that_can_be_played(tmp_path: Path) -> None:
    fields = [f"env.{key}={str(value).lower()}" for key, value in SMALL.items()]
    done = call("baselines/tune.py", *fields, "kind=ada", "budget=600", "runs=2", "rows=8", f"folder={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "play it" in done.stdout
    saved = yaml.safe_load((tmp_path / "policy/tuned_ada.yaml").read_text())
    assert saved == json.loads((tmp_path / "ada.json").read_text())["policy"]
    words = shlex.split(done.stdout.partition("play it: python ")[2])
    assert words[1:4] == ["--config-dir", str(tmp_path), "policy=tuned_ada"] and words[4:] == fields
    done = call(*words, "episodes=2", "rows=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "IQM" in done.stdout


def test_an_unknown_kind_is_refused_with_help() -> None:
    with pytest.raises(ConfigError, match="schedule"):
        TuneOptions(kind="constant")
