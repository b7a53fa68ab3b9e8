"""Saved controllers."""

from pathlib import Path

import pytest
from controllers import saved_controller


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A controller of both learning rates and R1 that sees what every loop has."""
    saved_controller(decisions=4).save(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def sees_logits(tmp_path: Path) -> Path:
    """One that sees losses and logits, on validation samples too."""
    groups = ("progress", "knobs", "logits", "validation", "losses")
    saved_controller(decisions=4, observation=groups).save(tmp_path / "sees_logits")
    return tmp_path / "sees_logits"
