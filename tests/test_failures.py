"""Where the learned policy loses, against values worked out by hand."""

from typing import Any

import pytest
from studies import Stub, episodes

from agents.failures import failures


def test_failures_are_the_instances_with_the_least_gain_over_all_trainings() -> None:
    """Three instances, two GAN seeds; the gains by instance are 1, -2 and 0."""
    study: Any = Stub({})
    against = [episodes([[0.0, end] for end in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)])]
    learned = [episodes([[0.0, end] for end in (-1.0, 1.0, 1.0, -1.0, 3.0, -1.0)], crashed=[False] * 5 + [True])]
    found = failures(study, {"ppo": learned, "best_schedule": against}, "ppo")
    assert [(row["instance"], row["gain"]) for row in found["worst"]] == [(1, -2.0), (2, 0.0), (0, 1.0)]
    assert [row["crashes"] for row in found["worst"]] == [0, 1, 0]
    assert found["worst"][1]["standard_error"] == pytest.approx(1.0)
