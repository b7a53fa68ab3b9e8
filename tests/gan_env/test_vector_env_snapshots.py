"""Snapshots and copies of environments: what they go on with, and which snapshots are refused, changing nothing."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from small_env import SMALL, make, still

from gan_env import ConfigError, GANEnv, GANVectorEnv

OTHER: dict[str, dict[str, Any]] = {
    "num_envs": {"rows": 3},
    "losses": {"losses": ["hinge"]},
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
    with pytest.raises(
        ConfigError, match=rf"^the run of the snapshot was begun with other options: (env\.)?{name}\S*=.*, not "
    ):
        mine.set_state(theirs.get_state())


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no origin": (lambda s: s.pop("origin"), "snapshot.origin is missing: expected dict"),
    "no generators": (lambda s: s.pop("generators"), r"snapshot.generators is missing: expected a list of 2"),
    "one generator": (lambda s: s["generators"].pop(), "snapshot.generators is a list of 1: expected a list of 2"),
    "no gained": (lambda s: s["progress"].pop("gained"), "snapshot.progress.gained is missing: expected torch.float32"),
    "other shape": (
        lambda s: s["progress"].update(observation=torch.zeros(2, 1)),
        r"snapshot.progress.observation is torch.float32 of shape \(2, 1\): expected torch.float32 of shape \(2, \d+\)",
    ),
    "more": (lambda s: s.update(over=1), "snapshot.over is int: expected missing"),
    "instance": (lambda s: s["instances"][1].pop("loss"), r"snapshot.instances\[1\].loss is missing: expected str"),
    "no data set": (lambda s: s["instances"][0].update(dataset="nope"), "instance.dataset='nope'"),
    "generator": (lambda s: s["generators"][1]["state"].update(state=2**200), "snapshot.generators can't be used"),
    "other generator": (lambda s: s["generators"][0].update(bit_generator="nope"), "snapshot.generators can't be used"),
    "no weights": (lambda s: s["population"].pop("g"), "snapshot.population.g is missing"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_snapshot_is_refused_and_changes_nothing(kind: str) -> None:
    """Weights were replaced before the rest was found missing."""
    theirs, mine, other = make(2), make(2), make(2)
    theirs.reset(seed=0)
    for env in (mine, other):
        env.reset(seed=1)
    state = theirs.get_state()
    damage, message = DAMAGE[kind]
    damage(state)
    with pytest.raises(ConfigError, match=message):
        mine.set_state(state)
    for _ in range(4):  # over an autoreset, which draws from the generators
        for a, b in zip(mine.step(still(mine))[:3], other.step(still(other))[:3], strict=True):
            np.testing.assert_array_equal(a, b)


def test_where_a_run_is_made_may_differ() -> None:
    env, elsewhere = make(1, device="cpu"), make(1, data_root="elsewhere", device="auto")
    seen, _ = env.reset(seed=0)
    assert np.array_equal(elsewhere.set_state(env.get_state()), seen)
    assert np.array_equal(elsewhere.coordinates(), env.coordinates())
    if elsewhere.device == env.device:
        assert np.array_equal(elsewhere.step(still(elsewhere))[0], env.step(still(env))[0])


COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda env: pickle.loads(pickle.dumps(env)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("decisions", [None, 0, 1, 3])
def test_a_copy_goes_on_as_the_environment_does(how: str, decisions: int | None) -> None:
    """Before the first reset, after it, in the middle, and where the next step only resets."""
    env = gym.make_vec("gan_env/Points-v1", num_envs=2, autoreset_mode="NEXT_STEP", **SMALL)
    if decisions is not None:
        env.reset(seed=0)
    for _ in range(decisions or 0):
        env.step(env.action_space.sample())
    other = COPIES[how](env)
    assert other.spec == env.spec
    assert other.metadata == env.metadata
    if decisions is None:
        assert np.array_equal(env.reset()[0], other.reset()[0])
    for _ in range(4):
        action = env.action_space.sample()
        assert np.array_equal(action, other.action_space.sample())
        for mine, theirs in zip(env.step(action)[:3], other.step(action)[:3], strict=True):
            assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("how", COPIES)
def test_a_single_environment_with_its_wrappers_is_copied(how: str) -> None:
    env = gym.make("gan_env/Points-v1", render_mode="rgb_array", **SMALL)
    env.reset(seed=0)
    env.step(np.ones(5, np.float32))
    other = COPIES[how](env)
    assert np.array_equal(env.render(), other.render())
    mine, theirs = (each.step(np.ones(5, np.float32)) for each in (env, other))
    assert np.array_equal(mine[0], theirs[0])
    assert mine[1] == theirs[1]


@pytest.mark.parametrize("make_one", [lambda: make(2, render_mode="rgb_array"), lambda: GANEnv(**SMALL)])
def test_nothing_can_be_done_with_a_closed_environment(make_one: Callable[[], Any]) -> None:
    env = make_one()
    env.reset(seed=0)
    env.close()
    env.close()  # again: as Gymnasium does at a program's end
    for call in (env.reset, env.render, lambda: env.step(env.action_space.sample())):
        with pytest.raises(ConfigError, match=r"the environment is closed.*make a new one"):
            call()


class Own(GANVectorEnv):
    """A subclass with arguments and attributes of its own."""

    def __init__(self, rows: int) -> None:
        self.before = 1
        super().__init__(rows, **SMALL)
        self.after = 2


def test_a_subclass_is_copied_with_its_own_attributes() -> None:
    env = Own(2)
    env.reset(seed=0)
    env.later = 3  # type: ignore[attr-defined]
    again = copy.deepcopy(env)
    assert isinstance(again, Own) and (again.before, again.after, again.later) == (1, 2, 3)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.step(still(again))[0], env.step(still(env))[0])


def test_what_was_replaced_in_an_environment_is_made_anew_in_a_copy() -> None:
    env = make(2)
    env.reset(seed=0)
    untouched = copy.deepcopy(env)
    env.judge = None  # type: ignore[assignment]
    again = copy.deepcopy(env)
    np.testing.assert_array_equal(again.step(still(again))[0], untouched.step(still(untouched))[0])


SPAWNING = f"""
import multiprocessing
from gan_env import GANVectorEnv

def step(env):
    print(env.step(env.action_space.low)[0].sum())

if __name__ == "__main__":
    env = GANVectorEnv(2, **{SMALL!r})
    env.reset(seed=0)
    process = multiprocessing.get_context("spawn").Process(target=step, args=(env,))
    process.start()
    process.join()
    step(env)
"""


def test_an_environment_goes_to_a_spawned_process(tmp_path: Path) -> None:
    path = tmp_path / "spawning.py"
    path.write_text(SPAWNING)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=True)
    there, here = done.stdout.split()
    assert there == here
