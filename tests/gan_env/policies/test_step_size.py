"""Rules that hold |update| / |weights| or set relative rates, against numbers worked out by hand and in real runs."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st

from gan_env import ConfigError, GANVectorEnv
from gan_env.config import EnvConfig
from gan_env.policies import PolicyOptions
from gan_env.policies.presets import load_policy
from gan_env.policies.steering import Policy, start_of
from gan_env.policies.step_size import StepSizePolicy

KNOBS = ("r1", "lr_g", "lr_d")
TARGETS: dict[str, dict[str, Any]] = {
    "lr_g": {"kind": "exponential", "initial": 1e-2, "final": 1e-4},
    "lr_d": {"kind": "fixed", "initial": 3e-3},
}


@cache
def make(rows: int = 1, **overrides: Any) -> GANVectorEnv:
    sizes: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 4, "metric_samples": 32, "compile": False}
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **sizes | {"knobs": KNOBS} | overrides)


def policy(env: GANVectorEnv, knobs: dict[str, dict[str, Any]] = TARGETS, **rule: float) -> StepSizePolicy:
    made = PolicyOptions("step_size", knobs, rule=rule).make(env)
    assert isinstance(made, StepSizePolicy)
    return made


def factors(env: GANVectorEnv, made: StepSizePolicy, values: Any, progress: float, **steps: float) -> Any:
    """The knobs [N, K] after a decision, where knobs [N, K] had these values and steps were of these sizes."""
    columns = zip(env.knobs.controlled, torch.tensor(values).T, strict=True)
    coordinates = torch.stack([knob.encode(column) for knob, column in columns], dim=1)
    obs = np.zeros((len(coordinates), len(env.observer.names)), np.float32)
    seen = {f"knob_{name}": 2 * coordinates[:, i].numpy() - 1 for i, name in enumerate(env.config.knobs)}
    seen |= {"progress": progress, **{name: np.log10(step) for name, step in steps.items()}}
    for name, column in seen.items():
        obs[:, env.observer.place(name)] = column
    action, state = made.predict(obs)
    assert state is None
    first = torch.full((len(obs),), progress == 0)
    measured = torch.tensor([[steps.get("step_g", 0.0), steps.get("step_d", 0.0)]])
    after = env.knobs.move(coordinates, torch.from_numpy(action), first, measured)
    return torch.stack([env.knobs.values(after)[name] for name in env.config.knobs], dim=1).numpy()


@pytest.mark.parametrize("mode", ["delta", "absolute", "steps"])
def test_a_decision_multiplies_a_rate_by_the_power_of_target_over_step(mode: str) -> None:
    """At the middle of three decisions the targets are 1e-3 and 3e-3: (1e-3 / 4e-3) ** 0.5 and (3e-3 / 1e-3) ** 0.5."""
    env = make(action_mode=mode)
    after = factors(env, policy(env, gain=0.5), [[1.0, 2.0, 0.5]], 1 / 3, step_g=4e-3, step_d=1e-3)
    assert after[0] == pytest.approx([1.0, 2.0 * 0.25**0.5, 0.5 * 3**0.5], rel=1e-3)


BALANCED = ("balance", "balanced")


def balanced(env: GANVectorEnv, of_g: float, of_d: float) -> StepSizePolicy:
    targets = {"lr_g": {"kind": "fixed", "initial": of_g}, "lr_d": {"kind": "fixed", "initial": of_d}}
    return policy(env, targets, unit="balanced")


def test_rates_may_be_set_in_units_of_those_of_the_rule() -> None:
    """1 / 0.25 and 0.5 / 2, whatever the steps are."""
    env = make(observation=(*EnvConfig().observation, *BALANCED), action_mode="absolute")
    sizes = {"balanced_g": 0.25, "balanced_d": 2.0, "step_g": 1e-3, "step_d": 1e-3}
    after = factors(env, balanced(env, 1.0, 0.5), [[1.0, 2.0, 0.5]], 1 / 3, **sizes)
    np.testing.assert_allclose(after, [[1.0, 2.0 * 4, 0.5 * 0.25]], rtol=1e-3)


@pytest.mark.parametrize("group", BALANCED)
def test_what_a_balanced_rule_reads_or_reports_has_to_be_observed(group: str) -> None:
    others = (other for other in BALANCED if other != group)
    with pytest.raises(ConfigError, match=f"add the group '{group}'"):
        balanced(make(observation=("progress", "knobs", *others)), 1.0, 1.0)


def test_the_target_follows_its_schedule() -> None:
    env = make(action_mode="absolute")
    for progress, target in ((1 / 3, 1e-3), (2 / 3, 1e-4)):
        after = factors(env, policy(env, gain=1.0), [[1.0, 1.0, 1.0]], progress, step_g=1e-3, step_d=3e-3)
        assert after[0, 1:] == pytest.approx([target / 1e-3, 1.0], rel=1e-3)


def test_before_anything_is_measured_rates_are_at_their_starts() -> None:
    """Steps that were not taken are observed as log10(0 + 1e-6)."""
    env = make()
    made = policy(env, start_g=0.5, start_d=4.0)
    assert (made.start["lr_g"], made.start["lr_d"]) == pytest.approx((0.5, 4.0), rel=1e-5)
    after = factors(env, made, [[1.0, 1.0, 1.0]], 0.0, step_g=1e-6, step_d=1e-6)
    assert after[0, 1:] == pytest.approx([0.5, 4.0], rel=1e-4)


@pytest.mark.parametrize("mode", ["delta", "absolute"])
def test_where_weights_did_not_move_the_rate_stays(mode: str) -> None:
    """With a gradient of zero, as of a saturated hinge, no rate makes a step. It is observed as log10(0 + 1e-6)."""
    env = make(action_mode=mode)
    after = factors(env, policy(env), [[1.0, 2.0, 0.5]], 1 / 3, step_g=1e-6, step_d=3e-3)
    assert after[0] == pytest.approx([1.0, 2.0, 0.5], rel=1e-3)


def test_a_move_beyond_the_largest_is_cut_in_delta_mode() -> None:
    """A fifth of three decades is a factor of 10 ** 0.6; the first move may be larger, but has nothing to follow."""
    env = make(action_mode="delta", max_change=0.2)
    after = factors(env, policy(env, gain=1.0), [[1.0, 1.0, 1.0]], 1 / 3, step_g=1e-5, step_d=1.0)
    assert after[0, 1:] == pytest.approx([10**0.6, 10**-0.6], rel=1e-3)


def test_one_player_can_be_held_while_the_other_has_a_constant_rate() -> None:
    env = make(action_mode="absolute")
    made = policy(env, {"lr_g": TARGETS["lr_g"], "r1": {"kind": "linear", "initial": 2.0, "final": 0.0}}, gain=1.0)
    after = factors(env, made, [[1.0, 1.0, 1.0]], 1 / 3, step_g=2e-3, step_d=1.0)
    assert after[0] == pytest.approx([1.0, 0.5, 1.0], rel=1e-3)


@given(
    st.sampled_from(["delta", "absolute"]),
    st.tuples(*[st.floats(-1.99, 0.99).map(lambda x: 10**x)] * 2),
    st.tuples(*[st.floats(-5.5, 1).map(lambda x: 10**x)] * 2),
    st.sampled_from([1 / 3, 2 / 3]),
    st.floats(0.01, 1),
)
def test_a_rate_moves_towards_its_target_and_never_past_it(
    mode: str, now: tuple[float, float], steps: tuple[float, float], progress: float, gain: float
) -> None:
    env = make(action_mode=mode)
    sizes = dict(zip(("step_g", "step_d"), steps, strict=True))
    after = factors(env, policy(env, gain=gain), [[1.0, *now]], progress, **sizes)[0, 1:]
    assert ((after >= 0.01 - 1e-6) & (after <= 10 + 1e-4)).all()
    distance = np.log10([1e-3 if progress < 0.5 else 1e-4, 3e-3]) - np.log10(steps)
    moved = np.log10(after / np.array(now))
    assert (moved * np.sign(distance) >= -1e-3).all()
    assert (np.abs(moved) <= np.abs(distance) + 1e-3).all()


def test_rows_do_not_mix_and_may_be_at_any_moment() -> None:
    env = make(rows=1)
    made, rng = policy(env), np.random.default_rng(0)
    obs = rng.uniform(-1, 1, (6, len(env.observer.names))).astype(np.float32)
    obs[:, env.observer.place("progress")] = np.arange(6) / 6
    apart = np.concatenate([made.predict(obs[i : i + 1])[0] for i in range(6)])
    np.testing.assert_allclose(made.predict(obs)[0], apart, rtol=1e-6)


def last_steps(env: GANVectorEnv, made: Policy, rates: tuple[float, float]) -> Any:
    """The generator's step sizes at the end of two runs of the same GAN with these learning rates, as observed."""
    runs = [replace(env.instances[0], lr_g=rate, lr_d=1e-3) for rate in rates]
    obs, _ = env.reset(seed=[5, 5], options={"instance": runs, "knobs": start_of(made)})
    for _ in range(env.config.num_decisions):
        obs, *_ = env.step(made.predict(obs)[0])
    return obs[:, env.observer.place("step_g")]


