import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from gan_env.gan.losses import LOSSES, batch_weights, gradient_penalty, interpolation_penalty, mean


def logits(seed: int) -> Tensor:
    return 3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))


SIZES = torch.tensor([6, 3, 1, 5])
WEIGHTS = batch_weights(SIZES, 6)
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def players(name: str) -> tuple[Loss, Loss]:
    """What discriminator and generator minimise, as means over each row's own samples."""
    loss = LOSSES[name]
    return (
        lambda real, fake, weights: mean(loss.discriminator(real, fake), weights),
        lambda real, fake, weights: mean(loss.generator(real, fake), weights),
    )


discriminator_loss, _ = players("non_saturating")


def generator_loss(fake: Tensor, weights: Tensor) -> Tensor:
    return players("non_saturating")[1](torch.full_like(fake, torch.nan), fake, weights)


def test_weights_are_the_share_of_each_used_sample() -> None:
    expected = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    assert torch.equal(batch_weights(torch.tensor([2, 4]), 4), expected)


def test_mean_is_over_the_first_batch_size_samples() -> None:
    values = logits(0)
    expected = torch.stack([values[i, :size].mean() for i, size in enumerate(SIZES.tolist())])
    torch.testing.assert_close(mean(values, WEIGHTS), expected)


def test_discriminator_loss_is_the_cross_entropy_written_out() -> None:
    real, fake = logits(0), logits(1)
    losses = -torch.log(torch.sigmoid(real.double())) - torch.log(1 - torch.sigmoid(fake.double()))
    expected = torch.stack([losses[i, :size].mean() for i, size in enumerate(SIZES.tolist())])
    torch.testing.assert_close(discriminator_loss(real, fake, WEIGHTS), expected.float())


def test_generator_loss_is_the_non_saturating_loss_written_out() -> None:
    fake = logits(1)
    losses = -torch.log(torch.sigmoid(fake.double()))
    expected = torch.stack([losses[i, :size].mean() for i, size in enumerate(SIZES.tolist())])
    torch.testing.assert_close(generator_loss(fake, WEIGHTS), expected.float())


def test_an_undecided_discriminator_loses_two_logarithms_of_two() -> None:
    zeros = torch.zeros(4, 6)
    torch.testing.assert_close(discriminator_loss(zeros, zeros, WEIGHTS), torch.full((4,), 2 * 0.69314718))


def test_the_generator_gradient_does_not_vanish_when_the_discriminator_is_sure() -> None:
    """What "non-saturating" is for: the gradient towards a fooled discriminator tends to -1 times the weight."""
    fake = torch.full((4, 6), -30.0, requires_grad=True)
    generator_loss(fake, WEIGHTS).sum().backward()
    torch.testing.assert_close(fake.grad, -WEIGHTS)


def test_losses_are_finite_for_huge_logits() -> None:
    huge = torch.full((4, 6), 1e4)
    torch.testing.assert_close(discriminator_loss(-huge, huge, WEIGHTS), torch.full((4,), 2e4))
    torch.testing.assert_close(generator_loss(-huge, WEIGHTS), torch.full((4,), 1e4))


def test_padding_has_no_effect_on_losses() -> None:
    real, fake = logits(0), logits(1)
    padding = WEIGHTS == 0
    other_real, other_fake = torch.where(padding, 1e3, real), torch.where(padding, -1e3, fake)
    assert torch.equal(discriminator_loss(real, fake, WEIGHTS), discriminator_loss(other_real, other_fake, WEIGHTS))
    assert torch.equal(generator_loss(fake, WEIGHTS), generator_loss(other_fake, WEIGHTS))


def test_padding_gets_no_gradient() -> None:
    fake = logits(1).requires_grad_()
    generator_loss(fake, WEIGHTS).sum().backward()
    assert torch.equal(fake.grad == 0, WEIGHTS == 0)


def inputs() -> Tensor:
    return torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()


def test_penalty_of_a_linear_discriminator_is_its_squared_weight() -> None:
    """Whatever the inputs and the batch size."""
    x, w = inputs(), torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    penalty = gradient_penalty((x * w[:, None]).sum(dim=2), x, WEIGHTS)
    torch.testing.assert_close(penalty, torch.tensor([9.0, 0.25, 0.0, 25.0]))


def test_penalty_can_be_differentiated_again() -> None:
    """The gradient of ||w||^2 is 2 w."""
    x = inputs()
    w = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0], [3.0, 0.0, 4.0]], requires_grad=True)
    gradient_penalty((x * w[:, None]).sum(dim=2), x, WEIGHTS).sum().backward()
    torch.testing.assert_close(w.grad, 2 * w.detach())


def test_penalty_of_a_quadratic_discriminator_is_the_mean_over_used_samples() -> None:
    """The gradient of ||x||^2 is 2 x."""
    x = inputs()
    penalty = gradient_penalty(x.square().sum(dim=2), x, WEIGHTS)
    each = 4 * x.detach().square().sum(dim=2)
    expected = torch.stack([each[i, :size].mean() for i, size in enumerate(SIZES.tolist())])
    torch.testing.assert_close(penalty, expected)


