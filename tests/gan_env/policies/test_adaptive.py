"""Adaptive heuristics, against traces worked out by hand."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st

from gan_env import ConfigError, GANVectorEnv
from gan_env.config import env_config
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.adaptive import RULES, AdaptivePolicy, DiffusionRule, Rule
from gan_env.policies.presets import PolicyOptions, load_policy

KNOBS = ("instance_noise", "augment", "r1", "pseudo")
SEEN = (*env_config().observation, "context")


@cache
def make(rows: int = 1, updates: int = 50, **overrides: Any) -> GANVectorEnv:
    return GANVectorEnv(
        rows,
        autoreset_mode=AutoresetMode.DISABLED,
        updates_per_decision=updates,
        metric_samples=32,
        compile=False,
        **{"knobs": KNOBS, "observation": SEEN, "max_first_change": 0.2} | overrides,
    )


def observe(env: GANVectorEnv, coordinates: Any, **given: Any) -> Any:
    """Observations in which the named statistics have the given values, a number or one a row, and all others are 0."""
    obs = np.zeros((len(coordinates), len(env.observer.names)), np.float32)
    given |= {f"knob_{name}": 2 * coordinates[:, i] - 1 for i, name in enumerate(env.config.knobs)}
    for name, values in given.items():
        if name in env.observer.names:
            obs[:, env.observer.names.index(name)] = values
    return obs


def trace(env: GANVectorEnv, policy: AdaptivePolicy, signs: Sequence[float], batch: float = 64) -> list[float]:
    """The values of the policy's knob in a run of the environment's own knobs in which r_t is as given.

    The first r_t is what is observed before anything was shown.
    """
    coordinates, values = env.knobs.starting_at(policy.start, 1), []
    for t, sign in enumerate(signs):
        seen = {"sign_real": sign, "progress": t / env.config.num_decisions, "batch_size": math.log2(batch) - 5}
        action, _ = policy.predict(observe(env, coordinates.numpy(), **seen))
        coordinates = env.knobs.move(coordinates, torch.from_numpy(action), torch.tensor([t == 0]), torch.zeros(1, 2))
        values.append(float(env.knobs.values(coordinates)[policy.rule.knob]))
    return values


def changed(name: str, **changes: Any) -> Rule:
    return dataclasses.replace(RULES[name], **changes)


# --- the rule ---

SIGNS = [0.9, 0.9, 0.9, 0.5, 0.6, 0.61, 0.1, 0.1, 0.1]
STEPS = [0, 1, 2, 1, 1, 2, 1, 0, 0]  # the first decision has seen nothing; at 0.6 p stays; below 0 it can't go


@pytest.mark.parametrize("name", ["ada", "apa"])
@pytest.mark.parametrize("mode", ["delta", "absolute"])
def test_ada_and_apa_follow_a_hand_computed_trace_at_their_published_speed(name: str, mode: str) -> None:
    """An interval shows 50 x 64 images, so p moves by 3,200 / 500,000 = 0.0064."""
    env = make(action_mode=mode)
    values = trace(env, AdaptivePolicy(env, changed(name, speed_images=500_000)), SIGNS)
    assert values == pytest.approx([0, 0.0064, 0.0128, 0.0064, 0.0064, 0.0128, 0.0064, 0, 0], abs=1e-6)


def test_the_strength_ends_at_one() -> None:
    """50 x 64 / 8,000 = 0.4 an interval."""
    env = make(action_mode="absolute")
    values = trace(env, AdaptivePolicy(env, Rule(speed_images=8000)), [0, 1, 1, 1, 1, -1, 1])
    assert values == pytest.approx([0, 0.4, 0.8, 1, 1, 0.6, 1], abs=1e-6)


def test_a_move_beyond_the_largest_is_cut_in_delta_mode() -> None:
    env = make(action_mode="delta", max_change=0.2)
    values = trace(env, AdaptivePolicy(env, Rule(speed_images=8000)), [0, 1, 1, 1, -1])
    assert values == pytest.approx([0, 0.2, 0.4, 0.6, 0.4], abs=1e-6)


def test_speed_counts_images_so_half_the_batch_is_half_the_step() -> None:
    env = make()
    policy = AdaptivePolicy(env, Rule(speed_images=500_000))
    assert trace(env, policy, [0, 1, 1], batch=32) == pytest.approx([0, 0.0032, 0.0064], abs=1e-6)


def test_without_the_context_every_batch_counts_as_the_largest() -> None:
    env = make(observation=("progress", "knobs", "logits"))
    assert env.config.instances.batch_size == (16, 32)
    policy = AdaptivePolicy(env, Rule(speed_images=500_000))
    assert trace(env, policy, [0, 1, 1], batch=16) == pytest.approx([0, 0.0032, 0.0064], abs=1e-6)


@pytest.mark.parametrize("batch", [16, 64])
@pytest.mark.parametrize(
    ("decisions", "share", "step"),
    [
        (500, 0.02, 0.1),  # 2 % of 500 decisions are ten
        (500, 0.004, 0.2),  # 0.4 % are two: 0.5 a decision, beyond max_change
        (12, 0.02, 0.2),
        (12, 1.0, 1 / 12),  # the whole run
    ],
)
def test_the_default_speed_is_a_share_of_the_run(decisions: int, share: float, step: float, batch: float) -> None:
    env = make(action_mode="absolute", num_decisions=decisions)
    policy = AdaptivePolicy(env, Rule(speed_share=share))
    assert trace(env, policy, [0, 1, 1, 0], batch) == pytest.approx([0, step, 2 * step, step], abs=1e-6)


def test_another_target_is_heeded() -> None:
    env = make()
    policy = AdaptivePolicy(env, Rule(target=-0.25, speed_images=32_000))
    assert trace(env, policy, [0, 0, -0.25, -0.3]) == pytest.approx([0, 0.1, 0.1, 0], abs=1e-6)


# --- Diffusion-GAN ---


def noise_after(steps: int, std: float = 0.05) -> float:
    """The formula step by step: noise beside undamped data after a diffusion of that many steps."""
    alpha_bar = 1.0
    for i in range(steps):
        alpha_bar *= 1 - (1e-4 + (2e-2 - 1e-4) * i / (steps - 1))
    return std * math.sqrt(1 - alpha_bar) / math.sqrt(alpha_bar)


@pytest.mark.parametrize("mode", ["delta", "absolute"])
def test_diffusion_follows_a_hand_computed_trace(mode: str) -> None:
    """At 99,000 images, 50 x 64 move p by 3,200 / 99,000 and T by 990 times that: 32 steps."""
    env = make(action_mode=mode)
    values = trace(env, AdaptivePolicy(env, changed("diffusion", speed_images=99_000)), SIGNS)
    assert values == pytest.approx([noise_after(10 + 32 * n) for n in STEPS], rel=1e-4)
    assert values[:3] == pytest.approx([0.0163182, 0.0363853, 0.0527812], rel=1e-4)


def test_at_its_published_speed_diffusion_is_within_half_a_step_of_the_rounded_rule() -> None:
    env = make()
    values = trace(env, AdaptivePolicy(env, changed("diffusion", speed_images=100_000)), [0, 1, 1, 1, 1])
    for n, value in enumerate(values):
        rounded = 10 + round(0.032 * n * 990)
        assert noise_after(rounded - 1) < value < noise_after(rounded + 1)


def test_diffusion_is_exact_on_a_process_worked_out_by_hand() -> None:
    """Two betas of one half leave 1/2 and 1/4 of the variance: noise-to-signal ratios of 1 and of the root of 3."""
    strengths, values = DiffusionRule(steps=(1, 2), betas=(0.5, 0.5), noise_std=0.1).curve()
    assert strengths.tolist() == [0, 1]
    assert values == pytest.approx([0.1, 0.1 * math.sqrt(3)], rel=1e-12)


def test_diffusion_noise_stops_at_the_knobs_end_and_turns_back_at_once() -> None:
    """p = 0.2 an interval, but 0.589 at the end of the knob's range: then 0.389, of which no more is left to undo."""
    env = make(action_mode="absolute")
    values = trace(env, AdaptivePolicy(env, changed("diffusion", speed_images=16_000)), [0, 1, 1, 1, 1, 1, -1])
    expected = [noise_after(10), noise_after(208), noise_after(406), 1, 1, 1, noise_after(395)]
    assert values == pytest.approx(expected, rel=1e-4)


