"""Schedules as policies: what the knobs really do, against closed forms."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.presets import PolicyOptions, load_policy
from gan_env.policies.random_policy import RandomPolicy
from gan_env.policies.schedules import Anneal
from gan_env.policies.tables import RatesPolicy, TablePolicy, schedule_values

T = 8


def make(mode: str = "delta", rows: int = 2, **overrides: Any) -> GANVectorEnv:
    small = {"num_decisions": T, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    small |= {"observation": ("progress", "knobs", "context"), "max_first_change": 0.2}
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, action_mode=mode, **{**small, **overrides})


def annealed(env: GANVectorEnv, **knobs: Anneal) -> TablePolicy:
    return TablePolicy(env, schedule_values(env, knobs))


def played(env: GANVectorEnv, policy: Any, knob: str) -> Any:
    """The knob's values during each interval of an episode, [T]."""
    return run_episodes(policy, env, range(env.num_envs)).extras[f"knob_{knob}"][0]


t = np.arange(T) / (T - 1)
CLOSED_FORMS = {
    "fixed": 0 * t + 0.3,
    "linear": 0.3 + (3.0 - 0.3) * t,
    "exponential": 0.3 * 10**t,
    "cosine": 3.0 + (0.3 - 3.0) * (1 + np.cos(np.pi * t)) / 2,
    "power": 3.0 + (0.3 - 3.0) * (1 - t) ** 2,
    "step": 0.3 * 10 ** (np.array([0, 0, 1, 1, 2, 2, 3, 3]) / 3),
}


@pytest.mark.parametrize("mode", ["delta", "absolute"])
@pytest.mark.parametrize("kind", CLOSED_FORMS)
def test_a_schedule_plays_its_closed_form_in_the_environment(kind: str, mode: str) -> None:
    env = make(mode)
    policy = annealed(env, r1=Anneal(kind, 0.3, 3.0))
    np.testing.assert_allclose(played(env, policy, "r1"), CLOSED_FORMS[kind], rtol=1e-3)


@pytest.mark.parametrize("kind", ["linear", "cosine", "power"])
def test_a_falling_schedule_reaches_zero(kind: str) -> None:
    env = make()
    values = played(env, annealed(env, instance_noise=Anneal(kind, 0.1, 0.0)), "instance_noise")
    assert values[0] == pytest.approx(0.1, rel=1e-4)
    assert values[-1] == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(values) <= 1e-7).all()


def test_a_schedule_that_ends_early_holds_its_final_value() -> None:
    """Until three of the seven sevenths between the first interval and the last."""
    env = make()
    values = played(env, annealed(env, r1=Anneal("linear", 1.0, 4.0, until=3 / 7)), "r1")
    np.testing.assert_allclose(values, [1, 2, 3, 4, 4, 4, 4, 4], rtol=1e-3)


def test_schedules_are_told_apart_by_their_text() -> None:
    anneals = [Anneal("fixed", 1.0), Anneal("cosine", 1.0, 0.5), Anneal("cosine", 1.0, 0.5, until=0.25)]
    assert [str(a) for a in anneals] == ["1", "cosine 1->0.5", "cosine 1->0.5 until 0.25"]


def test_the_action_mode_handicaps_no_schedule_at_the_start() -> None:
    """In delta mode the knobs start at the schedule's first value, however far from the initial one."""
    env = make()
    assert played(env, annealed(env, r1=Anneal("fixed", 30.0)), "r1")[0] == pytest.approx(30.0)