def test_penalty_of_images_sums_over_all_pixels() -> None:
    x = torch.zeros(4, 6, 2, 5, 5, requires_grad=True)
    penalty = gradient_penalty(3 * x.sum(dim=(2, 3, 4)), x, WEIGHTS)
    torch.testing.assert_close(penalty, torch.full((4,), 9.0 * 2 * 5 * 5))


def test_rows_of_the_penalty_are_independent() -> None:
    x = inputs()
    together = gradient_penalty(torch.sin(x).sum(dim=2), x, WEIGHTS)
    for i in range(4):
        alone = x.detach()[i : i + 1].requires_grad_()
        penalty = gradient_penalty(torch.sin(alone).sum(dim=2), alone, WEIGHTS[i : i + 1])
        assert torch.equal(together[i : i + 1], penalty)


# --- the table of losses ---


def log_sigmoid(x: float) -> float:
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


PAPERS: dict[str, tuple[Callable[[float, float], float], Callable[[float, float], float]]] = {
    "non_saturating": (lambda r, f: -log_sigmoid(r) - log_sigmoid(-f), lambda r, f: -log_sigmoid(f)),
    "hinge": (lambda r, f: max(0.0, 1 - r) + max(0.0, 1 + f), lambda r, f: -f),
    "wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "least_squares": (lambda r, f: 0.5 * (r - 1) ** 2 + 0.5 * f**2, lambda r, f: 0.5 * (f - 1) ** 2),
    "relativistic": (lambda r, f: -log_sigmoid(r - f), lambda r, f: -log_sigmoid(f - r)),
}


def written_out(formula: Callable[[float, float], float], real: Tensor, fake: Tensor) -> Tensor:
    """The mean of a formula over each row's own samples, one at a time."""
    means = []
    for i, size in enumerate(SIZES.tolist()):
        means.append(sum(formula(real[i, j].item(), fake[i, j].item()) for j in range(size)) / size)
    return torch.tensor(means)


def test_every_loss_has_its_paper() -> None:
    assert set(PAPERS) == set(LOSSES)


