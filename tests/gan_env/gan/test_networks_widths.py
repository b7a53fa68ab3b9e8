"""Initial weights, and rows that are narrower than the tensors that hold them."""

import math
from dataclasses import replace

import pytest
import torch
from row_networks import BATCH, FULL, IMAGE, KEYS, NARROW, NETWORKS, ROWS, WIDE, build, random
from torch import Tensor

from gan_env.gan.layers import LEAKY_GAIN, Layer, Network
from gan_env.gan.losses import gradient_penalty
from gan_env.gan.networks import ARCHITECTURES
from gan_env.seeding import fold_in, normal

# --- initialisation ---


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rows_initial_weights_are_the_same_alone(name: str) -> None:
    network, width = NETWORKS[name][0](WIDE), torch.tensor([1.0, 0.5, 0.25])
    together = network.init(KEYS, width)
    assert together.shape == (ROWS, network.size)
    for i in range(ROWS):
        assert torch.equal(together[i : i + 1], network.init(KEYS[i : i + 1], width[i : i + 1]))


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_and_layers_start_with_different_weights(name: str) -> None:
    network = NETWORKS[name][0](WIDE)
    weights = network.init(KEYS, FULL)
    nonzero = weights[weights != 0]
    assert len(nonzero.unique()) > 0.99 * len(nonzero)