def test_a_jump_beyond_the_largest_move_is_made_up_for() -> None:
    env = make()
    played_augment = played(env, TablePolicy(env, {"augment": np.repeat([0, 0.5], T // 2)}), "augment")
    np.testing.assert_allclose(played_augment, [0, 0, 0, 0, 0.2, 0.4, 0.5, 0.5], atol=1e-6)


def test_knobs_that_are_not_named_stay_at_their_initial_values() -> None:
    env = make()
    values = played(env, annealed(env, r1=Anneal("linear", 3.0, 1.0)), "augment")
    np.testing.assert_allclose(values, env.knobs.table["augment"].value, rtol=1e-5)


def test_policies_are_memoryless() -> None:
    """The action depends on the observation alone, so rows at different moments can be mixed."""
    env = make(rows=3)
    policy = annealed(env, r1=Anneal("exponential", 0.3, 10.0))
    obs = np.random.default_rng(0).uniform(-1, 1, (3, len(env.observer.names))).astype(np.float32)
    obs[:, env.observer.names.index("progress")] = [0, 0.5, 0.875]
    together, _ = policy.predict(obs)
    apart = np.concatenate([policy.predict(obs[i : i + 1])[0] for i in range(3)])
    np.testing.assert_array_equal(together, apart)


# --- published schedules ---


def table(name: str, decisions: int, knob: str) -> Any:
    """The knob's values in each interval as configs/policy/ has the schedule, [T]."""
    env = make(num_decisions=decisions, knobs=(knob,))
    policy: Any = load_policy(name).make(env)
    column = env.config.knobs.index(knob)
    return env.knobs.table[knob].decode(torch.from_numpy(policy.table[:, column])).numpy()


def test_r3gans_burn_in_is_over_after_eight_hundredths_of_the_run() -> None:
    """Of 26 decisions the first has the start, the second is half-way, the third at the end."""
    for penalty in ("r1", "r2"):
        assert table("r3gan", 26, penalty) == pytest.approx([0.05, 0.0275] + 24 * [0.005], rel=1e-4)
    for rate in ("lr_g", "lr_d"):
        assert table("r3gan", 26, rate) == pytest.approx([1, 0.625] + 24 * [0.25], rel=1e-4)
    assert table("r3gan", 26, "augment") == pytest.approx([0, 0.275] + 24 * [0.55], rel=1e-4)


@pytest.mark.parametrize(
    ("mode", "augment"), [("absolute", [0, 0.275, 0.55, 0.55, 0.55]), ("delta", [0, 0.2, 0.4, 0.55, 0.55])]
)
def test_r3gans_burn_in_is_played_as_fast_as_knobs_move(mode: str, augment: list[float]) -> None:
    """Augmentation in the first five of 26 decisions: in delta mode none moves by more than `max_change`, 0.2."""
    env = make(mode, num_decisions=26, updates_per_decision=1, knobs=("augment",))
    coordinates = run_episodes(load_policy("r3gan").make(env), env, range(2)).coordinates
    np.testing.assert_allclose(coordinates[:, :5, 0], [augment, augment], atol=1e-5)


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_roths_schedule_falls_to_a_hundredth(penalty: str) -> None:
    assert table("roth", 5, penalty) == pytest.approx([2, 0.632456, 0.2, 0.0632456, 0.02], rel=1e-4)


def test_the_noise_fades_within_a_quarter_of_the_run() -> None:
    assert table("noise_fade", 9, "instance_noise") == pytest.approx([0.5, 0.25] + 7 * [0], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("mode", "gone"), [("absolute", 2), ("delta", 5)])
def test_the_noise_fades_as_fast_as_its_knob_moves(mode: str, gone: int) -> None:
    """From 0.25 to nothing: one move in absolute mode, four of at most a fifth of the range in delta mode."""
    env = make(mode, num_decisions=9)
    noise = played(env, load_policy("noise_fade").make(env), "instance_noise")
    assert noise[:2] == pytest.approx([0.5, 0.25], rel=1e-4)
    assert (noise < 1e-6).tolist() == [decision >= gone for decision in range(9)]


def test_the_share_of_a_schedule_is_an_option() -> None:
    env = make(num_decisions=9)
    policy: Any = replace(load_policy("noise_fade"), until=0.5).make(env)
    values = env.knobs.table["instance_noise"].decode(torch.from_numpy(policy.table[:, 0]))
    assert values.numpy() == pytest.approx([0.5, 0.375, 0.25, 0.125] + 5 * [0], rel=1e-4, abs=1e-7)


def test_a_published_schedule_moves_those_of_its_knobs_that_are_controlled() -> None:
    env = make(num_decisions=3, knobs=("instance_noise", "r1"))
    knobs = {"r1": {"kind": "linear", "initial": 2, "final": 1}, "augment": {"kind": "fixed", "initial": 1}}
    policy: Any = PolicyOptions("published", knobs).make(env)
    noise = float(env.knobs.initial[0])
    assert policy.table[:, 0] == pytest.approx([noise] * 3)
    assert env.knobs.table["r1"].decode(torch.from_numpy(policy.table[:, 1])).numpy() == pytest.approx([2, 1.5, 1])


@pytest.mark.parametrize(("name", "knob"), [("roth", "augment"), ("noise_fade", "r1"), ("r3gan", "instance_noise")])
def test_a_published_schedule_without_any_of_its_knobs_is_refused_with_those_it_needs(name: str, knob: str) -> None:
    options = load_policy(name)
    needed = ", ".join(map(repr, sorted(options.knobs)))
    with pytest.raises(ConfigError, match=rf"env\.knobs=\['{knob}'\].*at least one of .*\[{needed}\]"):
        options.make(make(knobs=(knob,)))


# --- refusals ---


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"r2": {"kind": "fixed", "initial": 1.0}}, r"^env\.knobs=.*\['r2'\] among them, which the policy moves"),
        ({"lr_q": {"kind": "fixed", "initial": 1.0}}, r"^policy\.knobs\.lr_q='1' .*one of the knobs \['augment'"),
        ({"r1": {"kind": "fixed", "initial": 1000.0}}, "0.0 to 30"),
        ({"r1": {"kind": "sawtooth", "initial": 1.0, "final": 2.0}}, r"^policy\.knobs\.r1\.kind='sawtooth' .*cosine"),
        ({"r1": {"kind": "fixed", "initials": 1.0, "initial": 1.0}}, r"^policy\.knobs\.r1\.initials=1\.0"),
        ({"instance_noise": {"kind": "exponential", "initial": 0.1, "final": 0.0}}, "positive"),
        ({"r1": {"kind": "linear", "initial": 1.0, "final": 2.0, "until": 1.5}}, "at most 1"),
    ],
)
def test_bad_schedules_are_refused_with_what_was_typed(knobs: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PolicyOptions(knobs=knobs).make(make())


@pytest.mark.parametrize("make_policy", [lambda env: TablePolicy(env, {}), RandomPolicy])
def test_policies_say_which_statistics_they_need(make_policy: Callable[[GANVectorEnv], object]) -> None:
    env = GANVectorEnv(1, observation=("losses",), compile=False)
    with pytest.raises(ConfigError, match=r"'progress'.*add the group 'progress'"):
        make_policy(env)


def test_a_table_of_values_is_played_as_it_is_written() -> None:
    env = make()
    table = tuple(np.geomspace(0.5, 2.0, T).tolist())
    policy = PolicyOptions(kind="table", table={"r1": table}).make(env)
    np.testing.assert_allclose(played(env, policy, "r1"), table, rtol=1e-4)


def test_a_table_fits_a_run_of_any_number_of_decisions() -> None:
    env = make()
    policy = PolicyOptions(kind="table", table={"augment": (0.0, 0.7)}).make(env)
    np.testing.assert_allclose(played(env, policy, "augment"), 0.7 * t, atol=1e-6)


@pytest.mark.parametrize("table", [{}, {"r1": ()}])
def test_an_empty_table_is_refused(table: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"policy\.table=.*none of them empty"):
        PolicyOptions(kind="table", table=table)


def test_a_table_of_values_outside_the_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"0\.0 to 30"):
        PolicyOptions(kind="table", table={"r1": (1.0, 31.0)}).make(make())


