"""Updates saved: the share of a run that is left when a policy is as good as its opponent becomes."""

import numpy as np
import pytest

from gan_env.evaluation.updates_saved import share_left, updates_saved


def test_a_curve_is_joined_by_lines() -> None:
    assert share_left(np.array([4.0, 2.0, 1.0]), 2.0) == pytest.approx(0.5)
    assert share_left(np.array([4.0, 2.0, 1.0]), 1.5) == pytest.approx(0.25)


def test_a_policy_that_never_gets_there_saves_nothing() -> None:
    assert share_left(np.array([4.0, 2.0]), 1.0) == 0


def test_the_target_is_the_opponents_final_mean() -> None:
    policy = np.array([[4.0, 2.0, 0.0], [4.0, 2.0, 0.0]])
    opponent = np.array([[4.0, 3.0, 1.0], [4.0, 3.0, 3.0]])
    found = updates_saved(policy, opponent)
    assert found["value"] == pytest.approx(0.5)
    assert found["over_instances"] == pytest.approx((0.25, 0.75))
