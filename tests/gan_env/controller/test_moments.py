"""What a loop's controller remembers from one decision to the next."""

from pathlib import Path

import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN


def test_changes_are_from_the_first_interval_that_showed_gradients(tmp_path: Path) -> None:
    """And a state that is loaded remembers them."""
    saved_controller(decisions=4, observation=("progress", "knobs", "gradients", "balance", "changes")).save(tmp_path)
    gan = PlainGAN.make()
    control = gan.control(tmp_path, 20)
    gan.run(control, 10)
    middle = control.state_dict()
    gan.run(control, 10)
    before, *after = (decision.seen for decision in control.report().decisions)
    assert before["grad_d_change"] == before["grad_g_change"] == before["separation"] == 0
    for player in ("d", "g"):
        for seen in after:
            change = seen[f"grad_{player}"] - after[0][f"grad_{player}"]
            assert seen[f"grad_{player}_change"] == pytest.approx(change, abs=1e-4)
    assert after[0]["grad_d_change"] == 0 != after[-1]["grad_d_change"]

    again = PlainGAN.make().control(tmp_path, 20)
    again.load_state_dict(middle)
    assert again._course.past.first_grad_d == control._course.past.first_grad_d > 0
    assert torch.equal(again._course.past.first_grad_g, control._course.past.first_grad_g)


def test_a_metric_below_zero_is_the_best_that_there_is(tmp_path: Path) -> None:
    """As an unbiased kernel distance may be."""
    saved_controller(decisions=4, observation=("progress", "knobs", "quality")).save(tmp_path)
    gan = PlainGAN.make()
    control = gan.control(tmp_path, 20, untrained={"metric": 1.0, "spread": 1.0})
    gan.run(control, 5, metric=-0.01, spread=1.0)
    gan.run(control, 5, metric=1.0, spread=1.0)
    assert control.report().decisions[-1].seen["above_best"] > 1
