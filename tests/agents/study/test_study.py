"""The cells of a study: what is trained and tuned, with which budget and on which runs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.study.options import study_options
from agents.study.play import entries
from agents.study.study import Study
from baselines.search.tuner import Tuned
from gan_env import ConfigError
from gan_env.evaluation.seeds import TUNINGS_APART
from gan_env.files import write_json
from gan_env.policies.presets import PolicyOptions

TRAIN = Study.train
TAKEN = {"ppo": 1000, "sac": 900, "costly": 1500}


def study(folder: Path, *names: str, **more: Any) -> Study:
    return Study(study_options(folder=str(folder), controllers={name: {"seeds": 1} for name in names}, **more))


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every controller is trained, with so many GAN updates."""
    monkeypatch.setattr(Study, "train", lambda self, name, seed: {"gan_updates": TAKEN[name]})


def test_seeds_of_trainings_are_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is training that keeps their runs apart. What is trained has the controller's options."""
    jobs: list[Sequence[Any]] = []

    def run(study: Study, job: Any, arguments: Sequence[Any], folder: Path) -> None:
        jobs.append(arguments)
        write_json(folder / "trained.json", {"gan_updates": 1})

    monkeypatch.setattr(Study, "run", run)
    ppo = {"seeds": 2, "agent": {"epochs": 3}, "env": {"num_decisions": 6}, "training": {"datasets": ["ring"]}}
    made = Study(study_options(folder=str(tmp_path), controllers={"ppo": ppo}, seed=5))
    for seed in range(2):
        TRAIN(made, "ppo", seed)
    for number, (script, options, folder) in enumerate(jobs):
        assert (script, options.seed, folder.path) == ("ppo", 5 + number, tmp_path / f"training/ppo-{number}")
        assert options.agent.epochs == 3
        assert options.env == {"preset": "points", "num_decisions": 6, "datasets": ["ring"]}


def test_opponents_are_tuned_with_what_the_costliest_controller_took(tmp_path: Path) -> None:
    assert study(tmp_path, "sac", "ppo").budget == 1000
    assert study(tmp_path, "sac").budget == 1000  # they stay as they are


def test_a_costlier_controller_cannot_join_opponents_that_were_tuned_with_less(tmp_path: Path) -> None:
    assert study(tmp_path, "ppo").budget == 1000
    with pytest.raises(ConfigError, match=r"budget=1500.*at most 1000.*a new study"):
        _ = study(tmp_path, "ppo", "costly").budget


def test_a_budget_that_was_asked_for_holds_whatever_controllers_took(tmp_path: Path) -> None:
    assert study(tmp_path, "ppo", "costly", budget=700).budget == 700


def test_schedules_are_tuned_opponents_that_don_t_react(tmp_path: Path) -> None:
    made = study(tmp_path, "ppo", tuned={"schedule": 1, "ada": 1, "r3gan": 1})
    assert made.schedules == ["best_schedule", "tuned_r3gan"]
    assert made.tunings == {"best_schedule": 1, "tuned_ada": 1, "tuned_r3gan": 1}


def test_every_tuning_of_an_opponent_searches_other_runs_and_plays_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every training of a controller does. Their runs follow from the kind's name alone."""
    seeds: dict[str, list[int]] = {}

    def run(study: Study, job: Any, arguments: Sequence[Any], folder: Path) -> None:
        options = arguments[0]
        seeds.setdefault(options.kind, []).append(options.seed)
        policy = {"kind": "schedule", "knobs": {"lr_g": {"kind": "fixed", "initial": 1.0}}}
        found = Tuned(policy, score=0.0, finalists=[policy], trials=1, gan_updates=options.budget)
        write_json(folder / f"{options.kind}.json", asdict(found))

    monkeypatch.setattr(Study, "run", run)
    for tuned in ({"schedule": 3, "rates": 2}, {"ada": 1, "rates": 2, "r3gan": 1, "schedule": 3}):
        seeds.clear()
        made = study(tmp_path / str(len(tuned)), "ppo", tuned=tuned)
        for name, times in made.tunings.items():
            for number in range(times):
                made.tune(name, number)
        names = [entry for entry in entries(made, "held_out") if entry[0] in made.tunings]
        assert names == [(name, seed) for name, times in made.tunings.items() for seed in range(times)]
        every = [seed for found in seeds.values() for seed in found]
        assert len(every) == sum(tuned.values())
        assert min(abs(a - b) for a in every for b in every if a != b) >= TUNINGS_APART
        if len(tuned) == 2:
            first = {kind: list(found) for kind, found in seeds.items()}
    assert {kind: seeds[kind] for kind in first} == first  # other opponents move none of them
    assert (tmp_path / "2/configs/policy/tuned_schedule_2.yaml").exists()


def test_committed_opponents_are_not_tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Study, "tune")
    both = [PolicyOptions(until=0.5), PolicyOptions(until=0.25)]
    options = study_options(folder=str(tmp_path), tuned={"schedule": 2})
    made = Study(options, trained={("ppo", 0): tmp_path / "elsewhere"}, committed={"best_schedule": both})
    assert [made.opponent("best_schedule", seed).until for seed in range(2)] == [0.5, 0.25]
    assert made.trained("ppo", 0) == tmp_path / "elsewhere"


def test_the_environment_is_written_for_other_programs(tmp_path: Path) -> None:
    study(tmp_path, "ppo", env={"preset": "points", "knobs": ["r1"], "num_decisions": 12}).write_env()
    found = yaml.safe_load((tmp_path / "configs/env/study.yaml").read_text())
    assert found == {"defaults": ["preset_points", "_self_"], "knobs": ["r1"]}
