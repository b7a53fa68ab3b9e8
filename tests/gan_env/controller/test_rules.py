"""Rules that set learning rates in a loop: what they set before the first update, and as the run goes on."""

from typing import Any

import pytest
import torch
from plain_gan import PlainGAN


def test_a_player_whose_gradient_is_zero_keeps_its_rate() -> None:
    """As D's with a saturated hinge loss: no rate would make a step of it."""

    def stand_still(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        for parameter in gan.discriminator.parameters():
            parameter.grad = torch.zeros_like(parameter)
            optimiser.state[parameter]["exp_avg"].zero_()

    gan = PlainGAN.make()
    control = gan.control("step_size", 400)
    gan.run(control, 40)
    before = gan.rates[1]
    gan.opt_d.register_step_pre_hook(stand_still)
    gan.run(control, 200)
    assert gan.rates[1] == pytest.approx(before, rel=0.5)  # the first interval has steps from before as well


def rms(network: torch.nn.Module) -> float:
    return float(torch.cat([weight.detach().flatten() for weight in network.parameters()]).square().mean().sqrt())


@pytest.mark.parametrize("given", [1e-2, 1e-5])
@pytest.mark.parametrize(
    ("rule", "of_g", "of_d"),
    [("steady_walk", 0.008, 0.06), ("timed_walk", 0.0088, 0.06), ("limited_walk", 0.03, 0.03)],
)
def test_a_rule_sets_both_rates_before_the_first_update_whatever_they_were(
    rule: str, of_g: float, of_d: float, given: float
) -> None:
    """As no logits are known, D counts as not ahead."""
    gan = PlainGAN.make()
    for optimiser in (gan.opt_g, gan.opt_d):
        optimiser.param_groups[0]["lr"] = given
    gan.control(rule, 400)
    wanted = [of_g * rms(gan.generator), of_d * rms(gan.discriminator)]
    assert gan.rates == pytest.approx(wanted, rel=5e-3)  # observed ratios have a floor


def test_steady_walk_counts_the_steps_that_an_optimiser_took_before() -> None:
    gan = PlainGAN.make()
    gan.run(gan.control("fixed", 300), 300)
    control = gan.control("steady_walk", 400)
    assert gan.rates[1] == pytest.approx(0.6 * rms(gan.discriminator) / 20, rel=1e-4)
    before = gan.opt_d.param_groups[0]["lr"]
    gan.run(control, 4)
    assert gan.rates[1] == pytest.approx(0.6 * rms(gan.discriminator) / 404**0.5, rel=1e-4) != before


def test_timed_walk_ends_at_its_last_factors() -> None:
    """The last decision is four updates before the end."""
    gan = PlainGAN.make()
    control = gan.control("timed_walk", 400)
    gan.run(control, 399)
    assert gan.rates[1] == pytest.approx(1.3 * 0.6 * rms(gan.discriminator) / 496**0.5, rel=2e-2)


def test_controllers_of_different_knobs_work_side_by_side() -> None:
    gan, alone = PlainGAN.make(), PlainGAN.make()
    both = [gan.control(name, 40) for name in ("ada", "steady_walk")]
    rule = alone.control("steady_walk", 40)
    for _ in range(12):
        shown = gan.update(generator=torch.Generator().manual_seed(0))
        for control in both:
            control.observe(**shown)
            control.step()
        rule.observe(**alone.update(generator=torch.Generator().manual_seed(0)))
        rule.step()
    rates = [one.opt_d.param_groups[0]["lr"] for one in (gan, alone)]
    assert rates[0] == rates[1] != 1e-3
    assert [list(control.report().decisions[-1].values) for control in both] == [["augment"], ["lr_g", "lr_d"]]
