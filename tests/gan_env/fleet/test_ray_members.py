"""A fleet on Ray is the fleet in this process, whatever dies on the way. Where Ray is missing, an error says so."""

import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from same import assert_same
from small_env import SMALL, make

from gan_env import ConfigError, Fleet, FleetError, GANVectorEnv
from gan_env.errors import PackageError
from gan_env.files import load_checkpoint
from gan_env.fleet.members import Call

COUNTS = (2, 1)


def test_without_ray_an_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "gan_env.fleet.ray_members", raising=False)
    with pytest.raises(PackageError, match=r'pip install "gan_env\[ray\]"'):
        Fleet([SMALL], placement="ray")


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """Ray on this machine, apart from any cluster that may run there."""
    ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "gan_env[ray]"')
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def fleet(**options: Any) -> Fleet:
    members = [{"num_envs": count, **SMALL} for count in COUNTS]
    return Fleet(members, "ray", num_cpus=0.5, **{"snapshot_every": 2, **options})


@pytest.fixture(scope="module")
def env(ray: Any) -> Iterator[Fleet]:
    """Making one takes seconds, so tests share it; each begins with a reset."""
    made = fleet()
    yield made
    made.close()


def kill(ray: Any, env: Fleet, index: int) -> None:
    """kill -9 to the process of a member."""
    actor = env._members.members[index].actor  # type: ignore[attr-defined]
    os.kill(ray.get(actor.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)


def actions(steps: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (sum(COUNTS), 5)).astype(np.float32) for _ in range(steps)]


def test_killed_members_go_on_with_the_same_bits(ray: Any, env: Fleet) -> None:
    """One before its first snapshot, one after some, both at once though killed before, and one before a reset."""
    one = make(sum(COUNTS))
    options = {"knobs": {"r1": [1.0, 2.0, 3.0]}}
    assert_same(env.reset(seed=1, options=options), one.reset(seed=1, options=options))
    kills = {0: [1], 4: [0], 7: [0, 1]}
    for step, action in enumerate(actions(9)):
        for index in kills.get(step, []):
            kill(ray, env, index)
        assert_same(env.step(action), one.step(action))
    kill(ray, env, 1)
    assert_same(env.reset(seed=2), one.reset(seed=2))
    assert_same(env.coordinates(), one.coordinates())
    assert_same(env.samples(4), one.samples(4))
    assert env.current_instances == one.current_instances


def test_unseeded_runs_too_go_on_with_the_same_bits(ray: Any, env: Fleet) -> None:
    env.reset()
    state = env.get_state()
    expected = [env.step(action) for action in actions(4)]  # over an autoreset, which draws instances
    env.set_state(state)
    kill(ray, env, 0)
    assert_same([env.step(action) for action in actions(4)], expected)


def test_a_state_moves_between_placements(env: Fleet) -> None:
    local = Fleet([{"num_envs": count, **SMALL} for count in COUNTS])
    env.reset(seed=3)
    env.step(actions(1)[0])
    local.set_state(env.get_state())
    assert_same(env.step(actions(1)[0]), local.step(actions(1)[0]))


def test_an_error_of_a_member_is_no_death(env: Fleet) -> None:
    env.reset(seed=0)
    actors = [member.actor for member in env._members.members]  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"there is no option options\.instance\.lr"):
        env.reset(options={"instance": [None, None, {"lr": 1}]})
    assert actors == [member.actor for member in env._members.members]  # type: ignore[attr-defined]
    one = make(sum(COUNTS))
    one.reset(seed=0)
    assert_same(env.step(actions(1)[0]), one.step(actions(1)[0]))


def test_a_member_that_can_not_be_made_says_why(ray: Any) -> None:
    with pytest.raises(Exception, match="unknown data set 'nope'"):
        Fleet([{**SMALL, "datasets": ["nope"]}], "ray", num_cpus=0.5)


def test_a_member_that_dies_as_it_is_made_says_so(ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gan_env.fleet import ray_members

    def dying(members: Any) -> list[Any]:
        for member in members.members:
            ray.kill(member.actor)
        return get_state(members)

    get_state = ray_members.RayMembers.get_state
    monkeypatch.setattr(ray_members.RayMembers, "get_state", dying)
    with pytest.raises(FleetError, match=r"died 1 times in 'get_state'") as caught:
        fleet(max_failures=1, rescue_file=tmp_path / "rescue.pt")
    assert "state of the fleet" not in str(caught.value)
    assert not (tmp_path / "rescue.pt").exists()


def test_a_death_is_told_before_the_errors_of_others(ray: Any, tmp_path: Path) -> None:
    from fragile import Fragile

    broken = fleet(max_failures=1, rescue_file=tmp_path / "rescue.pt")
    members = broken._members
    members.members[1].actor = ray.remote(num_cpus=0.5)(Fragile).remote(partial(GANVectorEnv, 1, **SMALL), 1)  # type: ignore[attr-defined]
    with pytest.raises(FleetError, match=r"members\[1\] died 1 times in 'step'.*rescue\.pt"):
        members.call({0: Call("set_state", ("no state",)), 1: Call("step", (actions(1)[0][2:],))})
    broken.close()


def test_a_member_that_dies_again_and_again_ends_with_everything_saved(ray: Any, tmp_path: Path) -> None:
    from fragile import Fragile

    file = tmp_path / "rescue.pt"
    broken, one = fleet(max_failures=2, rescue_file=file), make(sum(COUNTS))
    for env in (broken, one):
        env.reset(seed=5, options={"instance": [env.current_instances[0]] * sum(COUNTS)})
    for action in actions(2):
        assert_same(broken.step(action), one.step(action))
    member = broken._members.members[1]  # type: ignore[attr-defined]
    member.make_actor = partial(ray.remote(num_cpus=0.5)(Fragile).remote, partial(GANVectorEnv, 1, **SMALL), 1)
    kill(ray, broken, 1)
    with pytest.raises(FleetError, match=r"members\[1\] died 2 times in 'step'.*rescue\.pt"):
        broken.step(actions(3)[2])
    broken.close()
    mended = Fleet([{"num_envs": count, **SMALL} for count in COUNTS])
    mended.set_state(load_checkpoint(file))
    assert_same(mended.step(actions(3)[2]), one.step(actions(3)[2]))


def test_stable_baselines3_learns_on_ray_what_it_learns_here(env: Fleet) -> None:
    sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    from gan_env.adapters.stable_baselines3 import SB3VecEnv

    weights = []  # its own products are rounded by where an observation lies in memory
    for played in (env, make(sum(COUNTS))):
        model = sb3.PPO("MlpPolicy", SB3VecEnv(played, 0), n_steps=4, batch_size=6, n_epochs=1, seed=0, device="cpu")
        weights.append([p.detach() for p in model.learn(12).policy.parameters()])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*weights, strict=True))
