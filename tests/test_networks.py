import math

import pytest
import torch
from torch import Tensor, nn

from gan_env.gan.losses import gradient_penalty
from gan_env.gan.networks import SLOPE, Layer, Network, dcgan, mlp

ROWS, BATCH = 3, 5
KEYS = torch.arange(ROWS) + 40
FULL = torch.ones(ROWS)
WIDE, NARROW = 8, 4  # units of the full networks, and of the rows that use half of them


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- shapes ---


def test_mlp_shapes() -> None:
    generator, discriminator = mlp(latent_dim=4, width=WIDE, depth=3, features=2)
    samples = generator(generator.init(KEYS, FULL), random(ROWS, BATCH, 4))
    assert samples.shape == (ROWS, BATCH, 2)
    assert discriminator(discriminator.init(KEYS, FULL), samples).shape == (ROWS, BATCH, 1)


@pytest.mark.parametrize("side", [16, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_dcgan_shapes(side: int, channels: int) -> None:
    generator, discriminator = dcgan(latent_dim=4, width=2, sample_shape=(channels, side, side))
    samples = generator(generator.init(KEYS, FULL), random(ROWS, BATCH, 4))
    assert samples.shape == (ROWS, BATCH, channels, side, side)
    assert discriminator(discriminator.init(KEYS, FULL), samples).shape == (ROWS, BATCH, 1)


@pytest.mark.parametrize(("depth", "layers"), [(1, 2), (3, 4)])
def test_depth_is_the_number_of_hidden_layers(depth: int, layers: int) -> None:
    for network in mlp(latent_dim=4, width=WIDE, depth=depth, features=2):
        assert len(network.layers) == layers


def test_image_generators_are_bounded_and_point_generators_are_not() -> None:
    z = 100 * random(ROWS, BATCH, 4)
    images, points = dcgan(4, 2, (1, 8, 8))[0], mlp(4, WIDE, 2, 2)[0]
    assert images(images.init(KEYS, FULL), z).abs().max() <= 1
    assert points(points.init(KEYS, FULL), z).abs().max() > 1


# --- a row is the network that torch.nn would build ---


def with_weights(module: nn.Sequential, network: Network, row: Tensor) -> nn.Sequential:
    """Puts one row's parameters [P] into torch's layers."""
    parts = row.split(network.sizes)
    targets = [m for m in module if list(m.parameters())]
    assert len(targets) == len(network.layers)
    for i, (target, layer) in enumerate(zip(targets, network.layers, strict=True)):
        weight = parts[2 * i].view(layer.weight_shape)
        target.weight.data = weight.T if layer.kind == "linear" else weight
        target.bias.data = parts[2 * i + 1]
    return module


def parameters(network: Network, seed: int = 1) -> Tensor:
    """Random weights and biases: initialised ones have biases of zero."""
    return 0.3 * random(ROWS, network.size, seed=seed)


def check_rows(network: Network, module: nn.Sequential, x: Tensor) -> None:
    weights = parameters(network)
    output = network(weights, x)
    for i in range(ROWS):
        torch.testing.assert_close(output[i], with_weights(module, network, weights[i])(x[i]), rtol=1e-4, atol=1e-5)


def test_mlp_generator_is_a_sequential() -> None:
    module = nn.Sequential(
        nn.Linear(4, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, 2)
    )
    check_rows(mlp(4, WIDE, 2, 2)[0], module, random(ROWS, BATCH, 4))


def test_mlp_discriminator_is_a_sequential() -> None:
    module = nn.Sequential(
        nn.Linear(2, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, 1)
    )
    check_rows(mlp(4, WIDE, 2, 2)[1], module, random(ROWS, BATCH, 2))


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (28, 1), (16, 3)])
def test_dcgan_generator_is_a_sequential(side: int, channels: int) -> None:
    module = nn.Sequential(
        nn.Linear(4, 2 * WIDE * (side // 4) ** 2),
        nn.Unflatten(1, (2 * WIDE, side // 4, side // 4)),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(2 * WIDE, WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(WIDE, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    check_rows(dcgan(4, WIDE, (channels, side, side))[0], module, random(ROWS, BATCH, 4))


@pytest.mark.parametrize(("side", "channels"), [(16, 1), (28, 1), (16, 3)])
def test_dcgan_discriminator_is_a_sequential(side: int, channels: int) -> None:
    module = nn.Sequential(
        nn.Conv2d(channels, WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDE, 2 * WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(2 * WIDE * (side // 4) ** 2, 1),
    )
    check_rows(dcgan(4, WIDE, (channels, side, side))[1], module, random(ROWS, BATCH, channels, side, side))


NETWORKS = {
    "mlp generator": (lambda width: mlp(4, width, 2, 2)[0], (4,)),
    "mlp discriminator": (lambda width: mlp(4, width, 2, 2)[1], (2,)),
    "dcgan generator": (lambda width: dcgan(4, width, (1, 8, 8))[0], (4,)),
    "dcgan discriminator": (lambda width: dcgan(4, width, (1, 8, 8))[1], (1, 8, 8)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_depends_on_its_own_parameters_and_inputs_alone(name: str) -> None:
    build, shape = NETWORKS[name]
    network = build(WIDE)
    weights, x = parameters(network), random(ROWS, BATCH, *shape)
    other_weights, other_x = weights.clone(), x.clone()
    other_weights[1], other_x[1] = 9.0, 9.0
    before, after = network(weights, x), network(other_weights, other_x)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_is_the_same_alone(name: str) -> None:
    build, shape = NETWORKS[name]
    network = build(WIDE)
    weights, x = parameters(network), random(ROWS, BATCH, *shape)
    together = network(weights, x)
    for i in range(ROWS):
        row = slice(i, i + 1)
        torch.testing.assert_close(together[row], network(weights[row], x[row]), rtol=1e-5, atol=1e-6)


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


def expected_std(network: Network, index: int, share: float) -> float:
    """He et al. 2015 (arXiv:1502.01852) for leaky ReLU; the last layer has none behind it."""
    layer = network.layers[index]
    gain = 1.0 if index == len(network.layers) - 1 else math.sqrt(2 / (1 + SLOPE**2))
    summed = {"linear": 1, "down": 16, "up": 4}[layer.kind] * layer.inputs * (share if layer.narrow_inputs else 1)
    return gain / math.sqrt(summed)


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("name", NETWORKS)
def test_initial_weights_have_hes_variance_and_biases_are_zero(name: str, share: float) -> None:
    network = NETWORKS[name][0](WIDE)
    parts = network.init(torch.arange(200), torch.full((200,), share)).split(network.sizes, dim=1)
    for i in range(len(network.layers)):
        weight, bias = parts[2 * i], parts[2 * i + 1]
        used = weight[weight != 0]
        assert used.std().item() == pytest.approx(expected_std(network, i, share), rel=0.05)
        assert (bias == 0).all()


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_initialisation_keeps_the_signal_through_a_deep_network(share: float) -> None:
    """The mean square of the outputs is that of the inputs, whatever the depth and the width."""
    layers = [Layer("linear", 64, 64, narrow_inputs=False), *[Layer("linear", 64, 64)] * 4]
    network = Network((*layers, Layer("linear", 64, 64, narrow_outputs=False)))
    output = network(network.init(torch.arange(50), torch.full((50,), share)), random(50, 20, 64))
    assert 0.6 < output.square().mean() < 1.6


# --- narrower rows in the same tensors ---


def used(wide: Network, narrow: Network) -> Tensor:
    """Which parameters of the wide network [P] are the narrow network's: the first of each layer's both sides."""
    masks = []
    for big, small in zip(wide.layers, narrow.layers, strict=True):
        weight = torch.zeros(big.weight_shape, dtype=torch.bool)
        weight[tuple(slice(n) for n in small.weight_shape)] = True
        masks += [weight.flatten(), torch.arange(big.outputs) < small.outputs]
    return torch.cat(masks)


def narrow_rows(wide: Network, mask: Tensor) -> Tensor:
    """Rows of half the width, initialised and then changed wherever training may change them."""
    weights = wide.init(KEYS, torch.full((ROWS,), NARROW / WIDE))
    return weights + 0.2 * random(ROWS, wide.size, seed=7) * mask


@pytest.mark.parametrize("name", NETWORKS)
def test_units_beyond_the_width_start_at_zero(name: str) -> None:
    build = NETWORKS[name][0]
    wide, narrow = build(WIDE), build(NARROW)
    weights, mask = wide.init(KEYS, torch.full((ROWS,), NARROW / WIDE)), used(wide, narrow)
    assert (weights[:, ~mask] == 0).all()
    biases = sum(layer.outputs for layer in narrow.layers)
    assert ((weights[:, mask] != 0).sum(dim=1) == narrow.size - biases).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_narrow_row_is_the_smaller_network(name: str) -> None:
    build, shape = NETWORKS[name]
    wide, narrow = build(WIDE), build(NARROW)
    mask = used(wide, narrow)
    weights, x = narrow_rows(wide, mask), random(ROWS, BATCH, *shape)
    assert mask.sum() == narrow.size
    torch.testing.assert_close(wide(weights, x), narrow(weights[:, mask], x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5])
def test_rows_of_every_width_live_side_by_side(width: float) -> None:
    """A row's width does not change its neighbours."""
    network = mlp(4, WIDE, 2, 2)[0]
    mixed = network.init(KEYS, torch.tensor([0.25, width, 1.0]))
    same = network.init(KEYS, torch.full((ROWS,), width))
    assert torch.equal(mixed[1], same[1])


def test_at_least_one_unit_is_used() -> None:
    network = mlp(4, WIDE, 2, 2)[0]
    weights = network.init(KEYS, torch.full((ROWS,), 0.01))
    assert (network(weights, random(ROWS, BATCH, 4)) != 0).all()


GANS = {
    "mlp": (lambda width: mlp(4, width, 2, 2), (2,)),
    "dcgan": (lambda width: dcgan(4, width, (1, 8, 8)), (1, 8, 8)),
}


@pytest.mark.parametrize("name", GANS)
def test_units_beyond_the_width_get_no_gradient_from_losses_and_penalty(name: str) -> None:
    """Exactly zero, also by the penalty's second derivative, so that no optimiser ever wakes them."""
    build, shape = GANS[name]
    (wide_g, wide_d), (narrow_g, narrow_d) = build(WIDE), build(NARROW)
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