@pytest.mark.parametrize("name", PAPERS)
@given(seed=st.integers(0, 1000))
def test_losses_are_their_papers_formulas(name: str, seed: int) -> None:
    real, fake = logits(seed), logits(seed + 1)
    for function, formula in zip(players(name), PAPERS[name], strict=True):
        torch.testing.assert_close(
            function(real, fake, WEIGHTS), written_out(formula, real, fake), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("name", LOSSES)
def test_padding_changes_no_loss_and_gets_no_gradient(name: str) -> None:
    real, fake, padding = logits(0), logits(1), WEIGHTS == 0
    other_real, other_fake = torch.where(padding, 1e3, real).requires_grad_(), torch.where(padding, -1e3, fake)
    other_fake.requires_grad_()
    for function in players(name):
        loss = function(other_real, other_fake, WEIGHTS)
        assert torch.equal(function(real, fake, WEIGHTS), loss)
        gradients = torch.autograd.grad(loss.sum(), (other_real, other_fake), allow_unused=True)
        assert all((gradient[padding] == 0).all() for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("name", LOSSES)
def test_the_players_pull_the_fake_logits_apart(name: str) -> None:
    """Near an undecided discriminator: it lowers them, the generator raises them."""
    real, fake = 0.1 * logits(0), (0.1 * logits(1)).requires_grad_()
    discriminator, generator = players(name)
    down = torch.autograd.grad(discriminator(real, fake + 0.5, WEIGHTS).sum(), fake)[0]
    up = torch.autograd.grad(generator(real, fake, WEIGHTS).sum(), fake)[0]
    assert (down[WEIGHTS > 0] > 0).all()
    assert (up[WEIGHTS > 0] < 0).all()


@given(shift=st.floats(-5, 5))
def test_a_relativistic_loss_knows_only_differences(shift: float) -> None:
    real, fake = logits(0), logits(1)
    for function in players("relativistic"):
        torch.testing.assert_close(function(real + shift, fake + shift, WEIGHTS), function(real, fake, WEIGHTS))


@pytest.mark.parametrize("name", LOSSES)
def test_rows_of_every_loss_are_independent(name: str) -> None:
    """To the bit, whatever other rows hold; a row alone has another shape, which may round otherwise."""
    real, fake = logits(0), logits(1)
    for function in players(name):
        together = function(real, fake, WEIGHTS)
        for i in range(4):
            others = torch.arange(4)[:, None] != i
            changed = function(torch.where(others, 9.0, real), torch.where(others, -9.0, fake), WEIGHTS)
            assert torch.equal(changed[i], together[i])
            alone = function(real[i : i + 1], fake[i : i + 1], WEIGHTS[i : i + 1])
            torch.testing.assert_close(alone[0], together[i], rtol=1e-6, atol=0)


# --- the penalty between real and fake ---


def small_critic(parameters: Tensor, x: Tensor) -> Tensor:
    """A smooth network a row: parameters [N, 3, 2], x [N, B, 2] -> [N, B]."""
    return torch.tanh(x @ parameters.mT).sum(dim=2)


def sample(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


REAL, FAKE = sample(4, 6, 2, seed=3), sample(4, 6, 2, seed=4)
MIX = torch.rand(4, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
CRITIC = sample(4, 3, 2, seed=6)


def test_interpolation_penalty_is_the_papers_formula_sample_by_sample() -> None:
    penalty = interpolation_penalty(lambda x: small_critic(CRITIC, x), REAL, FAKE, MIX, WEIGHTS.double())
    for i, size in enumerate(SIZES.tolist()):
        terms = []
        for j in range(size):
            x = (MIX[i, j] * REAL[i, j] + (1 - MIX[i, j]) * FAKE[i, j]).requires_grad_()
            (gradient,) = torch.autograd.grad(torch.tanh(CRITIC[i] @ x).sum(), x)
            terms.append((gradient.norm() - 1) ** 2)
        torch.testing.assert_close(penalty[i], sum(terms) / size, check_dtype=False)


def test_gradients_of_both_penalties_match_finite_differences() -> None:
    def interpolated(parameters: Tensor) -> Tensor:
        return interpolation_penalty(lambda x: small_critic(parameters, x), REAL, FAKE, MIX, WEIGHTS.double())

    def r1(parameters: Tensor) -> Tensor:
        x = REAL.clone().requires_grad_()
        return gradient_penalty(small_critic(parameters, x), x, WEIGHTS.double())

    parameters = CRITIC.clone().requires_grad_()
    assert torch.autograd.gradcheck(interpolated, parameters)
    assert torch.autograd.gradcheck(r1, parameters)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if math.isfinite(loss.margin)])
@given(beyond=st.floats(-20, 20))
def test_beyond_the_margin_alone_the_discriminators_loss_is_flat(name: str, beyond: float) -> None:
    """Its slope is a tenth of the steepest, which is 1, or less; on real and, mirrored, on fake logits."""
    loss = LOSSES[name]
    assert loss.middle is not None
    for side in (1, -1):
        at = torch.tensor(loss.middle + side * beyond, requires_grad=True)
        real, fake = (at, torch.zeros(())) if side == 1 else (torch.zeros(()), at)
        (slope,) = torch.autograd.grad(loss.discriminator(real, fake), at)
        if abs(beyond - loss.margin) > 1e-3:
            assert (slope.abs() < 0.1) == (beyond > loss.margin)


def test_a_flat_critic_is_penalised_by_one_and_its_gradient_is_finite() -> None:
    """At zero the norm has no derivative: an unguarded square root gives NaN."""
    parameters = torch.zeros(4, 3, 2, dtype=torch.float64, requires_grad=True)
    penalty = interpolation_penalty(lambda x: small_critic(parameters, x), REAL, FAKE, MIX, WEIGHTS.double())
    torch.testing.assert_close(penalty, torch.ones(4, dtype=torch.float64))
    penalty.sum().backward()
    assert torch.equal(parameters.grad, torch.zeros_like(parameters))


def test_a_critic_of_slope_one_is_not_penalised() -> None:
    direction = torch.tensor([0.6, 0.8], dtype=torch.float64)
    penalty = interpolation_penalty(lambda x: x @ direction, REAL, FAKE, MIX, WEIGHTS.double())
    torch.testing.assert_close(penalty, torch.zeros(4, dtype=torch.float64))


def test_interpolation_penalty_takes_images() -> None:
    real, fake = sample(4, 6, 1, 4, 4, seed=0), sample(4, 6, 1, 4, 4, seed=1)
    penalty = interpolation_penalty(lambda x: 0.5 * x.sum(dim=(2, 3, 4)), real, fake, MIX, WEIGHTS.double())
    torch.testing.assert_close(penalty, torch.ones(4, dtype=torch.float64))  # the norm is 0.5 * sqrt(16) = 2


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_with_penalty_can_be_traced_into_one_graph(name: str) -> None:
    def gradient(parameters: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        parameters = parameters.detach().requires_grad_()
        penalty = interpolation_penalty(lambda x: small_critic(parameters, x), real, fake, MIX, WEIGHTS.double())
        logits = small_critic(parameters, real), small_critic(parameters, fake)
        total = penalty + sum(loss(*logits, WEIGHTS) for loss in players(name))
        return torch.autograd.grad(total.sum(), parameters)[0]

    graph = make_fx(gradient)(CRITIC, REAL, FAKE)
    other = (0.5 * CRITIC, FAKE, REAL)
    torch.testing.assert_close(graph(*other), gradient(*other))