@pytest.mark.parametrize("mode", ["delta", "absolute"])
def test_a_schedule_of_rates_undoes_what_a_run_was_started_with(mode: str) -> None:
    """From the second interval on, as a delta move reaches at most a fifth of the factor's range."""
    slow_and_fast = {"lr_g": (1e-3, 4e-3), "lr_d": (1e-3, 1e-3), "train_size": 2}
    env = make(mode, knobs=("r1", "lr_g", "lr_d"), instances=slow_and_fast)
    rates = {"lr_g": Anneal("exponential", 2e-3, 2e-4), "lr_d": Anneal("fixed", 3e-3), "r1": Anneal("fixed", 0.5)}
    episodes = run_episodes(RatesPolicy(env, schedule_values(env, rates)), env, range(2), [0, 1])
    for name, wanted in (("lr_g", 2e-3 * 10**-t), ("lr_d", 0 * t + 3e-3)):
        given = np.array([getattr(env.instances[i], name) for i in range(2)])[:, None]
        np.testing.assert_allclose(
            (episodes.extras[f"knob_{name}"] * given)[:, 1:], wanted[None, 1:].repeat(2, 0), rtol=2e-3
        )
    np.testing.assert_allclose(episodes.extras["knob_r1"], 0.5, rtol=1e-3)