def test_runs_that_start_with_rates_a_hundred_times_apart_soon_take_steps_of_one_size() -> None:
    """Left alone, steps differ as rates do."""
    env = make(2, num_decisions=6, updates_per_decision=20, action_mode="absolute")
    held = policy(env, {"lr_g": {"kind": "fixed", "initial": 1e-3}}, gain=1.0)
    left_alone = last_steps(env, PolicyOptions().make(env), (1e-4, 1e-2))
    assert abs(left_alone[1] - left_alone[0]) > 1
    assert last_steps(env, held, (1e-4, 1e-2)) == pytest.approx([-3, -3], abs=0.15)


# --- refusals ---


@pytest.mark.parametrize(
    ("overrides", "knobs", "rule", "message"),
    [
        ({"observation": ("progress", "knobs")}, TARGETS, {}, "'step_g'.*add the group 'steps'"),
        ({"observation": ("progress", "steps")}, TARGETS, {}, "add the group 'knobs'"),
        ({"knobs": ("r1",)}, TARGETS, {}, r"env.knobs=\['r1'\].*\['lr_g', 'lr_d'\] among them"),
        ({}, {"r1": {"kind": "fixed", "initial": 1.0}}, {}, r"a target for one of \['lr_g', 'lr_d'\] at least"),
        ({}, {"lr_g": {"kind": "linear", "initial": 1e-3, "final": 0.0}}, {}, "lr_g.*finite numbers above 0"),
        ({}, TARGETS, {"gain": 0.0}, r"policy\.rule\.gain=0\.0.*more than 0 and at most 1"),
        ({}, TARGETS, {"start_d": 100.0}, r"lr_d=\[100\.0, 100\.0, 100\.0\] .* values from 0.01 to 10"),
        ({"rates": "steady_walk"}, TARGETS, {}, r"env\.rates='steady_walk' .*sets the rates itself"),
        ({}, TARGETS, {"target": 0.6}, r"policy\.rule\..*target"),
    ],
)
def test_what_does_not_fit_is_refused(
    overrides: dict[str, Any], knobs: dict[str, dict[str, Any]], rule: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        policy(make(**overrides), knobs, **rule)


def test_the_rule_has_a_file() -> None:
    assert isinstance(load_policy("step_size").make(make()), StepSizePolicy)
