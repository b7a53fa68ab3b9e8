"""May a job continue: which options may differ, and which saved states fit."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from gan_env.config import EnvConfig
from gan_env.errors import ConfigError
from gan_env.resume import NEWER, differences, require_same, require_same_form

BEFORE: dict[str, Any] = {"env": {"depth": 2, "device": "cpu"}, "seed": 0, "policies": {"a": 1, "b": 2}}


def test_differences_are_named_with_both_values() -> None:
    now = {**BEFORE, "env": {"depth": 3, "device": "cpu"}, "rows": 4}
    assert differences(BEFORE, now) == {"env.depth": "env.depth=2, not 3", "rows": "rows=None, not 4"}


def test_a_mapping_that_an_earlier_version_lacked_differs_only_with_entries() -> None:
    assert differences(BEFORE, {**BEFORE, "members": {}}) == {}
    assert list(differences(BEFORE, {**BEFORE, "members": {"a": 1}})) == ["members"]


def test_an_option_that_an_earlier_version_lacked_differs_only_from_its_value_then() -> None:
    own = {name: getattr(EnvConfig, name) for name in ("penalty_every", "rates", "warmup_updates")}
    assert {**own, "imitates": ""} == NEWER  # PPO's is in test_run_folder.py, too
    assert differences({"agent": {}}, {"agent": {"imitates": ""}}) == {}
    assert list(differences({"agent": {}}, {"agent": {"imitates": "fixed"}})) == ["agent.imitates"]
    for value, found in ((1, {}), (5, {"env.penalty_every": "env.penalty_every=1, not 5"})):
        assert differences(BEFORE, {**BEFORE, "env": {**BEFORE["env"], "penalty_every": value}}) == found


def test_mappings_that_grow_are_compared_in_what_both_have() -> None:
    now = {**BEFORE, "policies": {"b": 3, "c": 4}}
    assert list(differences(BEFORE, now, growing=("policies",))) == ["policies.b"]


def test_what_only_says_where_a_run_is_made_may_differ() -> None:
    require_same("the run", BEFORE, {**BEFORE, "env": {"depth": 2, "device": "cuda"}}, "")


def test_a_refusal_names_the_job_three_differences_and_the_way_out() -> None:
    now = {**BEFORE, "a": 1, "b": 1, "c": 1, "d": 1}
    message = "the run in X was begun with other options: a=None, not 1; b=None, not 1; c=None, not 1. Use another."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        require_same("the run in X", BEFORE, now, "Use another.")


OWN = {"weights": torch.zeros(2, 3), "ended": np.zeros(2, bool), "parts": [{"seed": 1}, {"seed": 2}], "name": "a"}


def test_a_state_of_the_same_form_passes_whatever_its_values() -> None:
    given = {"weights": torch.ones(2, 3), "ended": np.ones(2, bool), "parts": [{"seed": 8}, {"seed": 9}], "name": "b"}
    require_same_form("state", given, OWN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": torch.zeros(3, 2)}, r"state.weights is torch.float32 of shape (3, 2): expected"),
        ({"weights": torch.zeros(2, 3).double()}, r"state.weights is torch.float64 of shape (2, 3): expected"),
        ({"ended": [False, False]}, "state.ended is a list of 2: expected bool of shape (2,)"),
        ({"parts": [{"seed": 1}]}, "state.parts is a list of 1: expected a list of 2"),
        ({"parts": [{"seed": 1}, {"seed": "2"}]}, "state.parts[1].seed is str: expected int"),
        ({"parts": 3}, "state.parts is int: expected a list of 2"),
        ({"other": 3}, "state.other is int: expected missing"),
    ],
)
def test_a_state_of_another_form_is_refused_by_what_differs(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        require_same_form("state", {**OWN, **change}, OWN)
