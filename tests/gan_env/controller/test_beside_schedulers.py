"""Learning rates that something else writes as well: schedulers of torch, and restarts."""

from typing import Any

import pytest
import torch
from plain_gan import PlainGAN


class Beside:
    """A loop beside whose controller schedulers halve both rates after each update; and the rates of D's steps.

    Args:
        tensors: whether rates are tensors.
        first: whether the scheduler steps before the controller.
        policy: what the controller plays.
    """

    def __init__(self, tensors: bool, first: bool, policy: str = "cosine_rates", **options: Any) -> None:
        self.gan, self.first, self.used = PlainGAN.make(), first, list[float]()
        for optimiser in (self.gan.opt_g, self.gan.opt_d):
            optimiser.param_groups[0]["lr"] = torch.tensor(1e-3) if tensors else 1e-3
        self.control = self.gan.control(policy, 80, **options)
        halve = torch.optim.lr_scheduler.ExponentialLR
        self.schedulers = [halve(optimiser, 0.5) for optimiser in (self.gan.opt_g, self.gan.opt_d)]
        self.gan.opt_d.register_step_pre_hook(lambda *_: self.used.append(self.rate))

    @property
    def rate(self) -> float:
        return float(self.gan.opt_d.param_groups[0]["lr"])

    def run(self, updates: int) -> None:
        after = [scheduler.step for scheduler in self.schedulers]
        after.insert(len(after) if self.first else 0, self.control.step)
        for _ in range(updates):
            self.control.observe(**self.gan.update())
            for act in after:
                act()


@pytest.mark.filterwarnings("ignore:something else writes")
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("tensors", [False, True])
def test_rates_hold_between_decisions_whatever_a_scheduler_writes(tensors: bool, first: bool) -> None:
    loop = Beside(tensors, first)
    loop.run(80)
    decisions = [1e-3 * decision.values["lr_d"] for decision in loop.control.report().decisions]
    assert loop.used == pytest.approx([rate for rate in decisions for _ in range(4)])


@pytest.mark.filterwarnings("ignore:something else writes")
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("tensors", [False, True])
def test_a_rule_that_measures_rates_measures_its_own_beside_a_scheduler(tensors: bool, first: bool) -> None:
    beside, alone = Beside(tensors, first, "steady_walk"), Beside(tensors, first, "steady_walk")
    alone.schedulers = []
    for loop in (beside, alone):
        torch.manual_seed(0)
        loop.run(40)
    assert beside.used == pytest.approx(alone.used, rel=1e-4)


@pytest.mark.filterwarnings("ignore:something else writes")
def test_beside_a_dry_run_and_once_it_is_removed_rates_are_a_schedulers() -> None:
    dry, removed = Beside(False, False, dry_run=True), Beside(False, False)
    dry.run(3)
    assert dry.used == [1e-3, 5e-4, 2.5e-4]
    removed.run(2)
    removed.control.remove()
    removed.run(2)
    assert removed.used == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4])


@pytest.mark.parametrize("first", [False, True])
def test_beside_a_policy_that_moves_nothing_rates_are_a_schedulers(
    first: bool, recwarn: pytest.WarningsRecorder
) -> None:
    """With decisions before the updates 0, 4 and 8."""
    loop = Beside(False, first, policy="fixed")
    loop.run(10)
    assert loop.used == pytest.approx([1e-3 * 0.5**update for update in range(10)])
    assert not recwarn.list


def test_a_restart_without_the_controllers_state_is_told_what_to_load() -> None:
    before, after = PlainGAN.make(), PlainGAN.make()
    before.run(before.control("cosine_rates", 80), 40)
    after.control("cosine_rates", 80)
    after.opt_d.load_state_dict(before.opt_d.state_dict())
    with pytest.warns(UserWarning, match=r"0\.001 for lr_d\): the controller's hold.*own state after a restart"):
        after.update()


def test_a_restart_with_the_controllers_state_is_no_interference(recwarn: pytest.WarningsRecorder) -> None:
    """Though its rates are other tensors by then."""
    before, after = Beside(True, False), Beside(True, False)
    before.schedulers = after.schedulers = []
    before.run(40)
    after.control.load_state_dict(before.control.state_dict())
    for name in ("opt_g", "opt_d"):
        getattr(after.gan, name).load_state_dict(getattr(before.gan, name).state_dict())
    after.run(40)
    assert after.rate == pytest.approx(1e-5) and not recwarn.list