RELU, LEAKY = math.sqrt(2), math.sqrt(2 / 1.04)  # He et al. 2015 (arXiv:1502.01852); the leaky slope is 0.2
BRANCH = LEAKY * 3**-0.25  # of three blocks, by Zhang et al. 2019 (arXiv:1901.09321), for branches of three layers
BOTTLENECK = [(BRANCH, 16), (BRANCH, 9 * 16), (0, 32)]
POOLED = [(1, 16), (RELU, 9 * 16), (RELU, 9 * 16)]  # the shortcut, and two 3 x 3 convolutions
NORM = (0, 1)  # all of its weights are alike
STARTS = {
    "mlp": ([(LEAKY, 4), (LEAKY, 16), (1, 16)], [(LEAKY, 3 * 256), (LEAKY, 16), (1, 16)]),
    "dcgan": (
        [(LEAKY, 4), (LEAKY, 4 * 32), (1, 4 * 16)],  # of 4 x 4 taps, each pixel of a doubled image sees 4
        [(LEAKY, 16 * 3), (LEAKY, 16 * 16), (1, 16 * 32)],
    ),
    "dcgan_bn": (
        [(LEAKY, 4), NORM, (LEAKY, 4 * 32), NORM, (1, 4 * 16)],
        [(LEAKY, 16 * 3), (LEAKY, 16 * 16), NORM, (1, 16 * 32)],
    ),
    "resnet": (
        [(1, 4), *POOLED, *POOLED, (1, 9 * 16)],
        # The head is as if the sum over 4 x 4 pixels were their mean.
        [(1, 3), (1, 9 * 3), (RELU, 9 * 16), *POOLED, *[(RELU, 9 * 16)] * 4, (1 / 16, 16)],
    ),
    "r3gan": (
        [(1, 4), (1, 1), *BOTTLENECK * 3, (1, 16)],
        [(1, 3), *BOTTLENECK * 3, (1, 16 * 16)],
    ),
}
"""Of images 3 x 16 x 16 and 16 channels, for each layer of generator and discriminator: gain, and inputs of a unit."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_starts_at_the_size_that_its_paper_gives(name: str) -> None:
    """Within five standard errors of a standard deviation of so many weights."""
    for network, starts in zip(build(name, 16, (3, 16, 16)), STARTS[name], strict=True):
        tensors = network.split(network.init(torch.arange(200), torch.ones(200)))
        for (weight, _), (gain, fan_in) in zip(tensors, starts, strict=True):
            error = 5 / math.sqrt(2 * weight.numel())
            assert weight.std().item() == pytest.approx(gain / math.sqrt(fan_in), rel=error)


def expected_std(layer: Layer) -> float:
    """He et al. 2015 (arXiv:1502.01852); the weights of a norm are all alike."""
    if layer.kind == "norm":
        return 0.0
    taps = {"linear": 1, "down": 16, "up": 4, "conv": layer.side**2, "basis": 1}[layer.kind]
    return layer.gain / math.sqrt(taps * layer.inputs / layer.groups)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", NETWORKS)
def test_initial_weights_have_the_variance_of_the_smaller_network_and_biases_are_zero(name: str, width: int) -> None:
    make = NETWORKS[name][0]
    network, smaller = make(WIDE), make(width)
    tensors = network.split(network.init(torch.arange(200), torch.full((200,), width / WIDE)))
    for (weight, bias), layer in zip(tensors, smaller.layers, strict=True):
        used_weights = weight[weight != 0]
        if layer.gain > 0:
            assert used_weights.std().item() == pytest.approx(expected_std(layer), rel=0.06)
        else:
            assert len(used_weights) == 0
        assert (bias == 0).all()


def test_initial_weights_are_the_keys_own_draws() -> None:
    """One stream a layer, in the order of the layers: what a seed means must not change."""
    network = build("dcgan")[1]
    for index, (layer, (weight, _)) in enumerate(
        zip(network.layers, network.split(network.init(KEYS, FULL)), strict=True)
    ):
        draws = normal(fold_in(KEYS, index), *layer.weight_shape)
        torch.testing.assert_close(weight, draws * expected_std(layer), rtol=1e-5, atol=0)
    assert [layer.gain for layer in network.layers] == [LEAKY_GAIN, LEAKY_GAIN, 1.0]


# --- narrower rows in the same tensors ---


def used(wide: Network, narrow: Network) -> Tensor:
    """Which parameters of the wide network [P] are the narrow network's: the first of each layer's both sides."""
    masks = []
    for big, small in zip(wide.layers, narrow.layers, strict=True):
        weight = torch.zeros(big.weight_shape, dtype=torch.bool)
        weight[tuple(slice(n) for n in small.weight_shape)] = True
        masks += [weight.flatten(), torch.arange(big.outputs) < small.outputs]
    return torch.cat(masks)


def awake(network: Network) -> Network:
    """Without the layers that start at zero."""
    return replace(network, layers=tuple(replace(layer, gain=1.0) for layer in network.layers))


def narrow_rows(wide: Network, mask: Tensor) -> Tensor:
    """Rows of half the width, initialised and then changed wherever training may change them."""
    weights = wide.init(KEYS, torch.full((ROWS,), NARROW / WIDE))
    return weights + 0.2 * random(ROWS, wide.size, seed=7) * mask


@pytest.mark.parametrize("name", NETWORKS)
def test_units_beyond_the_width_start_at_zero(name: str) -> None:
    make = NETWORKS[name][0]
    wide, narrow = awake(make(WIDE)), make(NARROW)
    weights, mask = wide.init(KEYS, torch.full((ROWS,), NARROW / WIDE)), used(wide, narrow)
    assert (weights[:, ~mask] == 0).all()
    biases = sum(layer.outputs for layer in narrow.layers)
    assert ((weights[:, mask] != 0).sum(dim=1) == narrow.size - biases).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_narrow_row_is_the_smaller_network(name: str) -> None:
    make, shape = NETWORKS[name]
    wide, narrow = make(WIDE), make(NARROW)
    mask = used(wide, narrow)
    weights, x = narrow_rows(wide, mask), random(ROWS, BATCH, *shape)
    assert mask.sum() == narrow.size
    torch.testing.assert_close(wide(weights, x), narrow(weights[:, mask], x), rtol=1e-4, atol=1e-5)


GANS = [("mlp", (2,)), *((name, IMAGE) for name in ARCHITECTURES)]


@pytest.mark.parametrize(("name", "shape"), GANS)
def test_units_beyond_the_width_get_no_gradient_from_losses_and_penalty(name: str, shape: tuple[int, ...]) -> None:
    """Exactly zero, also by the penalty's second derivative, so that no optimiser ever wakes them."""
    (wide_g, wide_d), (narrow_g, narrow_d) = build(name, WIDE, shape), build(name, NARROW, shape)
    mask_g, mask_d = used(wide_g, narrow_g), used(wide_d, narrow_d)
    g, d = narrow_rows(wide_g, mask_g).requires_grad_(), narrow_rows(wide_d, mask_d).requires_grad_()
    real = random(ROWS, BATCH, *shape).requires_grad_()
    weights = torch.full((ROWS, BATCH), 1 / BATCH)

    penalty = gradient_penalty(wide_d(d, real).squeeze(-1), real, weights).sum()
    (by_penalty,) = torch.autograd.grad(penalty, d)
    fake = wide_g(g, random(ROWS, BATCH, 4, seed=3))
    by_loss_d, by_loss_g = torch.autograd.grad(wide_d(d, fake).square().sum(), (d, g))

    for gradient, mask in ((by_penalty, mask_d), (by_loss_d, mask_d), (by_loss_g, mask_g)):
        assert (gradient[:, ~mask] == 0).all()
        assert (gradient[:, mask] != 0).float().mean() > 0.5