# --- laws ---


def run_starts(env: GANVectorEnv, policy: AdaptivePolicy) -> Any:
    return env.knobs.starting_at(policy.start, 1).numpy()


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_run_starts_at_strength_zero(name: str) -> None:
    env = make()
    policy = AdaptivePolicy(env, RULES[name])
    assert policy.start[policy.rule.knob] == pytest.approx(0.016318 if name == "diffusion" else 0, rel=1e-4)
    action, _ = policy.predict(observe(env, run_starts(env, policy), progress=0.0, sign_real=1.0))
    assert action == pytest.approx(0, abs=1e-5)


@given(
    st.sampled_from(sorted(RULES)),
    st.sampled_from(["delta", "absolute"]),
    st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4),
    st.floats(-1, 1, width=32),
    st.sampled_from([0.0, 0.25, 0.75]),
    st.sampled_from([None, 1e3, 5e5]),
)
def test_knobs_stay_in_bounds_move_the_right_way_and_the_others_stay(
    name: str, mode: str, coordinates: list[float], sign: float, progress: float, speed: float | None
) -> None:
    env = make(action_mode=mode)
    policy = AdaptivePolicy(env, changed(name, speed_images=speed))
    before = np.array([coordinates], np.float32)
    action, state = policy.predict(observe(env, before, sign_real=sign, progress=progress, batch_size=1.0))
    assert state is None
    assert (np.abs(action) <= 1).all()
    first = torch.tensor([progress == 0])
    after = env.knobs.move(torch.from_numpy(before), torch.from_numpy(action), first, torch.zeros(1, 2)).numpy()
    move = (after - before)[0]
    assert np.delete(move, policy.column) == pytest.approx(0, abs=1e-6)
    if before[0, policy.column] > policy.coordinates[0]:  # below its start a knob is only raised
        direction = np.sign(np.float32(sign) - np.float32(0.6)) * (progress > 0)
        assert move[policy.column] * direction >= -1e-6
        assert direction != 0 or abs(move[policy.column]) < 1e-6


