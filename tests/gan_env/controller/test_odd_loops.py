"""What else a loop may do: contexts of torch around the controller, values that it changes, a `load` that fails."""

import warnings
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_gan import PlainGAN

from gan_env import ConfigError


@pytest.mark.parametrize(
    "context", [torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode()], ids=["autocast", "inference_mode"]
)
def test_decisions_are_the_same_in_any_context(folder: Path, context: AbstractContextManager[None]) -> None:
    inside, outside = (PlainGAN.make() for _ in range(2))
    with context:
        control = inside.control(folder, 40)
    plain = outside.control(folder, 40)
    for step in range(40):
        for gan, own in ((inside, control), (outside, plain)):
            own.observe(**gan.update(generator=torch.Generator().manual_seed(step)))
        with context:
            control.step()
            control.load_state_dict(control.state_dict())
        plain.step()
    assert inside.rates == outside.rates != PlainGAN.make().rates


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("policy", ["steady_walk", "learned/family", "ada"])
def test_a_loop_with_another_default_dtype_is_controlled(policy: str, kind: torch.dtype) -> None:
    torch.set_default_dtype(kind)
    try:
        gan = PlainGAN.make()
        control = gan.control(policy, 40)
        for _ in range(40):
            control.observe(**gan.update())
            control.step()
        assert torch.get_default_dtype() == kind
        assert np.isfinite(gan.rates).all()
        assert policy in str(control.report())
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_load_that_fails_leaves_the_optimisers_free() -> None:
    gan = PlainGAN.make()
    gan.opt_d = torch.optim.SGD(gan.discriminator.parameters(), 1e-3)
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="others stay"):
        warnings.simplefilter("error")
        gan.control("steady_walk", 40)
    assert gan.rates == PlainGAN.make().rates
    gan.control("cosine_rates", 40)


def test_what_a_loop_is_given_or_shows_is_its_own(folder: Path) -> None:
    """It may change the value of a knob, and go on adding to a loss."""
    gan = PlainGAN.make()
    control = gan.control(folder, 40)
    control["r1"].mul_(0)
    assert control["r1"] > 0
    shown = {**gan.update(), "loss_d": torch.tensor(1.0)}
    control.observe(**shown)
    shown["loss_d"] += 100
    control.step()
    assert control.state_dict()["averages"]["sums"].max() < 100


def test_none_in_the_place_of_logits_is_as_if_it_were_left_out() -> None:
    control = PlainGAN.make().control("ada", 40)
    control.observe(real=None)
    assert not control.state_dict()["averages"]["ever"]


def test_numpys_whole_numbers_are_a_length() -> None:
    control = PlainGAN.make().control("cosine_rates", np.int64(40))
    assert type(control.state_dict()["clock"]["total"]) is int
    for wrong in (40.0, True, 0, torch.tensor(40.0), np.array([40, 50]), None):
        with pytest.raises(ConfigError, match=r"(?s)total_steps=.* can't be used: expected a whole number"):
            PlainGAN.make().control("cosine_rates", wrong)  # type: ignore[arg-type]
