"""The cells of a study: what is trained and tuned, with which budget and on which runs."""

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
from gan_env.policies.tables import RatesPolicy

SMALL = {"preset": "points", "compile": False, "metric_samples": 32}
TAKEN = {"ppo": 1000, "sac": 900, "costly": 1500}


def study(folder: Path, *names: str, **more: Any) -> Study:
    return Study(study_options(folder=str(folder), controllers={name: {"seeds": 1} for name in names}, **more))


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every controller is trained, with so many GAN updates."""
    monkeypatch.setattr(Study, "training_costs", lambda self, name, seed: {"gan_updates": TAKEN[name]})


def test_seeds_of_trainings_are_one_after_another(tmp_path: Path) -> None:
    """It is training that keeps their runs apart. What is trained has the controller's options."""
    ppo = {"seeds": 2, "agent": {"epochs": 3}, "env": {"num_decisions": 6}, "training": {"datasets": ["ring"]}}
    made = Study(study_options(folder=str(tmp_path), controllers={"ppo": ppo}, seed=5))
    for number, job in enumerate(made.trainings_due()):
        script, options, folder = job.arguments
        assert (script, options.seed, folder.path) == ("ppo", 5 + number, tmp_path / f"training/ppo-{number}")
        assert job.folder == folder.path
        assert options.agent.epochs == 3
        assert options.env == {"preset": "points", "num_decisions": 6, "datasets": ["ring"]}
    assert number == 1


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    made = study(tmp_path, "ppo", "sac", tuned={"schedule": 2})
    write_json(made.training_folder("ppo", 0) / "trained.json", {"gan_updates": 1})
    write_json(tmp_path / "tuning/best_schedule-1/schedule.json", {})
    assert [job.folder for job in made.trainings_due()] == [tmp_path / "training/sac-0"]
    assert [job.folder for job in made.tunings_due()] == [tmp_path / "tuning/best_schedule-0"]


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
    made = study(tmp_path, "ppo", tuned={"schedule": 1, "ada": 1, "r3gan": 1, "step_size": 1})
    assert made.schedules == ["best_schedule", "tuned_r3gan"]
    assert made.rivals == ["best_schedule", "tuned_r3gan", "tuned_step_size"]
    assert made.tunings == {"best_schedule": 1, "tuned_ada": 1, "tuned_r3gan": 1, "tuned_step_size": 1}


def test_every_tuning_of_an_opponent_searches_other_runs_and_plays_by_itself(tmp_path: Path) -> None:
    """As every training of a controller does. Their runs follow from the kind's name alone."""
    few, more = {"schedule": 3, "rates": 2}, {"ada": 1, "rates": 2, "r3gan": 1, "schedule": 3}
    seeds: list[dict[str, list[int]]] = []
    for tuned in (few, more):
        made = study(tmp_path / str(len(tuned)), "ppo", tuned=tuned)
        names = [entry for entry in entries(made, "held_out") if entry[0] in made.tunings]
        assert names == [(name, seed) for name, times in made.tunings.items() for seed in range(times)]
        jobs = [(job.arguments[0], job.folder) for job in made.tunings_due()]
        assert [folder for _, folder in jobs] == [
            tmp_path / f"{len(tuned)}/tuning/{name}-{seed}" for name, seed in names
        ]
        every = [options.seed for options, _ in jobs]
        assert len(every) == sum(tuned.values())
        assert min(abs(a - b) for a in every for b in every if a != b) >= TUNINGS_APART
        seeds.append({kind: [options.seed for options, _ in jobs if options.kind == kind] for kind in tuned})
    assert {kind: seeds[1][kind] for kind in few} == seeds[0]  # other opponents move none of them


def test_opponents_that_were_tuned_are_written_as_policies(tmp_path: Path) -> None:
    made = study(tmp_path, "ppo", tuned={"schedule": 2})
    for seed in range(2):
        policy = {"kind": "rates", "until": 1 / (seed + 1)}
        found = Tuned(policy, score=0.0, finalists=[policy], trials=1, gan_updates=9)
        write_json(tmp_path / f"tuning/best_schedule-{seed}/schedule.json", asdict(found))
    made.write_opponents()
    written = [
        yaml.safe_load((tmp_path / f"configs/policy/tuned_schedule_{seed}.yaml").read_text()) for seed in range(2)
    ]
    assert written == [{"kind": "rates", "until": 1.0}, {"kind": "rates", "until": 0.5}]


def test_committed_opponents_are_not_tuned(tmp_path: Path) -> None:
    both = [PolicyOptions(until=0.5), PolicyOptions(until=0.25)]
    options = study_options(folder=str(tmp_path), tuned={"schedule": 2})
    made = Study(options, trained={("ppo", 0): tmp_path / "elsewhere"}, committed={"best_schedule": both})
    assert [made.opponent("best_schedule", seed).until for seed in range(2)] == [0.5, 0.25]
    assert made.training_folder("ppo", 0) == tmp_path / "elsewhere"
    assert made.tunings_due() == []


def test_a_policy_plays_from_its_file_and_sees_what_its_kind_needs(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("kind: rates\nknobs: {lr_g: {kind: fixed, initial: 1e-3}}\n")
    made = study(tmp_path, "ppo", policies=[str(tmp_path / "own.yaml"), "tuned/points/step_size_0"], env=SMALL)
    assert made.told_rates("own") and not made.told_rates("step_size_0")
    assert "steps" in made.reads("step_size_0") and made.reads("own") == ("context",)
    assert {("own", None), ("step_size_0", None)} < set(entries(made, "held_out"))
    assert isinstance(made.policy("own", None, made.test_env("held_out", "own")), RatesPolicy)


def test_opponents_see_progress_and_knobs_where_controllers_do_not(tmp_path: Path) -> None:
    made = study(tmp_path, "ppo", env={**SMALL, "observation": ["quality"]}, policies=["fixed"])
    assert made.env_options("ppo")["observation"] == ["quality"]
    assert set(made.env_options("fixed")["observation"]) == {"quality", "progress", "knobs"}
    made.policy("fixed", None, made.test_env("held_out", "fixed"))


def test_the_environment_is_written_for_other_programs(tmp_path: Path) -> None:
    study(tmp_path, "ppo", env={"preset": "points", "knobs": ["r1"], "num_decisions": 12}).write_env()
    found = yaml.safe_load((tmp_path / "configs/env/study.yaml").read_text())
    assert found == {"defaults": ["preset_points", "_self_"], "knobs": ["r1"]}
