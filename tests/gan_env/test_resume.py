"""Snapshots of environments: which are refused, and that a refused one changes nothing."""

from typing import Any

import numpy as np
import pytest
import torch
from small_env import make, still

from gan_env import ConfigError

OTHER: dict[str, dict[str, Any]] = {
    "num_envs": {"rows": 3},
    "loss": {"loss": "hinge"},
    "datasets": {"datasets": ["ring"]},
    "knobs": {"knobs": ["r1"]},
    "updates_per_decision": {"updates_per_decision": 3},
    "instances": {"instances": {"seed": 1}},
}


@pytest.mark.parametrize("name", OTHER)
def test_the_snapshot_of_another_environment_is_refused_by_what_differs(name: str) -> None:
    theirs, mine = make(**{"rows": 2, **OTHER[name]}), make(2)
    theirs.reset(seed=0)
    mine.reset(seed=1)
    before = mine.get_state()
    with pytest.raises(ConfigError, match=f"^{name} of the snapshot=.* as here"):
        mine.set_state(theirs.get_state())
    after = mine.get_state()
    assert all(torch.equal(tensor, after["population"][key]) for key, tensor in before["population"].items())
    assert after["instances"] == before["instances"]


def test_the_snapshot_of_another_version_is_refused() -> None:
    env = make(1)
    env.reset(seed=0)
    state = env.get_state()
    del state["origin"]
    with pytest.raises(ConfigError, match="a snapshot of this version: start the run anew"):
        env.set_state(state)


def test_where_a_run_is_made_may_differ() -> None:
    env, elsewhere = make(1, device="cpu"), make(1, data_root="elsewhere", device="auto")
    env.reset(seed=0)
    elsewhere.set_state(env.get_state())
    assert np.array_equal(elsewhere.coordinates(), env.coordinates())
    if elsewhere.device == env.device:
        assert np.array_equal(elsewhere.step(still(elsewhere))[0], env.step(still(env))[0])
