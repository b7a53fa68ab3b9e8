"""Looking ahead is training, and pulling back is autograd through it."""

from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
import varied_rows
from populations import population, values

from gan_env.data.bank import DataBank
from gan_env.gan.unrolled import Unrolled
from gan_env.gan.update import PopulationState

KNOBS = ("instance_noise", "augment", "r1")
AT = {"instance_noise": 0.1, "augment": 0.5, "r1": 1.0}


@pytest.mark.parametrize("every", [1, 3])
def test_looking_ahead_at_some_rows_is_what_training_makes_of_them(every: int) -> None:
    made = varied_rows.population([3, 4, 5, 6], knobs=KNOBS, penalty_every=every)
    made.update(values(KNOBS, 4, **AT), 2)
    before = made.get_state()
    ahead = Unrolled(made).look_ahead(torch.tensor([2, 0]), values(KNOBS, **AT), 3).state
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.get_state().items())
    made.update(values(KNOBS, 4, **AT), 3)
    for field in fields(ahead):
        trained = getattr(made.state, field.name)[[2, 0]]
        torch.testing.assert_close(getattr(ahead, field.name), trained, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("every", [1, 2])
def test_pulling_back_is_autograd_through_all_updates_at_once(every: int) -> None:
    made = varied_rows.population([3, 4, 5], knobs=KNOBS, penalty_every=every)
    made.update(values(KNOBS, 3, **AT), 5)
    rows, by_ema = torch.tensor([2, 1]), torch.randn(2, made.generator.size, generator=torch.Generator().manual_seed(0))
    unrolled = Unrolled(made)
    ahead = unrolled.look_ahead(rows, values(KNOBS, **AT), 3)
    given = {name: value.requires_grad_() for name, value in values(KNOBS, **AT).items()}
    state = ahead.path[0]
    for index, pair in enumerate(ahead.sources):
        draws, penalised = made.draws(*pair), index % every == 0
        new = unrolled.update(state, ahead.settings, given, *draws, penalised=penalised)
        state = PopulationState(*new)
    whole = torch.autograd.grad(state.ema, [*given.values()], by_ema, allow_unused=True, materialize_grads=True)
    for part, slope in zip(unrolled.pull_back(ahead, by_ema).values(), whole, strict=True):
        torch.testing.assert_close(part, slope, rtol=1e-3, atol=1e-5)
    assert all((slope != 0).all() for name, slope in zip(given, whole, strict=True) if name != "augment")


def test_the_compiled_way_back_is_the_eager_one(banks: Callable[[str], DataBank]) -> None:
    """Of the smallest networks and one knob, since it takes its time to compile."""
    slopes, rate = [], {"lr_g": torch.ones(2)}
    for compiled in (False, True):
        sizes = {"width_g": 4, "width_d": 4, "depth": 1, "ema_decay": 0.5, "knobs": ("lr_g",)}
        made = population(banks("points"), 2, compiled, **sizes)
        made.update(rate, 5)
        unrolled = Unrolled(made)
        ahead = unrolled.look_ahead(torch.arange(2), rate, 2)
        slopes.append(unrolled.pull_back(ahead, torch.ones_like(ahead.state.ema))["lr_g"])
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-2, atol=1e-6)
    assert (slopes[0].abs() > 1e-4).all()


@pytest.mark.parametrize("architecture", ["dcgan", "resnet", "r3gan"])
def test_images_can_be_differentiated_through_training(banks: Callable[[str], DataBank], architecture: str) -> None:
    unrolled = Unrolled(population(banks("images"), architecture=architecture, knobs=("r1", "lr_g")))
    ahead = unrolled.look_ahead(torch.arange(2), values(("r1", "lr_g"), r1=1.0, lr_g=0.5), 2)
    slopes = unrolled.pull_back(ahead, torch.ones_like(ahead.state.ema))
    assert all(slope.isfinite().all() and (slope != 0).all() for slope in slopes.values())
