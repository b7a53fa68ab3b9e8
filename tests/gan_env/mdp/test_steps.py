"""Sizes of steps and their units, by what Adam does on noise and by the rule that they belong to."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gan_env import GANVectorEnv
from gan_env.controller.watched import relative_rates_of
from gan_env.mdp.steps import AGE, LARGEST, balanced_rate, limited_rate, measured, relative_rates, walk_step
from gan_env.policies import load_policy
from gan_env.records import Moment


@pytest.mark.parametrize("beta_1", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_adam_on_noise_steps_like_a_random_walk_at_any_rate(rate: float, beta_1: float) -> None:
    """Once the weights have outgrown their first values, to a twentieth."""
    rng = torch.Generator().manual_seed(0)
    weights = (0.05 * torch.randn(2000, generator=rng)).requires_grad_()
    adam = torch.optim.Adam([weights], rate, (beta_1, 0.999))
    for _ in range(400):
        before = weights.detach().clone()
        weights.grad = torch.randn(2000, generator=rng)
        adam.step()
    step = (weights.detach() - before).norm() / before.norm()
    torch.testing.assert_close(step, walk_step(torch.tensor(400.0), torch.tensor(beta_1)), rtol=0.05, atol=0)


def test_a_random_walk_begins_with_its_first_step() -> None:
    assert walk_step(torch.tensor([0.0, 1.0, 4.0]), torch.tensor(0.0)).tolist() == [1.0, 1.0, 0.5]


def test_each_mode_measures_in_its_unit(make_moment: Callable[..., Moment]) -> None:
    """Where logits are level and both players have taken 300 updates, the rule wants 0.08 / 20 and 0.6 / 20."""
    ones = torch.ones(3)
    sizes = {"step_g": 0.01 * ones, "step_d": 0.02 * ones, "logit_real": 0 * ones, "logit_fake": 0 * ones}
    moment = make_moment()
    ages, rates = torch.full((3, 2), 300.0), torch.tensor([[0.002, 0.06]] * 3)
    moment = replace(moment, stats=replace(moment.stats, **sizes), ages=ages, relative_rates=rates)
    torch.testing.assert_close(measured(moment, "steps"), torch.tensor([[0.01, 0.02]] * 3))
    torch.testing.assert_close(measured(moment, "balanced"), torch.tensor([[0.5, 2.0]] * 3))


def test_rates_are_relative_to_the_root_mean_square_of_the_weights() -> None:
    """The same by the loop's own optimisers, with several groups, too; an optimiser that isn't of Adam's kind has 0."""
    torch.manual_seed(0)
    first, second = torch.nn.Parameter(3 * torch.randn(400)), torch.nn.Parameter(torch.randn(20, 5))
    one = torch.optim.Adam([first, second], 1e-2)
    groups = torch.optim.Adam([{"params": [first]}, {"params": [second], "lr": 3e-2}], 1e-2)
    weights = torch.cat([first.detach(), second.detach().flatten()])
    expected = 1e-2 / float(weights.square().mean().sqrt())
    found = relative_rates(torch.tensor(1e-2), weights.norm(), torch.tensor(500.0))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    several = expected * ((400 + 100 * 3**2) / 500) ** 0.5  # the norm of the whole update
    sgd = torch.optim.SGD([first], 0.1, momentum=0.9)
    by_optimiser = relative_rates_of([one, groups, sgd], [[1e-2], [1e-2, 3e-2], [0.1]])
    assert by_optimiser.tolist() == [[pytest.approx(expected, rel=1e-5), pytest.approx(several, rel=1e-5), 0]]
    assert relative_rates_of([groups], [[2e-2, 3e-2]])[0, 0] == pytest.approx(expected * ((4 * 400 + 900) / 500) ** 0.5)


@pytest.mark.parametrize(
    ("apart", "share"),
    [(0.0, 0.08), (0.5, 0.405), (-1.0, 0.005), (0.9, 1.0), (3.0, 1.0), (-50.0, 1e-6)],
)
def test_the_rule_wants_rates_that_fall_with_the_age_and_for_g_grow_with_the_lead_of_d(
    make_moment: Callable[..., Moment], apart: float, share: float
) -> None:
    stats, ones = make_moment().stats, torch.ones(3)
    logits = {"logit_real": 0 * ones, "logit_fake": -apart * ones}
    stats = replace(stats, **logits, logit_spread_real=ones, logit_spread_fake=ones)
    for age, root in ((0.0, 10), (300.0, 20), (9900.0, 100)):
        wanted = balanced_rate(stats, torch.full((3, 2), age))
        torch.testing.assert_close(wanted, torch.tensor([[share, 0.6]] * 3) / root, rtol=1e-4, atol=0)


def test_the_limited_rule_has_no_larger_rate_than_its_limit(make_moment: Callable[..., Moment]) -> None:
    """Beyond it, it wants what `steady_walk` wants of weights that are younger by its AGE."""
    stats = make_moment().stats
    for age in (0.0, 1.0, 20.0, 500.0, 1e4):
        wanted = limited_rate(stats, torch.full((3, 2), age))
        unlimited = balanced_rate(stats, torch.full((3, 2), max(age, 1.0) - AGE))
        torch.testing.assert_close(wanted, unlimited.clamp(max=LARGEST))


@pytest.mark.parametrize(("unit", "rule"), [("balanced", "steady_walk"), ("limited", "limited_walk")])
def test_the_action_zero_plays_the_rule(unit: str, rule: str) -> None:
    """The policy of that name, from a file of constants, moves the rates alike."""
    paths = []
    for mode in (unit, "delta"):
        env = GANVectorEnv(
            3, "points", autoreset_mode=AutoresetMode.DISABLED, action_mode=mode, knobs=("lr_g", "lr_d"),
            observation=("progress", "knobs", "balance", unit), num_decisions=4,
            knob_bounds={"lr_g": (1e-3, 1e3), "lr_d": (1e-3, 1e3)}, updates_per_decision=2, metric_samples=32,
            compile=False,
        )  # fmt: skip
        seen, _ = env.reset(seed=0)
        policy = load_policy(rule).make(env)
        for _ in range(4):
            still = np.zeros((3, 2), np.float32)
            seen, *_ = env.step(still if mode == unit else policy.predict(seen)[0])
            paths.append(env.coordinates())
    np.testing.assert_allclose(paths[:4], paths[4:], atol=1e-4)
    assert np.ptp(paths[:4], axis=0).max() > 0.1