@pytest.mark.parametrize("name", sorted(RULES))
def test_rows_do_not_mix_and_may_be_at_any_moment(name: str) -> None:
    env = make()
    policy = AdaptivePolicy(env, changed(name, speed_images=1e5))
    rng = np.random.default_rng(0)
    seen = {"sign_real": rng.uniform(0, 1, 6), "progress": np.arange(6) / 12, "batch_size": [-1, -1, 0, 0, 1, 1]}
    obs = observe(env, rng.uniform(0, 1, (6, 4)), **seen)
    apart = np.concatenate([policy.predict(obs[i : i + 1])[0] for i in range(6)])
    np.testing.assert_array_equal(policy.predict(obs)[0], apart)
    assert len(np.unique(apart[:, policy.column])) > 3


# --- real runs ---


class Recorded:
    """A policy of which the observations are kept."""

    def __init__(self, policy: AdaptivePolicy) -> None:
        self.policy, self.start, self.seen = policy, policy.start, []

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> Any:
        self.seen.append(observation.copy())
        return self.policy.predict(observation, *args, **kwargs)


@pytest.mark.parametrize("mode", ["delta", "absolute"])
@pytest.mark.parametrize("name", ["ada", "apa"])
def test_in_a_real_run_the_strength_follows_what_was_observed(name: str, mode: str) -> None:
    """Each row's p is the sum of its own steps: its batch x 3 updates / 400 images, with or against its r_t."""
    env = make(rows=3, updates=3, num_decisions=5, action_mode=mode)
    policy = Recorded(AdaptivePolicy(env, changed(name, target=0.0, speed_images=400)))
    episodes = run_episodes(policy, env, range(3))
    names = env.observer.names
    signs = np.stack([obs[:, names.index("sign_real")] for obs in policy.seen])
    batches = np.array([i.batch_size for i in env.current_instances])
    p = np.zeros(3)
    for t in range(5):
        step = batches * 3 / 400
        p = np.clip(p + (t > 0) * np.sign(signs[t]) * (np.minimum(step, 0.2) if mode == "delta" else step), 0, 1)
        np.testing.assert_allclose(episodes.extras[f"knob_{RULES[name].knob}"][:, t], p, atol=1e-5)
    assert p.max() > 0
    np.testing.assert_allclose(episodes.extras["knob_r1"], env.knobs.table["r1"].value, rtol=1e-4)


