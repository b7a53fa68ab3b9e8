"""Alike members are one environment, bit for bit; members that differ are a family; what doesn't fit is refused."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from same import assert_same
from small_env import SMALL, make

from gan_env import ConfigError, Fleet, GANVectorEnv
from gan_env.data.bank import IMAGE_SETS
from gan_env.evaluation.rollout import run_episodes
from gan_env.files import load_checkpoint, save_checkpoint
from gan_env.fleet.members import Call
from gan_env.policies.random_policy import RandomPolicy
from gan_env.records import Dataset

ROWS = 6


def fleet(*counts: int, **options: Any) -> Fleet:
    """Members that are alike but for their rows."""
    mode = options.pop("autoreset_mode", AutoresetMode.SAME_STEP)
    return Fleet([{"num_envs": count, **SMALL, **options} for count in counts], autoreset_mode=mode)


def actions(steps: int, rows: int = ROWS) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (rows, 5)).astype(np.float32) for _ in range(steps)]


@st.composite
def splits(draw: st.DrawFn) -> list[int]:
    """Numbers of rows that add up to `ROWS`."""
    cuts = sorted(draw(st.sets(st.integers(1, ROWS - 1), max_size=ROWS - 1)))
    return [b - a for a, b in zip([0, *cuts], [*cuts, ROWS], strict=True)]


@settings(max_examples=12)
@given(splits(), st.sampled_from(AutoresetMode))
def test_however_rows_are_dealt_out_the_result_is_that_of_one_environment(
    counts: list[int], mode: AutoresetMode
) -> None:
    many, one = fleet(*counts, autoreset_mode=mode), make(ROWS, autoreset_mode=mode)
    options = {"knobs": {"r1": np.linspace(0, 3, ROWS)}, "instance": [0, 1, 2, 3, None, {"dataset": "ring"}]}
    assert_same(many.reset(seed=3, options=options), one.reset(seed=3, options=options))
    for action in actions(SMALL["num_decisions"] + (0 if mode is AutoresetMode.DISABLED else 2)):  # over an autoreset
        assert_same(many.step(action), one.step(action))
    assert_same(many.coordinates(), one.coordinates())
    assert_same(many.samples(5), one.samples(5))
    assert many.current_instances == one.current_instances
    assert many.gan_updates == one.gan_updates


def test_rows_reset_by_a_mask_are_those_of_one_environment() -> None:
    """A member in which no row is reset is left alone; seeds of one's own reach their rows."""
    mode = AutoresetMode.DISABLED
    many, one = fleet(1, 3, 2, autoreset_mode=mode), make(ROWS, autoreset_mode=mode)
    for env in (many, one):
        env.reset(seed=0)
    mask = np.array([False, True, False, True, False, False])
    for action in actions(2):
        assert_same(many.step(action), one.step(action))
    seeds, options = [None, 7, None, None, 5, 5], {"reset_mask": mask}
    assert_same(many.reset(seed=seeds, options=options), one.reset(seed=seeds, options=options))
    assert_same(many.step(action), one.step(action))


def test_crashed_rows_are_those_of_one_environment() -> None:
    wild = {"instances": {"lr_g": (1.0, 1.0), "lr_d": (1.0, 1.0)}, "updates_per_decision": 20}
    many, one = fleet(2, 1, **wild), make(3, **wild)
    assert_same(many.reset(seed=0), one.reset(seed=0))
    crashed = False
    for action in actions(3, rows=3):
        result, found = one.step(action), many.step(action)
        crashed |= bool(result[2].any())
        assert_same(found, result)
    assert crashed


def test_a_state_continues_in_another_fleet() -> None:
    mine, other = fleet(2, 1), fleet(2, 1)
    mine.reset(seed=0)
    mine.step(actions(1, 3)[0])
    state = mine.get_state()
    expected = [mine.step(action) for action in actions(4, 3)]
    other.set_state(state)
    assert_same([other.step(action) for action in actions(4, 3)], expected)


def test_a_state_is_a_file_whatever_members_were_made_from(tmp_path: Path) -> None:
    """A rescue file is written when a run is lost: it must not fail."""
    own = [GANVectorEnv(1, **SMALL).instances[0]]
    members = [{"num_envs": 1, "data_root": str(tmp_path), "instances": own, **SMALL}] * 2
    many, other = Fleet(members), Fleet([{**member, "compile": False, "device": "cpu"} for member in members])
    many.reset(seed=0)
    other.set_state(load_checkpoint(save_checkpoint(tmp_path / "fleet.pt", many.get_state())))
    action = actions(1, 2)[0]
    assert_same(other.step(action), many.step(action))


