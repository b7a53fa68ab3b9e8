"""The cells of a study that are more than files; tests/test_compare.py runs a whole one."""

from pathlib import Path
from typing import Any

import pytest

from agents.study import Study
from agents.study_options import StudyOptions
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
