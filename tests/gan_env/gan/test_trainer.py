"""An interval of training: which rows count as diverged."""

from collections.abc import Callable

import pytest
import torch
from populations import population, values

from gan_env.data.bank import DataBank
from gan_env.gan.population import Population
from gan_env.gan.trainer import train_interval
from gan_env.records import MEANS

KNOBS = ("instance_noise", "augment", "r1")


@pytest.fixture
def made(banks: Callable[[str], DataBank]) -> Population:
    """Four GANs of points."""
    return population(banks("points"), 4)


def test_divergence_is_found_in_its_row_alone(made: Population) -> None:
    made.state.d[1, 0] = torch.inf
    assert train_interval(made, values(KNOBS, 4), 2).finite.tolist() == [True, False, True, True]


@pytest.mark.parametrize("player", ["g", "d"])
def test_weights_beyond_ten_thousand_are_divergence(
    made: Population, monkeypatch: pytest.MonkeyPatch, player: str
) -> None:
    """With losses that stay small: the updates here leave everything as it is."""
    monkeypatch.setattr(made, "update", lambda knobs, count: None)
    getattr(made.state, player)[1:, 5] = torch.tensor([9_999.0, 10_001.0, -10_001.0])
    assert train_interval(made, values(KNOBS, 4), 2).finite.tolist() == [True, True, False, False]


@pytest.mark.parametrize("loss", ["loss_d", "loss_g"])
def test_losses_beyond_ten_thousand_are_divergence(
    made: Population, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    """The mean over the interval counts, here of two updates that change nothing but the sum of one loss."""

    def update(knobs: object, count: int) -> None:
        made.state.totals[1:, MEANS.index(loss)] = count * torch.tensor([9_999.0, 10_001.0, -10_001.0])

    monkeypatch.setattr(made, "update", update)
    assert train_interval(made, values(KNOBS, 4), 2).finite.tolist() == [True, True, False, False]


def test_a_discriminator_of_middling_weights_whose_losses_explode_has_diverged(made: Population) -> None:
    """Logits are the product of three layers. The rows beside it train on as if it were as before."""
    before = made.get_state()
    made.state.d[1] *= 300
    finite = train_interval(made, values(KNOBS, 4), 2).finite
    assert finite.tolist() == [True, False, True, True]
    assert made.state.d[1].abs().max() < 1_000
    beside = made.get_state()
    made.set_state(before)
    train_interval(made, values(KNOBS, 4), 2)
    assert all(torch.equal(beside[name][[0, 2, 3]], tensor[[0, 2, 3]]) for name, tensor in made.get_state().items())