@pytest.mark.parametrize("name", [*sorted(RULES), "noise_fade", "r3gan", "roth"])
def test_every_policy_runs(name: str) -> None:
    env = make(rows=2, updates=2, num_decisions=4)
    policy: Any = load_policy(name).make(env)
    episodes = run_episodes(policy, env, range(2))
    assert np.isfinite(episodes.log_metric).all()
    assert not episodes.crashed.any()
    for knob, start in policy.start.items():
        np.testing.assert_allclose(episodes.extras[f"knob_{knob}"][:, 0], start, rtol=1e-3, atol=1e-6)


# --- refusals ---


@pytest.mark.parametrize(
    ("make_rule", "message"),
    [
        (lambda: Rule(target=1.5), r"target=1.5.*-1 to 1"),
        (lambda: Rule(speed_images=0), r"speed_images=0.*more than 0"),
        (lambda: Rule(speed_images=math.nan), r"speed_images=nan.*more than 0"),
        (lambda: Rule(speed_share=0), r"speed_share=0.*more than 0"),
        (lambda: DiffusionRule(steps=(10, 10)), r"steps=\(10, 10\).*first < last"),
        (lambda: DiffusionRule(betas=(0.02, 1e-4)), r"betas=.*first <= last"),
        (lambda: DiffusionRule(noise_std=0), r"noise_std=0.*more than 0"),
        (lambda: DiffusionRule(target=2), r"target=2.*-1 to 1"),
    ],
)
def test_a_bad_rule_is_refused_with_help(make_rule: Callable[[], Rule], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_rule()


def test_an_unknown_option_of_a_rule_is_refused_with_the_nearest() -> None:
    options = dataclasses.replace(load_policy("ada"), rule={"speed_image": 1})
    with pytest.raises(ConfigError, match=r"did you mean policy\.rule\.speed_images"):
        options.make(make())


def test_a_rule_without_its_knob_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"env\.knobs=\['r1'\].*'augment' among them"):
        AdaptivePolicy(make(knobs=("r1",)), Rule())


def test_a_rule_without_its_statistic_is_refused_with_the_group_to_add() -> None:
    with pytest.raises(ConfigError, match=r"'sign_real'.*add the group 'logits'"):
        AdaptivePolicy(make(observation=("progress", "knobs")), Rule())


def test_the_configured_rules_are_the_published_ones() -> None:
    for name, rule in RULES.items():
        policy: Any = load_policy(name).make(make())
        assert policy.rule == rule
    assert env_config().max_change == 0.2  # the traces above count on it


@pytest.mark.parametrize("loss", ["wasserstein", "relativistic"])
def test_a_loss_that_only_pushes_logits_apart_is_refused(loss: str) -> None:
    with pytest.raises(ConfigError, match=rf"env\.losses=.*'{loss}'.*'hinge', 'least_squares'.*sign"):
        AdaptivePolicy(make(losses=("hinge", loss)), RULES["ada"])


def test_a_rule_on_a_schedule_sets_its_knob_and_leaves_the_others_to_the_schedule() -> None:
    env, falling = make(3), {"kind": "linear", "initial": 2.0, "final": 0.5}
    both = PolicyOptions("ada", knobs={"r1": falling}, rule={"target": 0.3}).make(env)
    rule, schedule = (
        PolicyOptions("ada", rule={"target": 0.3}).make(env),
        PolicyOptions(knobs={"r1": falling}).make(env),
    )
    coordinates = np.random.default_rng(0).uniform(0.2, 0.8, (3, len(KNOBS)))
    seen = observe(env, coordinates, sign_real=np.array([0.9, 0.3, -0.2]), progress=0.25)
    action, own = (policy.predict(seen)[0] for policy in (both, rule))
    augment = KNOBS.index("augment")
    np.testing.assert_array_equal(action[:, augment], own[:, augment])
    wanted = np.delete(schedule.predict(seen)[0], augment, axis=1)
    np.testing.assert_array_equal(np.delete(action, augment, axis=1), wanted)
    assert both.start["r1"] == pytest.approx(2.0, rel=1e-4)  # type: ignore[attr-defined]
    assert both.start["augment"] == 0  # type: ignore[attr-defined]


def test_a_schedule_of_the_rule_s_own_knob_is_refused_with_help() -> None:
    policy = PolicyOptions("ada", knobs={"augment": {"kind": "fixed", "initial": 0.1}})
    with pytest.raises(ConfigError, match=r"policy\.knobs=.*'augment', which the rule sets"):
        policy.make(make())
