import torch
from torch import Tensor

from gan_env.gan.losses import batch_weights, discriminator_loss, generator_loss, gradient_penalty, mean


def logits(seed: int) -> Tensor:
    return 3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))


SIZES = torch.tensor([6, 3, 1, 5])
WEIGHTS = batch_weights(SIZES, 6)


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


def test_rows_of_losses_are_independent() -> None:
    real, fake = logits(0), logits(1)
    for i in range(4):
        row = slice(i, i + 1)
        alone = discriminator_loss(real[row], fake[row], WEIGHTS[row])
        assert torch.equal(discriminator_loss(real, fake, WEIGHTS)[row], alone)


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
