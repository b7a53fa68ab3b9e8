"""Learning rates that rise over the first steps of a run."""

import copy
import re
from typing import Any

import pytest
import torch
from plain_gan import PlainGAN

from gan_env.controller import GANController
from gan_env.errors import ConfigError

TOTAL, WARMUP = 80, 10


class Loop:
    """A loop whose controller warms up, and the rates of D's steps so far.

    Args:
        tensors: whether rates are tensors.
    """

    def __init__(self, tensors: bool = False) -> None:
        self.gan, self.used = PlainGAN.make(), list[float]()
        for optimiser in (self.gan.opt_g, self.gan.opt_d):
            optimiser.param_groups[0]["lr"] = torch.tensor(1e-3) if tensors else 1e-3

    def control(self, warmup_steps: int = WARMUP) -> GANController:
        control = self.gan.control("cosine_rates", TOTAL, warmup_steps=warmup_steps)
        self.gan.opt_d.register_step_pre_hook(lambda *_: self.used.append(float(self.gan.opt_d.param_groups[0]["lr"])))
        return control


def wanted(control: GANController) -> list[float]:
    """The rates of D's steps, by what was decided every four updates."""
    decided = [1e-3 * decision.values["lr_d"] for decision in control.report().decisions for _ in range(4)]
    return [rate * min(1.0, (step + 1) / WARMUP) for step, rate in enumerate(decided)]


@pytest.mark.parametrize("tensors", [False, True])
def test_rates_rise_step_by_step_to_what_is_decided(tensors: bool) -> None:
    loop = Loop(tensors)
    control = loop.control()
    loop.gan.run(control, TOTAL)
    assert loop.used == pytest.approx(wanted(control))
    assert loop.used[0] == pytest.approx(1e-4) and loop.used[WARMUP - 1] > 9e-4


def test_a_restart_in_the_middle_goes_on_rising() -> None:
    first = Loop()
    control = first.control()
    first.gan.run(control, 6)
    saved = [copy.deepcopy(part.state_dict()) for part in (first.gan.opt_g, first.gan.opt_d, control)]
    again = Loop()
    again.gan.opt_g.load_state_dict(saved[0])
    again.gan.opt_d.load_state_dict(saved[1])
    resumed = again.control(warmup_steps=0)  # the state's counts
    resumed.load_state_dict(saved[2])
    again.gan.run(resumed, TOTAL - 6)
    assert first.used + again.used == pytest.approx(wanted(resumed))


def test_a_player_that_has_walked_already_does_not_warm_up() -> None:
    loop = Loop()
    for _ in range(WARMUP):
        loop.gan.update()
    loop.gan.run(loop.control(), 4)
    assert loop.used == pytest.approx([1e-3] * 4)


def test_a_schedulers_rates_are_overwritten_while_they_rise() -> None:
    loop = Loop()
    control = loop.control()
    halve = torch.optim.lr_scheduler.ExponentialLR(loop.gan.opt_d, 0.5)
    with pytest.warns(UserWarning, match="something else writes"):
        for _ in range(TOTAL):
            control.observe(**loop.gan.update())
            control.step()
            halve.step()
    assert loop.used == pytest.approx(wanted(control))


def test_what_is_removed_gives_the_rates_back_whole() -> None:
    loop = Loop()
    control = loop.control()
    loop.gan.run(control, 3)
    control.remove()
    assert loop.gan.opt_d.param_groups[0]["lr"] == pytest.approx(1e-3)


@pytest.mark.parametrize("given", [-1, TOTAL, 2.5, None])
def test_a_warm_up_that_no_run_can_have_is_refused(given: Any) -> None:
    message = rf"^warmup_steps={re.escape(repr(given))} .*a whole number, at least 0 and below total_steps={TOTAL}"
    with pytest.raises(ConfigError, match=message):
        PlainGAN.make().control("cosine_rates", TOTAL, warmup_steps=given)


def test_a_policy_that_moves_no_rate_has_nothing_to_warm_up() -> None:
    with pytest.raises(ConfigError, match=r"^warmup_steps=10 .*0: 'ada' leaves the learning rates as they are"):
        PlainGAN.make().control("ada", TOTAL, warmup_steps=10)