@pytest.fixture
def family(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Points, and images of two sizes with two architectures and another horizon."""

    def noise(data_root: str, image_size: int) -> Dataset:
        shape = (200, 1, image_size, image_size)
        images = torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).byte()
        return Dataset(images[:100], images[100:])

    monkeypatch.setitem(IMAGE_SETS, "noise", noise)
    narrow = {"width_g": [4, 4], "width_d": [4, 4]}
    images = {**SMALL, "preset": "fashion_mnist", "datasets": ["noise"], "metric_samples": 32, "num_decisions": 2}
    return [
        {"num_envs": 2, **SMALL},
        {"num_envs": 1, **images, "image_size": 8, "architecture": "mlp"},
        {"num_envs": 1, **images, "image_size": 16, "architecture": "dcgan", "instances": narrow},
    ]


@pytest.mark.parametrize("architecture", ["mlp", "dcgan"])
def test_images_in_blocks_of_rows_are_those_of_one_environment(family: list[dict[str, Any]], architecture: str) -> None:
    """A row that is alone in its member is computed as in a block."""
    alike = {**family[1], "architecture": architecture}
    many, one = Fleet([{**alike, "num_envs": count} for count in (1, 4, 2)]), GANVectorEnv(**{**alike, "num_envs": 7})
    assert_same(many.reset(seed=0), one.reset(seed=0))
    for action in actions(3, 7):
        assert_same(many.step(action), one.step(action))


def test_a_family_has_all_infos_and_masks_those_of_other_members(family: list[dict[str, Any]]) -> None:
    env = Fleet(family)
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    env.step(actions(1, 4)[0])
    *_, infos = env.step(actions(1, 4)[0])  # images end
    assert infos["_modes"].tolist() == [True, True, False, False]
    assert infos["modes"][2:].tolist() == [0, 0]
    assert infos["_final_obs"].tolist() == [False, False, True, True]
    assert infos["final_info"]["_coverage"].tolist() == [False, False, True, True]
    assert [part.shape for part in env.samples(3)] == [(3, 2), (3, 2), (3, 1, 8, 8), (3, 1, 16, 16)]


def test_a_member_whose_rows_have_ended_waits_for_the_others(family: list[dict[str, Any]]) -> None:
    env = Fleet(family, autoreset_mode=AutoresetMode.DISABLED)
    env.reset(seed=0)
    for action in actions(3, 4):
        _, reward, terminated, _, infos = env.step(action)
    assert terminated.all()
    assert reward[2:].tolist() == [0, 0]
    assert infos["_log_metric"].tolist() == [True, True, False, False]
    with pytest.raises(ConfigError, match="none of the 4 rows has a run"):
        env.step(action)
    env.reset(options={"reset_mask": np.array([False, False, True, False])})
    assert env.step(action)[2].tolist() == [True, True, False, True]


def test_episodes_of_a_family_run_to_the_longest_horizon(family: list[dict[str, Any]]) -> None:
    env = Fleet(family, autoreset_mode=AutoresetMode.DISABLED)
    episodes = run_episodes(RandomPolicy(env), env, seeds=[0, 1, 2, 3])
    assert episodes.log_metric.shape == (4, SMALL["num_decisions"] + 1)
    assert np.isfinite(episodes.final).all()
    extras = episodes.extras  # [4, T] each; the second member's runs are a decision shorter
    assert np.isfinite(extras["loss_d"][:2]).all() and np.isnan(extras["loss_d"][2:, -1]).all()
    assert np.isfinite(extras["modes"][:2]).all() and np.isnan(extras["modes"][2:]).all()  # of points alone
    assert np.isnan(extras["coverage"][:2]).all() and np.isfinite(extras["coverage"][2:, 0]).all()  # of images alone
    assert episodes.gan_updates == env.gan_updates == 2 * 3 * 2 + 2 * 2 * 2


def test_one_policy_learns_on_a_family(family: list[dict[str, Any]]) -> None:
    sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    from gan_env.adapters.stable_baselines3 import SB3VecEnv

    model = sb3.PPO("MlpPolicy", SB3VecEnv(Fleet(family), 0), n_steps=4, batch_size=8, n_epochs=1, seed=0)
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(3 * 4 * 4)
    assert model.num_timesteps == 48
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True))


REFUSED: dict[str, tuple[Any, str]] = {
    "nobody": ([], r"members=\[\] can't be used"),
    "no mapping": ([3], r"members=\[3\] can't be used"),
    "no rows": ([{"num_envs": 0}], r"members\[0\]\['num_envs'\]=0"),
    "no number of rows": ([{"num_envs": True}], r"members\[0\]\['num_envs'\]=True"),
    "other rates": ([{}, {"rates": "steady_walk"}], r"members\[1\].rates='steady_walk'.*'given'"),
    "unknown option": ([{}, {"losss": "hinge"}], r"members\[1\]: losss='hinge': .*did you mean loss"),
    "a mode of its own": ([{"autoreset_mode": "x"}], r"members\[0\]\['autoreset_mode'\]='x'.*argument of the fleet"),
    "other knobs": ([{}, {"knobs": ["r1"]}], r"members\[1\].knobs=\('r1',\).*members\[0\]"),
    "other moves": ([{}, {"action_mode": "absolute"}], r"members\[1\].action_mode='absolute'.*'delta'"),
    "other observation": ([{}, {"observation": ["progress", "knobs"]}], r"members\[1\].observation="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_members_that_do_not_fit_are_refused_by_what_differs(name: str) -> None:
    members, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message):
        Fleet(members)


def test_a_fleet_draws_every_row_and_says_when_it_is_closed() -> None:
    env = Fleet([{"num_envs": 2, **SMALL}, SMALL], render_mode="rgb_array")
    env.reset(seed=0)
    pictures = env.render()
    assert pictures is not None and len(pictures) == 3
    assert env.observation_names == make(1).observation_names
    env.close()
    with pytest.raises(ConfigError, match="closed"):
        env.step(actions(1, 3)[0])


def test_a_placement_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="placement='dask' can't be used: expected 'local' or 'ray'"):
        Fleet([{}], placement="dask")  # type: ignore[arg-type]


BAD_RESETS: dict[str, dict[str, Any]] = {
    "too few instances": {"options": {"instance": [0, 1]}},
    "a knob beyond its bounds": {"options": {"knobs": {"r1": [1, 1, 99]}}},
    "too many values": {"options": {"knobs": {"r1": [1, 1, 1, 1]}}},
    "unknown option": {"options": {"pinned": 1}},
    "no such row": {"options": {"reset_mask": np.ones(2, bool)}},
    "no options": {"options": 5},
    "seeds": {"seed": [1, 2]},
}


@pytest.mark.parametrize("name", BAD_RESETS)
def test_a_refused_reset_changes_no_member(name: str) -> None:
    """The first member accepts its part of what the second refuses."""
    mine, other = fleet(2, 1), fleet(2, 1)
    for env in (mine, other):
        env.reset(seed=0)
    with pytest.raises(ConfigError):
        mine.reset(**BAD_RESETS[name])
    for action in actions(4, 3):
        assert_same(mine.step(action), other.step(action))


def test_an_error_of_a_member_is_raised_after_the_others_have_stepped() -> None:
    """Else they would be at different moments."""
    env = fleet(1, 1)
    env.reset(seed=0)
    step = {"step": (actions(1, 1)[0],), "samples": (0,)}
    with pytest.raises(ConfigError, match="count"):
        env._members.call({0: Call("samples", step["samples"]), 1: Call("step", step["step"])})
    first, second = env._ask("gan_updates")
    assert first == 0 < second


def test_rows_and_instances_may_be_numbers_of_numpy_and_seeds_are_known_as_gymnasium_does() -> None:
    env = Fleet([{"num_envs": np.int64(1), **SMALL}, SMALL])
    env.reset(seed=3, options={"instance": np.array(2)})
    assert env.num_envs == 2 and env.np_random_seed == 3
    assert env.current_instances == [env.instances[2]] * 2


def test_a_state_of_other_members_is_refused_and_changes_nothing() -> None:
    mine, other, theirs = fleet(2, 1), fleet(2, 1), fleet(1, 2)
    for env in (mine, other, theirs):
        env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"the state was begun with other options: members\.0\.num_envs=1, not 2"):
        mine.set_state(theirs.get_state())
    state = theirs.get_state()
    with pytest.raises(ConfigError):
        mine.set_state({**mine.get_state(), "members": state["members"]})
    assert_same(mine.step(actions(1, 3)[0]), other.step(actions(1, 3)[0]))


@pytest.mark.parametrize("bad", [np.zeros((2, 5)), np.full((3, 5), np.nan)])
def test_bad_actions_are_refused_before_any_member_steps(bad: Any) -> None:
    env = fleet(2, 1)
    with pytest.raises(ConfigError, match="call reset first"):
        env.step(np.zeros((3, 5)))
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="actions"):
        env.step(bad)
    assert env.gan_updates == 0


def test_a_copy_goes_on_as_the_fleet_does() -> None:
    """Rows that are alone in their members are rounded as before."""
    mine = fleet(1, 1, 1)
    mine.reset(seed=0)
    other = copy.deepcopy(mine)
    for action in actions(4, 3):
        assert_same(mine.step(action), other.step(action))
