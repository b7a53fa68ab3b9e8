"""What users register: it is used by name, and refused with help where it doesn't fit."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from small_env import make, still
from torch import Tensor

import gan_env
from gan_env import ConfigError, DataError, Dataset, Moment
from gan_env.data.points import load_points
from gan_env.policies import PolicyOptions, load_policy
from gan_env.policies.schedules import Anneal

pytestmark = pytest.mark.usefixtures("tables_as_they_were")


class Still:
    """A policy that moves nothing."""

    def __init__(self, env: gan_env.GANVectorEnv, push: float = 0.0) -> None:
        self.knobs, self.push = len(env.config.knobs), push

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> Any:
        return np.full((len(observation), self.knobs), self.push, np.float32), state


def logits(moment: Moment) -> Tensor:
    return moment.stats.logit_real


def far_from_mean(real: Tensor) -> Callable[[Tensor], Tensor]:
    mean = real.mean(dim=0)
    return lambda samples: (samples.mean(dim=1) - mean).flatten(1).norm(dim=1)


def cross() -> Any:
    return np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]])


def noise(data_root: str, image_size: int) -> Dataset:
    images = torch.randint(256, (80, 1, image_size, image_size), generator=torch.Generator().manual_seed(0)).byte()
    return Dataset(images[:40], images[40:])


ENTRIES: dict[Callable[..., None], tuple[str, Any, tuple[Any, ...]]] = {
    gan_env.register_points: ("ring", cross, ()),
    gan_env.register_dataset: ("fashion_mnist", noise, ()),
    gan_env.register_statistic: ("loss_d", logits, ()),
    gan_env.register_reward: ("collapse", logits, (-1.0, 1.0)),
    gan_env.register_metric: ("auto", far_from_mean, ()),
    gan_env.register_schedule: ("cosine", lambda t, a, b, k: a + (b - a) * t, ()),
    gan_env.register_policy: ("ada", Still, ()),
}
"""Function -> a name that is taken, an entry that is good, and the other arguments."""


@pytest.mark.parametrize("register", ENTRIES)
def test_a_bad_name_or_entry_is_refused(register: Callable[..., None]) -> None:
    taken, entry, more = ENTRIES[register]
    with pytest.raises(ConfigError, match=f"={taken!r} can't be used: expected one that is not taken"):
        register(taken, entry, *more)
    for name in ("my own", "", 3):
        with pytest.raises(ConfigError, match="letters, digits and underscores"):
            register(name, entry, *more)
    with pytest.raises(ConfigError, match=r"'mine'.*can be called"):
        register("mine", "entry", *more)


@pytest.mark.parametrize("register", ENTRIES)
def test_the_same_code_may_register_itself_again_and_no_other(register: Callable[..., None]) -> None:
    """As a cell of a notebook does, or a program that worker processes import."""
    _, entry, more = ENTRIES[register]
    register("mine", entry, *more)
    register("mine", entry, *more)
    with pytest.raises(ConfigError, match=r"'mine'.*not taken"):
        register("mine", math.sqrt, *more)


def test_a_second_lambda_is_other_code() -> None:
    """All lambdas of a file have the same name."""
    gan_env.register_statistic("mine", lambda m: m.progress)
    with pytest.raises(ConfigError, match=r"'mine'.*not taken"):
        gan_env.register_statistic("mine", lambda m: -m.progress)


@pytest.mark.parametrize("name", ["knob_r1", "knobs", "quality"])
def test_no_statistic_has_the_name_of_a_group_or_of_a_knobs(name: str) -> None:
    with pytest.raises(ConfigError, match="not taken"):
        gan_env.register_statistic(name, logits)


# --- data ---


def test_an_own_point_set_is_trained_on() -> None:
    gan_env.register_points("cross", cross)
    env = make(2, datasets=("cross",))
    env.reset(seed=0)
    assert np.isfinite(env.step(still(env))[0]).all()
    np.testing.assert_allclose(env.bank.datasets[0].centers, cross(), atol=1e-6)


@pytest.mark.parametrize("centers", [[], [0.5, 0.5], [[0.1, 0.2, 0.3]], [[2.0, 0.0]], [[float("nan"), 0]]], ids=str)
def test_centres_that_are_none_are_refused(centers: Any) -> None:
    gan_env.register_points("cross", lambda: centers)
    with pytest.raises(ConfigError, match=r"centres of the point set 'cross'=.*\[M, 2\] in \[-1, 1\]"):
        load_points("cross")


def test_an_own_data_set_is_trained_on() -> None:
    gan_env.register_dataset("my_noise", noise)
    narrow = {"width_g": (4, 4), "width_d": (4, 4)}
    env = make(2, datasets=("my_noise",), image_size=8, metric_samples=16, instances=narrow)
    env.reset(seed=0)
    assert np.isfinite(env.step(still(env))[0]).all()
    assert env.samples(3).shape == (2, 3, 1, 8, 8)


def test_own_points_without_known_modes_have_no_share_of_them() -> None:
    gan_env.register_dataset("cloud", lambda root, size: Dataset(torch.randn(500, 2), torch.randn(200, 2)))
    env = make(2, datasets=("cloud",))
    env.reset(seed=0)
    obs, *_, infos = env.step(still(env))
    assert np.isfinite(obs).all()
    assert np.isnan(infos["modes"]).all()


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (None, "was loaded as NoneType: expected a gan_env.Dataset"),
        (
            Dataset(torch.zeros(9, 3), torch.zeros(9, 3)),
            r"\(torch.float32, \(3,\)\) in `train`: expected images as bytes",
        ),
        (Dataset(torch.zeros(9, 2).double(), torch.zeros(9, 2)), "torch.float64"),
        (Dataset(torch.zeros(9, 1, 8, 8), torch.zeros(9, 1, 8, 8)), "torch.float32"),
        (Dataset(torch.zeros(9, 1, 9, 9).byte(), torch.zeros(9, 1, 9, 9).byte()), r"\[P, C, 8, 8\]"),
        (Dataset(np.zeros((9, 2)), torch.zeros(9, 2)), "samples ndarray in `train`"),  # type: ignore[arg-type]
        (Dataset(torch.zeros(0, 2), torch.zeros(9, 2)), "no samples in `train`"),
        (Dataset(torch.zeros(9, 2), torch.full((9, 2), torch.nan)), "in `held_out` that are not finite"),
        (Dataset(torch.zeros(9, 2), torch.zeros(9, 2), torch.zeros(3)), r"`centers` .*a tensor \[M, 2\] as float32"),
    ],
    ids=["nothing", "3-D", "double", "floats", "side", "array", "empty", "NaN", "centers"],
)
def test_data_of_another_kind_are_refused(loaded: Any, message: str) -> None:
    gan_env.register_dataset("mine", lambda root, size: loaded)
    with pytest.raises(DataError, match=message):
        make(2, datasets=("mine",), image_size=8)


# --- statistics and rewards ---


def test_an_own_statistic_is_observed_where_it_is_asked_for() -> None:
    before = make(2).observer.names
    gan_env.register_statistic("zeta", lambda m: 100 * m.progress, low=0.0, high=5.0)
    gan_env.register_statistic("alpha", logits)
    assert make(2).observer.names == before
    env = make(2, observation=("progress", "zeta", "alpha"), num_decisions=200)
    assert env.observer.names == ["progress", "alpha", "zeta"]  # own ones by name, in whatever order they came
    env.reset(seed=0)
    obs = [env.step(still(env))[0][:, 2] for _ in range(11)]
    np.testing.assert_allclose([obs[0], obs[10]], [[0.5, 0.5], [5.0, 5.0]], rtol=1e-5)


BROKEN = {
    "a number": (lambda m: 0.5, "'float'"),
    "one for all": (lambda m: m.progress.mean(), r"\(2,\), one value a row"),
    "two a row": (lambda m: m.coordinates[:, :2], r"\(2, 2\).*one value a row"),
    "of all rows": (lambda m: m.stats.loss_d - m.stats.loss_d.mean(), "of a row changes with another row"),
    "by chance": (lambda m: torch.rand(len(m.progress)), "or by chance: compute it from that row alone"),
    "an error": (lambda m: m.stats.nothing, "fails with AttributeError.*nothing.*gan_env.Moment"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_statistic_that_is_not_one_value_a_row_of_that_row_is_refused(broken: str) -> None:
    compute, message = BROKEN[broken]
    gan_env.register_statistic("mine", compute)
    make(2)  # which does not use it
    with pytest.raises(ConfigError, match=f"the statistic 'mine'.*{message}"):
        make(2, observation=("progress", "mine"))


@pytest.mark.parametrize("broken", BROKEN)
def test_a_reward_that_is_not_one_value_a_row_of_that_row_is_refused(broken: str) -> None:
    compute, message = BROKEN[broken]
    gan_env.register_reward("mine", compute, -1.0, 1.0)
    with pytest.raises(ConfigError, match=f"the reward term 'mine'.*{message}"):
        make(2, reward={"mine": 1.0})


def test_an_own_reward_is_paid_within_its_bounds() -> None:
    gan_env.register_reward("mine", lambda m: torch.where(m.progress > 0.5, math.nan, 10 * m.progress), -1.0, 2.0)
    env = make(2, reward={"mine": 3.0}, num_decisions=10)
    env.reset(seed=0)
    rewards = [env.step(still(env))[1][0] for _ in range(6)]
    assert rewards == pytest.approx([3, 6, 6, 6, 6, -3])  # NaN is the lower bound


@pytest.mark.parametrize("weight", [-2.0, 2.0])
def test_a_crash_costs_more_than_any_end_of_a_run_with_an_own_reward(weight: float) -> None:
    gan_env.register_reward("mine", lambda m: torch.where(m.progress < 0, 0, -math.copysign(9, weight)), -9.0, 9.0)
    returns = []
    for crash in (False, True):
        env = make(2, reward={"mine": weight}, autoreset_mode=gym.vector.AutoresetMode.DISABLED)
        env.reset(seed=0)
        env.population.state.g[1] = torch.nan if crash else env.population.state.g[1]
        returns.append(sum(env.step(still(env))[1][1] for _ in range(1 if crash else 3)))
    assert returns[1] < returns[0] == pytest.approx(-9 * 2.0 * 3)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), (-math.inf, 0.0), (0.0, math.nan), (0.0, 2e6)])
def test_bounds_that_are_none_are_refused(bounds: tuple[float, float]) -> None:
    for register in (gan_env.register_reward, gan_env.register_statistic):
        if register is gan_env.register_statistic and bounds == (0.0, 2e6):
            continue
        with pytest.raises(ConfigError, match="low, high"):
            register("mine", logits, low=bounds[0], high=bounds[1])


# --- metrics ---


def test_an_own_metric_makes_log_metric_score_and_reward() -> None:
    gan_env.register_metric("mine", far_from_mean)
    env, other = make(4, metric="mine", datasets=("ring", "moons")), make(4, datasets=("ring", "moons"))
    _, first = env.reset(seed=0, options={"instance": [{"dataset": d} for d in ("ring", "moons") * 2]})
    other.reset(seed=0, options={"instance": [{"dataset": d} for d in ("ring", "moons") * 2]})
    _, rewards, _, _, infos = env.step(still(env))
    samples = torch.from_numpy(env.samples(env.config.metric_samples))
    for row, data in enumerate([*env.bank.datasets] * 2):
        for name, part in (("log_metric", data.validation), ("score", data.scored)):
            expected = torch.log(far_from_mean(part)(samples[row : row + 1]) + 1e-6).item()
            assert infos[name][row] == pytest.approx(expected, abs=1e-4)
    np.testing.assert_allclose(rewards, first["log_metric"] - infos["log_metric"], atol=1e-5)
    np.testing.assert_array_equal(infos["collapse"], other.step(still(other))[4]["collapse"])
    assert env.judge.metric_name == "mine"


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda samples: 0.5, r"=0.5.*shape \(2,\)"),
        (lambda samples: samples.mean(), r"shape \(2,\)"),
        (lambda samples: -samples.square().mean(dim=(1, 2)), "0 or more"),
        (lambda samples: samples.mean(dim=(1, 2)) / 0, "finite"),
        (lambda samples: samples.nothing, r"fails with AttributeError.*samples of shape \(2, 64, 2\)"),
    ],
    ids=["number", "one for all", "negative", "infinite", "error"],
)
def test_a_metric_that_is_none_is_refused(metric: Any, message: str) -> None:
    gan_env.register_metric("mine", lambda real: metric)
    with pytest.raises(ConfigError, match=f"the metric 'mine'.*{message}"):
        make(2, metric="mine")


def test_a_metric_that_can_not_be_made_is_refused() -> None:
    gan_env.register_metric("mine", lambda: None)  # type: ignore[arg-type, misc]
    with pytest.raises(ConfigError, match=r"the metric 'mine' can't be made \(TypeError: .*\(4096, 2\)"):
        make(2, metric="mine")


def test_a_metric_that_turns_negative_in_training_is_refused() -> None:
    gan_env.register_metric("mine", lambda real: lambda samples: samples.std(dim=(1, 2)) - real.std() / 2)
    env = make(2, metric="mine")
    with pytest.raises(ConfigError, match=r"the metric 'mine'=tensor.*0 or more"):
        env.reset(seed=0)  # samples of an untrained generator are close to each other


def test_an_unknown_metric_is_refused_with_those_that_there_are() -> None:
    gan_env.register_metric("mine", far_from_mean)
    with pytest.raises(ConfigError, match=r"metric='fid'.*\['auto', 'mine'\]; gan_env\.register_metric"):
        make(2, metric="fid")


# --- policies ---


def test_a_partial_of_another_function_is_other_code() -> None:
    gan_env.register_schedule("mine", partial(first_of))
    with pytest.raises(ConfigError, match=r"'mine'.*not taken"):
        gan_env.register_schedule("mine", partial(last_of))


def first_of(t: Any, a: float, b: float, k: float) -> Any:
    return np.full_like(t, a)


def last_of(t: Any, a: float, b: float, k: float) -> Any:
    return np.full_like(t, b)


def test_an_own_schedule_anneals() -> None:
    gan_env.register_schedule("late", lambda t, a, b, k: np.where(t * k < k - 1, a, b), decay_rate=4.0)
    assert Anneal("late", 1.0, 2.0).values([0.0, 0.7, 0.8]).tolist() == [1, 1, 2]
    assert PolicyOptions(knobs={"r1": {"kind": "late", "initial": 1.0, "final": 2.0}}).make(make(2))


@pytest.mark.parametrize("formula", [lambda t, a, b, k: a, lambda t, a, b, k: t / 0 * a], ids=["shape", "infinite"])
def test_a_schedule_without_finite_values_is_refused(formula: Any) -> None:
    with pytest.raises(ConfigError, match="the schedule 'mine' at five moments"), np.errstate(all="ignore"):
        gan_env.register_schedule("mine", formula)


def test_a_schedule_without_a_decay_rate_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the schedule 'mine' fails .*a function of t, a, b and k"):
        gan_env.register_schedule("mine", lambda t, a, b: a + (b - a) * t)  # type: ignore[arg-type,misc]
    with pytest.raises(ConfigError, match=r"the schedule 'mine' fails \(division by zero\)"):
        gan_env.register_schedule("mine", lambda t, a, b, k: t * (1 / 0))


def test_an_own_policy_is_made_by_name_with_its_constants() -> None:
    gan_env.register_policy("still", Still)
    env = make(2)
    obs, _ = env.reset(seed=0)
    assert (load_policy("still").make(env).predict(obs)[0] == 0).all()
    assert (PolicyOptions("still", rule={"push": 0.5}).make(env).predict(obs)[0] == 0.5).all()


def test_a_policy_that_is_none_is_refused() -> None:
    gan_env.register_policy("still", Still)
    gan_env.register_policy("nothing", lambda env: None)
    with pytest.raises(ConfigError, match=r"policy.rule=\{'pull': 1\}.*'still'.*unexpected keyword argument 'pull'"):
        PolicyOptions("still", rule={"pull": 1}).make(make(2))
    with pytest.raises(ConfigError, match=r"the policy 'nothing'=None.*`predict`"):
        load_policy("nothing").make(make(2))
