"""One update, knob by knob: exactly off at its neutral value, and at others an effect in its own row alone."""

from collections.abc import Callable

import pytest
import torch
from populations import IMAGE_KNOBS, POINT_KNOBS, population, settings, trained, values

from gan_env.data.bank import DataBank
from gan_env.errors import ConfigError
from gan_env.gan.fast import convolutions
from gan_env.gan.networks import ARCHITECTURES
from gan_env.gan.population import Population
from gan_env.mdp.knobs import knob_table
from gan_env.records import MEANS

STRONG = {"latent_noise": 1.5, "lr_g": 0.5, "lr_d": 0.5}  # values that act; of other knobs the middle of the range
NEEDS = {"augment_strength": {"augment": 0.8}}  # without which a knob has nothing to act on


@pytest.mark.parametrize("network", ["points", *ARCHITECTURES])
def test_knobs_that_do_nothing_leave_a_run_as_it_is_without_them(
    banks: Callable[[str], DataBank], network: str
) -> None:
    """Bit by bit: all knobs together at their neutral values, against a program that knows of none."""
    with_all, without = made(banks, network, all_knobs(network)), made(banks, network, ())
    with_all.update(values(all_knobs(network)), 3)
    without.update({}, 3)
    assert_same(with_all, without)


@pytest.mark.parametrize("network", ["points", "dcgan"])
def test_the_compiled_program_is_the_eager_one(
    banks: Callable[[str], DataBank], network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All knobs acting, each row at values of its own; on points then all at their neutral values, as without any.

    The other networks of images take minutes to compile and are left out. Convolutions are the library's: products of
    neighbourhoods are fused with what comes before, and round otherwise in another program.
    """
    monkeypatch.setattr(convolutions, "FEW_NUMBERS", 0)
    names = all_knobs(network)
    compiled, eager = (made(banks, network, names, compiled=c) for c in (True, False))
    acting = values(names, **{name: strong(name) for name in names})
    acting = {name: value * torch.tensor([1.0, 0.7]) for name, value in acting.items()}
    for program in (compiled, eager):
        program.update(acting, 3)
    for theirs, ours in zip(eager.state.tensors(), compiled.state.tensors(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    if network == "points":
        without = made(banks, network, (), compiled=True)
        compiled.reset(torch.arange(2), settings(2))
        compiled.update(values(names), 3)
        without.update({}, 3)
        assert_same(compiled, without)


def all_knobs(network: str) -> tuple[str, ...]:
    return POINT_KNOBS if network == "points" else IMAGE_KNOBS


def made(banks: Callable[[str], DataBank], network: str, knobs: tuple[str, ...], compiled: bool = False) -> Population:
    if network == "points":
        return population(banks("points"), knobs=knobs, compiled=compiled, depth=1)
    return population(banks("images"), knobs=knobs, compiled=compiled, architecture=network, width_g=4, width_d=4)


def assert_same(first: Population, second: Population) -> None:
    for name in ("g", "d", "ema", "mean_g", "mean_d", "totals"):
        assert torch.equal(getattr(first.state, name), getattr(second.state, name)), name


def strong(name: str) -> float:
    return STRONG.get(name, sum(knob_table()[name].bounds) / 2)


EVERY_KNOB = [("points", name) for name in POINT_KNOBS] + [("images", name) for name in IMAGE_KNOBS]


@pytest.mark.parametrize(("kind", "name"), EVERY_KNOB)
def test_knobs_that_do_nothing_leave_one_that_acts_alone(
    banks: Callable[[str], DataBank], kind: str, name: str
) -> None:
    everything = POINT_KNOBS if kind == "points" else IMAGE_KNOBS
    given = {name: strong(name), **NEEDS.get(name, {})}
    with_all, with_few = trained(banks(kind), everything, **given), trained(banks(kind), tuple(given), **given)
    assert torch.equal(with_all.g, with_few.g)
    assert torch.equal(with_all.d, with_few.d)


@pytest.mark.parametrize(("kind", "name"), EVERY_KNOB)
def test_every_knob_does_something_in_its_own_row_alone(banks: Callable[[str], DataBank], kind: str, name: str) -> None:
    names = (name, *NEEDS.get(name, {}))
    made, plain = (population(banks(kind), knobs=names) for _ in range(2))
    off = values(names, **NEEDS.get(name, {}))
    on = off | {name: off[name].clone()}
    on[name][1] = strong(name)
    made.update(on, 3)
    plain.update(off, 3)
    assert torch.equal(made.state.d[0], plain.state.d[0])
    assert not torch.equal(made.state.d[1], plain.state.d[1])


def test_the_learning_rate_knobs_are_factors(banks: Callable[[str], DataBank]) -> None:
    """Of Adam's first step, which is the rate times the gradient's sign."""
    start = population(banks("points")).state
    whole, half = trained(banks("points"), (), 1), trained(banks("points"), ("lr_g", "lr_d"), 1, lr_g=0.5, lr_d=0.25)
    torch.testing.assert_close((half.d - start.d) / 0.25, whole.d - start.d, rtol=1e-3, atol=1e-6)
    moved, half_moved = (whole.g - start.g).abs().amax(dim=1), (half.g - start.g).abs().amax(dim=1)
    torch.testing.assert_close(half_moved, moved / 2, rtol=1e-3, atol=0)


@pytest.mark.parametrize("name", ["r1", "r2", "gp"])
def test_lazy_penalties_are_those_of_some_updates_with_as_many_times_the_weight(
    banks: Callable[[str], DataBank], name: str
) -> None:
    lazy, plain = (
        population(banks("points"), knobs=(name,), penalty_every=2),
        population(banks("points"), knobs=(name,)),
    )
    lazy.update(values((name,), **{name: 0.5}), 4)
    slopes, slope = [], MEANS.index("penalty")
    for weight in (1.0, 0.0, 1.0, 0.0):
        plain.state.totals.zero_()
        plain.update(values((name,), **{name: weight}), 1)
        slopes.append(plain.state.totals[:, slope].clone())
    torch.testing.assert_close(lazy.state.d, plain.state.d)
    torch.testing.assert_close(lazy.state.totals[:, slope] / 4, (slopes[0] + slopes[2]) / 2)


def test_full_spectral_normalisation_bounds_what_the_discriminator_says(banks: Callable[[str], DataBank]) -> None:
    made = population(banks("points"), knobs=("spectral",))
    knobs = values(("spectral",), spectral=1.0)
    made.update(knobs, 30)
    made.state.d.mul_(100)  # whatever the weights, the function has a slope of at most one (biases are not weights)
    step = torch.tensor([[[1e-2, 0.0]]])
    x = torch.zeros(2, 1, 2)
    low, high = (made._update.clean_logits(made.state, y, knobs) for y in (x, x + step))
    assert ((high - low).abs() <= 1.02e-2).all()
    raw = made.discriminator(made.state.d, x + step) - made.discriminator(made.state.d, x)
    assert (raw.abs() > 1.0).any()


@pytest.mark.parametrize("name", ["flip", "translate", "color", "cutout"])
def test_a_knob_of_images_is_refused_for_points(banks: Callable[[str], DataBank], name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*images"):
        population(banks("points"), knobs=(name,))
