"""The cells of a study that are more than files; tests/test_compare.py runs a whole one."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import agents.study.study
from agents.study.options import StudyOptions
from agents.study.play import entries
from agents.study.study import TUNINGS_APART, Study
from baselines.search.tuner import Tuned
from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.files import write_json
from gan_env.policies.presets import PolicyOptions
from gan_env.policies.steering import Policy

TRAIN = Study.train
TAKEN = {"ppo": 1000, "sac": 900, "residual": 1500}


def study(folder: Path, *names: str, **more: Any) -> Study:
    return Study(StudyOptions(folder=str(folder), controllers={name: {"seeds": 1} for name in names}, **more))


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every controller is trained, with so many GAN updates."""
    monkeypatch.setattr(Study, "train", lambda self, name, controller, seed: {"gan_updates": TAKEN[name]})


def test_seeds_of_trainings_are_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is training that keeps their runs apart."""
    commands: list[list[str]] = []

    def run(study: Study, job: Any, arguments: list[str], folder: Path) -> None:
        commands.append(arguments)
        write_json(folder / "trained.json", {"gan_updates": 1})

    monkeypatch.setattr(Study, "run", run)
    made = study(tmp_path, "ppo", seed=5)
    for seed in range(2):
        TRAIN(made, "ppo", made.options.active["ppo"], seed)
    assert [word for command in commands for word in command if word.startswith("seed=")] == ["seed=5", "seed=6"]


def test_opponents_are_tuned_with_what_the_dearest_controller_took(tmp_path: Path) -> None:
    assert study(tmp_path, "sac", "ppo").budget == 1000
    assert study(tmp_path, "sac").budget == 1000  # they stay as they are


def test_a_dearer_controller_cannot_join_opponents_that_were_tuned_with_less(tmp_path: Path) -> None:
    assert study(tmp_path, "ppo").budget == 1000
    with pytest.raises(ConfigError, match=r"controllers\.residual=1500.*at most 1,000"):
        _ = study(tmp_path, "ppo", "residual").budget


def test_a_budget_that_was_asked_for_holds_whatever_controllers_took(tmp_path: Path) -> None:
    assert study(tmp_path, "ppo", "residual", budget=700).budget == 700


def test_schedules_are_tuned_opponents_and_what_controllers_correct(tmp_path: Path) -> None:
    """Rules that react are none; an ablation corrects what the controller that it varies does."""
    corrects = {"seeds": 1, "base": "rates"}
    controllers = {"ppo": {"seeds": 1}, "residual": corrects, "other": corrects | {"base": "ada"}}
    controllers["blind"] = {"seeds": 1, "varies": "residual"}
    made = Study(
        StudyOptions(folder=str(tmp_path), controllers=controllers, tuned={"schedule": 1, "ada": 1, "r3gan": 1})
    )
    assert made.schedules == ["best_schedule", "tuned_r3gan", "residual_base"]
    assert made.bases == {"residual_base": "residual", "other_base": "other"}


def test_a_base_plays_as_it_was_tuned_where_its_controller_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On training instances too, from which the strongest schedule is chosen."""
    small = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    residual = {"seeds": 1, "base": "rates", "env": {"knobs": ["lr_g", "lr_d"], "num_decisions": 3}}
    options = StudyOptions(
        env=small, controllers={"residual": residual}, folder=str(tmp_path), instances=2, rows=2, policies=()
    )
    knobs = {knob: {"kind": "fixed", "initial": 0.001} for knob in ("lr_g", "lr_d")}
    found = Tuned(policy={"kind": "rates", "knobs": knobs}, score=0.0, finalists=[], trials=1, gan_updates=5)
    monkeypatch.setattr(Study, "base", lambda self, name, controller, seed: found)
    splits: list[str] = []
    play = agents.study.study.run_episodes

    def watched(policy: Policy, env: GANVectorEnv, seeds: Sequence[int]) -> Episodes:
        splits.append(env.config.split)
        return play(policy, env, seeds)

    monkeypatch.setattr(agents.study.study, "run_episodes", watched)
    made = Study(options)
    assert made.opponent("residual_base", 0).kind == "rates"
    assert made.on_training("residual_base").log_metric.shape == (2, 3 + 1)
    assert splits == ["train"]


def test_every_tuning_of_an_opponent_searches_other_runs_and_plays_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every training of a controller does. A base is tuned anew for every training."""
    seeds: list[int] = []

    def run(study: Study, job: Any, arguments: list[str], folder: Path) -> None:
        given = dict(word.split("=") for word in arguments if word.split("=")[0] in ("kind", "budget", "seed"))
        seeds.append(int(given["seed"]))
        policy = {"kind": given["kind"], "knobs": {"lr_g": {"kind": "fixed", "initial": 1e-3}}}
        found = Tuned(policy, score=0.0, finalists=[policy], trials=1, gan_updates=int(given["budget"]))
        write_json(folder / f"{given['kind']}.json", asdict(found))

    monkeypatch.setattr(Study, "run", run)
    monkeypatch.setattr(Study, "frozen", lambda self, name, seed, suffix: PolicyOptions())
    env = {"preset": "points", "knobs": ["lr_g"], "compile": False, "metric_samples": 32}
    residual = {"seeds": 2, "base": "rates", "base_updates": 7}
    made = Study(
        StudyOptions(env=env, controllers={"residual": residual}, folder=str(tmp_path), rows=2, tuned={"schedule": 3})
    )
    names = [(e.name, e.seed) for e in entries(made, "held_out") if e.name in ("best_schedule", "residual_base")]
    assert names == [(name, seed) for name in ("residual_base", "best_schedule") for seed in range(made.tunings[name])]
    assert made.tunings == {"best_schedule": 3, "residual_base": 2}
    updates = [made.tuning(name, seed).gan_updates for name, seed in names]
    assert updates == [7, 7, 1500, 1500, 1500]
    assert len(set(seeds)) == 5 and min(abs(a - b) for a in seeds for b in seeds if a != b) >= TUNINGS_APART
    assert (tmp_path / "configs/policy/tuned_schedule_2.yaml").exists()
