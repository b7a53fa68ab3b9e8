"""Search spaces: whatever is drawn is a valid policy, and the spaces go both ways."""

import numpy as np
import optuna
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from baselines.search.curves import value_at
from baselines.search.spaces import (
    GEOMETRIC,
    INSTEAD_OF_ZERO,
    SPACES,
    USUAL,
    anneal,
    fastest,
    first_guesses,
    rate_knobs,
    usual_tables,
)
from gan_env import ConfigError, GANVectorEnv
from gan_env.mdp.knobs import DynamicParameter, knob_table
from gan_env.policies.adaptive import RULES
from gan_env.policies.presets import PolicyOptions, load_policy
from gan_env.policies.schedules import SCHEDULES
from gan_env.policies.tables import TablePolicy

KNOBS = tuple(name for name in knob_table() if name not in ("flip", "translate", "color", "cutout"))  # all of points
ENV = GANVectorEnv(
    1,
    autoreset_mode=AutoresetMode.DISABLED,
    num_decisions=6,
    updates_per_decision=1,
    metric_samples=32,
    compile=False,
    knobs=KNOBS,
    observation=("progress", "knobs", "logits", "steps", "context"),
)
TWO_RATES = GANVectorEnv(1, compile=False, metric_samples=32, knobs=("r1", "lr_g", "lr_d"))


def ask(seed: int) -> optuna.Trial:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def table_of(policy: PolicyOptions) -> NDArray[np.float32]:
    made = policy.make(ENV)
    assert isinstance(made, TablePolicy)
    return made.table


@given(st.integers(0, 10_000))
def test_a_drawn_schedule_stays_within_all_bounds(seed: int) -> None:
    policy = SPACES["schedule"](ask(seed), ENV)
    assert set(policy.knobs) == set(KNOBS)
    table = table_of(policy)  # raises outside
    assert table.shape == (6, len(KNOBS))
    assert ((table >= 0) & (table <= 1)).all()


@given(st.integers(0, 10_000))
def test_every_space_makes_a_policy_that_acts_within_the_bounds(seed: int) -> None:
    observation = np.random.default_rng(seed).uniform(-1, 1, (3, len(ENV.observer.names))).astype(np.float32)
    for space in SPACES.values():
        action, _ = space(ask(seed), ENV).make(ENV).predict(observation)
        assert action.shape == (3, len(KNOBS))
        assert (np.abs(action) <= 1).all()


def test_schedules_of_every_kind_fall_and_rise_and_end_early() -> None:
    drawn = [SPACES["schedule"](ask(seed), ENV).knobs["r1"] for seed in range(200)]
    assert {d["kind"] for d in drawn} == set(SCHEDULES)
    moving = [d for d in drawn if d["kind"] != "fixed"]
    for kind in set(SCHEDULES) - {"fixed"}:
        signs = {np.sign(d["final"] - d["initial"]) for d in moving if d["kind"] == kind}
        assert {-1, 1} <= signs
    assert min(d["until"] for d in moving) < 0.2 and max(d["until"] for d in moving) == 1
    assert any(d["initial"] == 0 for d in drawn)  # off can be drawn exactly


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
def test_a_schedule_of_any_kind_reaches_both_ends_of_a_knob_s_range(kind: str) -> None:
    """Geometric ones can't have zero, and for that alone get another value."""
    for knob in rate_knobs(TWO_RATES):
        for coordinate, value in zip((0.0, 1.0), knob.bounds, strict=True):
            drawn = {f"{knob.name}.{part}": coordinate for part in ("start", "end")}
            fields = {f"{knob.name}.kind": kind, f"{knob.name}.until": 1.0} | drawn
            trial = optuna.trial.FixedTrial(fields | {f"{knob.name}.exponent": 2.0, f"{knob.name}.plateaus": 2})
            wanted = value or (INSTEAD_OF_ZERO if kind in GEOMETRIC else 0.0)
            assert anneal(trial, knob)["initial"] == pytest.approx(wanted, rel=1e-3)


@given(st.integers(0, 10_000))
def test_a_drawn_burn_in_has_r3gans_knobs_and_form(seed: int) -> None:
    policy = SPACES["r3gan"](ask(seed), ENV)
    assert set(policy.knobs) == {"r1", "r2", "lr_g", "lr_d", "augment"}
    assert {anneal["kind"] for anneal in policy.knobs.values()} == {"cosine"}
    assert 0 < policy.until <= 1
    assert isinstance(policy.make(ENV), TablePolicy)