def test_a_schedule_of_rates_starts_where_it_wants_if_the_first_move_reaches_there() -> None:
    """Any rate within the factors' bounds, in every run, where one of usual size leaves it on the way."""
    rates = {"lr_g": np.linspace(2e-2, 1e-2, T), "lr_d": np.full(T, 1e-4)}
    for first, there in ((1.0, True), (0.2, False)):
        knobs: dict[str, Any] = {"knobs": ("lr_g", "lr_d"), "max_first_change": first}
        env = make("delta", **knobs, instances={"lr_g": (2e-3, 8e-3), "lr_d": (1e-3, 8e-3)})
        episodes = run_episodes(RatesPolicy(env, rates), env, range(2))
        given = np.array([env.instances[i].lr_g for i in range(2)])
        assert np.allclose(episodes.extras["knob_lr_g"][:, 0] * given, 2e-2, rtol=2e-3) == there


def test_a_schedule_of_rates_stays_within_the_factors_bounds() -> None:
    env = make("absolute", knobs=("lr_g",), instances={"lr_g": (1e-4, 1e-4)})
    values = played(env, RatesPolicy(env, {"lr_g": np.full(T, 2e-2)}), "lr_g")
    np.testing.assert_allclose(values, 10.0, rtol=1e-4)


def test_a_schedule_of_rates_needs_a_rate_to_set() -> None:
    with pytest.raises(ConfigError, match="lr_g"):
        RatesPolicy(make(), {"r1": np.ones(T)})
    with pytest.raises(ConfigError, match="context"):
        RatesPolicy(make(knobs=("lr_g",), observation=("progress", "knobs")), {"lr_g": np.full(T, 1e-3)})
    with pytest.raises(ConfigError, match=r"env\.rates='steady_walk' .*sets the rates itself"):
        RatesPolicy(make(knobs=("lr_g",), rates="steady_walk"), {"lr_g": np.full(T, 1e-3)})


@pytest.mark.parametrize("rate", [0.0, -1e-3, np.nan, np.inf])
def test_a_schedule_of_rates_refuses_what_is_no_rate(rate: float) -> None:
    with pytest.raises(ConfigError, match=r"learning rates of lr_g=\[.*expected finite numbers above 0"):
        RatesPolicy(make(knobs=("lr_g",)), {"lr_g": np.full(T, rate)})


def test_a_table_of_rates_is_a_schedule_of_rates() -> None:
    env = make(knobs=("r1", "lr_g"))
    table = PolicyOptions(kind="rates", table={"lr_g": (2e-3, 2e-4), "r1": (1.0, 3.0)}).make(env)
    schedule = PolicyOptions(
        kind="rates",
        knobs={
            "lr_g": {"kind": "linear", "initial": 2e-3, "final": 2e-4},
            "r1": {"kind": "linear", "initial": 1.0, "final": 3.0},
        },
    ).make(env)
    for knob in ("lr_g", "r1"):
        np.testing.assert_allclose(played(env, table, knob), played(env, schedule, knob), rtol=1e-5)


def test_with_slopes_rates_follow_those_that_a_run_was_started_with() -> None:
    """A slope of 1 keeps a run's own rate, times a factor; one for the other player's rate moves it too."""
    env = make(knobs=("lr_g", "lr_d"), max_first_change=1.0)
    policy = PolicyOptions(
        kind="rates",
        table={"lr_g": (2e-3, 1e-3), "lr_d": (1e-3,)},
        slopes={"lr_g": {"lr_g": (1.0,)}, "lr_d": {"lr_d": (1.0,), "lr_g": (0.0, 0.1)}},
    ).make(env)
    episodes = run_episodes(policy, env, range(2), [0, 1])
    given = np.array([env.instances[i].lr_g for i in range(2)])
    np.testing.assert_allclose(episodes.extras["knob_lr_g"], np.tile(np.linspace(2, 1, T), (2, 1)), rtol=0.01)
    moved = (given[:, None] / 1e-3) ** np.linspace(0, 0.1, T)
    np.testing.assert_allclose(episodes.extras["knob_lr_d"], moved, rtol=0.01)


def test_slopes_of_what_is_no_rate_are_refused_with_help() -> None:
    with pytest.raises(ConfigError, match=r"policy\.slopes='r1'"):
        PolicyOptions(kind="rates", table={"lr_g": (1e-3,), "r1": (1.0,)}, slopes={"r1": {"lr_g": (1.0,)}}).make(make())
