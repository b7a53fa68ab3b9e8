"""Sizes of steps and their units, by what Adam does on noise and by the rule that they belong to."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gan_env import GANVectorEnv
from gan_env.controller.watched import full_steps_of
from gan_env.mdp.steps import CAP, balanced_step, full_step, measured, walk_step
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
    moment = make_moment()
    sizes = torch.stack([moment.stats.step_g, moment.stats.step_d], dim=1)
    torch.testing.assert_close(measured(moment, "steps"), sizes)
    torch.testing.assert_close(measured(moment, "balanced"), moment.full / balanced_step(moment.stats, moment.walk))


@pytest.mark.parametrize("beta_1", [0.0, 0.5])
def test_the_rule_wants_a_share_of_the_weights_size_over_the_root_of_their_age(
    beta_1: float, make_moment: Callable[..., Moment]
) -> None:
    """Whatever the momentum is, once no step would be above the largest."""
    rates, norms, counts = (torch.tensor([pair] * 3) for pair in ([2e-3, 3e-3], [4.0, 5.0], [400.0, 900.0]))
    updates, momentum = torch.tensor(2500.0), torch.tensor(beta_1)
    level = {"logit_real": torch.zeros(3), "logit_fake": torch.zeros(3)}
    moment = make_moment()
    full, walk = full_step(rates, norms, counts, momentum), walk_step(updates, momentum).expand(3, 2)
    moment = replace(moment, stats=replace(moment.stats, **level), full=full, walk=walk)
    wanted = torch.tensor([0.08 * 4.0 / 20, 0.6 * 5.0 / 30]) / 50
    torch.testing.assert_close(rates / measured(moment, "balanced"), wanted.expand(3, 2))


def test_a_full_step_is_that_of_adam_with_noise_of_one_size() -> None:
    """Here of 400 weights that hardly change, after 3,000 steps; the same by the loop's own optimiser."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(400))
    optimiser = torch.optim.Adam([weight], 1e-5, (0.5, 0.99))
    sizes = []
    for _ in range(3000):
        before = weight.detach().clone()
        weight.grad = torch.randn(400)
        optimiser.step()
        sizes.append(((weight.detach() - before).norm() / before.norm()) ** 2)
    measured = torch.stack(sizes[1000:]).mean().sqrt()
    norm, count, rate = weight.detach().norm(), torch.tensor(400.0), torch.tensor(1e-5)
    assert full_step(rate, norm, count, torch.tensor(0.5)) == pytest.approx(float(measured), rel=0.02)
    found = full_steps_of([optimiser, torch.optim.SGD([weight], 0.1, momentum=0.9)])
    assert found.tolist() == [[pytest.approx(float(measured), rel=0.02), 0]]


@pytest.mark.parametrize(
    ("apart", "wide", "share"),
    [(0.0, 1.0, 0.08), (0.5, 1.0, 0.405), (-1.0, 1.0, 0.005), (3.0, 0.5, 1.0), (1.4, 1.0, 1.0)],
)
def test_the_generators_share_grows_with_the_lead_of_d(
    make_moment: Callable[..., Moment], apart: float, wide: float, share: float
) -> None:
    stats, ones = make_moment().stats, torch.ones(3)
    fake = -apart * ((1 + wide**2) / 2) ** 0.5
    logits = {"logit_real": 0 * ones, "logit_fake": fake * ones}
    spreads = {"logit_spread_real": ones, "logit_spread_fake": wide * ones}
    stats = replace(stats, **logits, **spreads)
    wanted = balanced_step(stats, torch.full((3, 2), 0.01))
    torch.testing.assert_close(wanted, torch.tensor([[0.01 * share, 0.006]] * 3), rtol=1e-4, atol=0)
    wanted = balanced_step(stats, torch.full((3, 2), 0.1))
    torch.testing.assert_close(wanted, torch.tensor([[min(0.1 * share, CAP), CAP]] * 3), rtol=1e-4, atol=0)


def test_the_action_zero_plays_the_rule() -> None:
    """The policy `steady_walk`, from a file of constants, moves the rates alike."""
    paths = []
    for mode in ("balanced", "delta"):
        env = GANVectorEnv(
            3, "points", autoreset_mode=AutoresetMode.DISABLED, action_mode=mode, knobs=("lr_g", "lr_d"),
            observation=("progress", "knobs", "balance", "balanced"), num_decisions=4,
            knob_bounds={"lr_g": (1e-3, 1e3), "lr_d": (1e-3, 1e3)}, updates_per_decision=2, metric_samples=32,
            compile=False,
        )  # fmt: skip
        seen, _ = env.reset(seed=0)
        policy = load_policy("steady_walk").make(env)
        for _ in range(4):
            still = np.zeros((3, 2), np.float32)
            seen, *_ = env.step(still if mode == "balanced" else policy.predict(seen)[0])
            paths.append(env.coordinates())
    np.testing.assert_allclose(paths[:4], paths[4:], atol=1e-4)
    assert np.ptp(paths[:4], axis=0).max() > 0.1
