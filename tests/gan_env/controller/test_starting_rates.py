"""A controller whose training began all runs at one learning rate begins there in a loop, too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from controllers import CONTEXT, saved_controller
from plain_gan import PlainGAN

from gan_env import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore:.*(hardly saw|was not trained)")
RATES = {"lr_g": [2e-3, 2e-3], "lr_d": [5e-3, 5e-3]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = saved_controller(decisions=4)
    instances: dict[str, Any] = {**made.env["instances"], **RATES}
    replace(made, env={**made.env, "instances": instances}).save(tmp_path / "mine")
    return tmp_path / "mine"


def learning_rates(folder: Path, rate: float) -> list[list[float]]:
    gan, generator = PlainGAN.make(rate), torch.Generator().manual_seed(0)
    control, found = gan.control(folder, 8), []
    for _ in range(8):
        found.append(list(gan.rates))
        control.observe(**gan.update(control, generator))
        control.step()
    return found


def test_the_rates_that_the_loop_begins_with_do_not_matter(folder: Path) -> None:
    slow, fast = learning_rates(folder, 1e-6), learning_rates(folder, 0.5)
    torch.testing.assert_close(torch.tensor(slow), torch.tensor(fast))
    assert len({tuple(rates) for rates in slow}) == 4


def test_a_knob_is_a_factor_on_the_rate_of_the_training_and_groups_keep_their_ratios(folder: Path) -> None:
    gan = PlainGAN.make()
    gan.split_discriminator(1e-4, 4e-4)
    control = gan.control(folder, 8)
    values = control.report().decisions[-1].values
    low, high = (group["lr"] for group in gan.opt_d.param_groups)
    assert low == pytest.approx(5e-3 * values["lr_d"])
    assert high == pytest.approx(4 * low)
    assert gan.rates[0] == pytest.approx(2e-3 * values["lr_g"])
    control.remove()
    assert [group["lr"] for group in gan.opt_d.param_groups] == [1e-4, 4e-4]


def test_a_dry_run_sees_the_rates_that_the_loop_has(folder: Path) -> None:
    gan = PlainGAN.make(4e-3)
    control = gan.control(folder, 8, dry_run=True)
    gan.run(control, 8)
    seen = control.report().decisions[-1].seen
    assert seen["knob_lr_g"] == pytest.approx(2 / 3 * (2 + torch.tensor(2.0).log10().item()) - 1, abs=1e-5)
    assert gan.rates == [4e-3, 4e-3]


def test_a_dry_run_of_rates_that_are_beyond_its_reach_sees_its_bound(folder: Path) -> None:
    control = PlainGAN.make(1e-7).control(folder, 8, dry_run=True)
    assert control.report().decisions[0].seen["knob_lr_g"] == pytest.approx(-1)


def test_what_the_policy_is_told_of_the_rates_is_where_it_begins(tmp_path: Path) -> None:
    made = saved_controller(decisions=4, observation=("progress", "context"))
    replace(made, env={**made.env, "instances": {**made.env["instances"], **RATES}}).save(tmp_path)
    control = PlainGAN.make(1e-6).control(tmp_path, 8, context=CONTEXT)
    told = next(s for s in control.player.loop.observer.statistics if s.name == "lr_g")
    assert told.inverse is not None
    seen = np.array(control.report().decisions[0].seen["lr_g"])
    assert float(told.inverse(seen)) == pytest.approx(2e-3, rel=1e-5)


def test_a_run_goes_on_from_its_state(folder: Path) -> None:
    through, after = PlainGAN.make(1e-4), PlainGAN.make(7e-3)
    control = through.control(folder, 8)
    through.run(control, 3)
    later = after.control(folder, 8)
    later.load_state_dict(control.state_dict())
    assert after.rates == pytest.approx(through.rates)
    later.remove()
    assert after.rates == pytest.approx([1e-4, 1e-4])
    again = PlainGAN.make(0.02)
    again.control(folder, 8).load_state_dict(later.state_dict())  # taken after `remove`
    assert again.rates == pytest.approx(through.rates)


def test_an_optimiser_without_a_learning_rate_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"opt_g='a learning rate of 0'.*above 0"):
        PlainGAN.make(0.0).control(folder, 8)