@given(st.sampled_from(["ada", "diffusion"]), st.integers(0, 10_000))
def test_a_drawn_rule_is_no_faster_than_the_knobs(kind: str, seed: int) -> None:
    policy = SPACES[kind](ask(seed), ENV)
    assert -0.5 <= policy.rule["target"] <= 0.95
    assert fastest(ENV) <= policy.rule["speed_share"] <= 1
    assert set(policy.knobs) == set(KNOBS) - {RULES[kind].knob}


@pytest.mark.parametrize("name", USUAL)
def test_a_search_of_schedules_begins_with_the_usual_ones(name: str) -> None:
    """To the grid's resolution, and where it has the knob to itself (a search names every knob)."""
    usual = load_policy(name)
    study = optuna.create_study()
    study.enqueue_trial(first_guesses("schedule", ENV)[1 + USUAL.index(name)])
    drawn = SPACES["schedule"](study.ask(), ENV)
    tables = [table_of(policy) for policy in (drawn, usual)]
    ends = [table[[0, -1]] for table in tables]
    np.testing.assert_allclose(ends[0], ends[1], atol=0.026)


def test_the_usual_factors_act_on_a_rate_in_the_middle_of_the_range() -> None:
    burn_in = first_guesses("rates", TWO_RATES)[1 + USUAL.index("r3gan")]
    study = optuna.create_study()
    study.enqueue_trial(burn_in)
    anneal = SPACES["rates"](study.ask(), TWO_RATES).knobs["lr_g"]
    assert anneal["kind"] == "cosine"
    assert anneal["initial"] == pytest.approx(1e-3, rel=0.25)
    assert anneal["final"] == pytest.approx(0.25e-3, rel=0.25)


@pytest.mark.parametrize("kind", SPACES)
def test_the_first_guess_is_taken_as_it_is(kind: str) -> None:
    study = optuna.create_study()
    for guess in first_guesses(kind, ENV):
        study.enqueue_trial(guess)
        trial = study.ask()
        SPACES[kind](trial, ENV)
        assert {name: trial.params[name] for name in guess} == pytest.approx(guess)


def test_constants_hold_one_value_of_every_knob() -> None:
    table = SPACES["constants"](ask(3), ENV).make(ENV).table  # type: ignore[attr-defined]
    assert np.ptp(table, axis=0).max() == 0 and table.shape == (6, len(KNOBS))
    assert len(np.unique(table[0])) > 3


def test_the_first_schedule_is_the_initial_constants() -> None:
    study = optuna.create_study()
    study.enqueue_trial(first_guesses("schedule", ENV)[0])
    policy = SPACES["schedule"](study.ask(), ENV)
    table = table_of(policy)
    np.testing.assert_allclose(table, np.tile(ENV.knobs.initial.numpy(), (6, 1)), atol=0.026)  # the grid's resolution


def test_the_fastest_rule_moves_its_knob_as_fast_as_it_may() -> None:
    """Of twelve decisions with a fifth of the range each, five go from end to end."""
    env = GANVectorEnv(1, compile=False, metric_samples=32)
    assert fastest(env) == pytest.approx(5 / 12)


def test_the_published_rule_starts_the_search() -> None:
    guess = first_guesses("ada", ENV)[0]
    assert (guess["target"], guess["speed_share"]) == (RULES["ada"].target, fastest(ENV))
    assert SPACES["ada"](optuna.trial.FixedTrial(guess), ENV).knobs["r1"]["kind"] == "fixed"  # on constants


def test_a_burn_in_without_its_knobs_is_refused() -> None:
    env = GANVectorEnv(1, compile=False, metric_samples=32, knobs=("instance_noise",))
    with pytest.raises(ConfigError, match="R3GAN"):
        SPACES["r3gan"](ask(0), env)


@given(coordinate=st.floats(0, 1), high=st.floats(1.5, 30.0))
def test_a_value_that_is_rounded_stays_within_the_knobs_bounds(coordinate: float, high: float) -> None:
    knob = DynamicParameter("lr_g", 1.0, (0.0123456, high), "log")
    assert 0.0123456 <= value_at(knob, coordinate) <= high


@pytest.mark.parametrize("knobs", [("lr_g", "lr_d"), ("lr_d", "augment")])
def test_the_usual_schedules_are_there_without_the_knobs_that_they_name(knobs: tuple[str, ...]) -> None:
    env = GANVectorEnv(1, compile=False, metric_samples=32, knobs=knobs)
    tables = usual_tables(env)
    assert len(tables) == 1 + len(USUAL)
    assert all(table.shape == (env.config.num_decisions, 2) for table in tables)
