"""The cells of a study that are more than files; tests/test_compare.py runs a whole one."""

from pathlib import Path
from typing import Any

import pytest

from agents.study import Study
from agents.study_options import StudyOptions
from baselines.tune import Tuned
from gan_env import ConfigError

TAKEN = {"ppo": 1000, "sac": 900, "residual": 1500}


def study(folder: Path, *names: str, **more: Any) -> Study:
    return Study(StudyOptions(folder=str(folder), controllers={name: {"seeds": 1} for name in names}, **more))


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every controller is trained, with so many GAN updates."""
    monkeypatch.setattr(Study, "train", lambda self, name, controller, seed: {"gan_updates": TAKEN[name]})


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
    made = Study(StudyOptions(folder=str(tmp_path), controllers=controllers, tuned=("schedule", "ada", "r3gan")))
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
    monkeypatch.setattr(Study, "base", lambda self, name, controller: found)
    made = Study(options)
    assert made.opponent("residual_base").kind == "rates"
    assert made.on_training("residual_base").log_metric.shape == (2, 3 + 1)
