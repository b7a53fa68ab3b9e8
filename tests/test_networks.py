import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, linear, relu

from gan_env.config import ConfigError
from gan_env.gan.convolutions import bilinear_down
from gan_env.gan.layers import LEAKY_GAIN, Layer, Network
from gan_env.gan.losses import gradient_penalty
from gan_env.gan.networks import ARCHITECTURES, Sizes
from gan_env.seeding import fold_in, normal

ROWS, BATCH = 3, 5
KEYS = torch.arange(ROWS) + 40
FULL = torch.ones(ROWS)
WIDE, NARROW = 16, 8  # units of the full networks, and of the rows that use half of them
IMAGE = (1, 8, 8)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def build(name: str, width: int = WIDE, shape: tuple[int, ...] = IMAGE, depth: int = 2) -> tuple[Network, Network]:
    return ARCHITECTURES[name](Sizes(latent_dim=4, width=width, depth=depth, sample_shape=shape))


# --- shapes ---

SHAPES = [("mlp", (2,)), ("mlp", (1, 6, 10))]
SHAPES += [(name, (channels, side, side)) for name in ARCHITECTURES for channels, side in ((1, 28), (3, 32), (1, 4))]
SHAPES += [(name, (1, 14, 14)) for name in ("dcgan", "r3gan")]


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    generator, discriminator = build(name, 4, shape)
    samples = generator(generator.init(KEYS, FULL), random(ROWS, BATCH, 4))
    assert samples.shape == (ROWS, BATCH, *shape)
    assert discriminator(discriminator.init(KEYS, FULL), samples).shape == (ROWS, BATCH, 1)


@pytest.mark.parametrize(("depth", "layers"), [(1, 2), (3, 4)])
def test_depth_is_the_number_of_hidden_layers(depth: int, layers: int) -> None:
    for network in build("mlp", depth=depth, shape=(2,)):
        assert len(network.layers) == layers


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_image_generators_are_bounded(name: str) -> None:
    images = build(name)[0]
    assert images(images.init(KEYS, FULL), 100 * random(ROWS, BATCH, 4)).abs().max() <= 1


def test_point_generators_are_not_bounded() -> None:
    points = build("mlp", shape=(2,))[0]
    assert points(points.init(KEYS, FULL), 100 * random(ROWS, BATCH, 4)).abs().max() > 1


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "mlp"])
@pytest.mark.parametrize(("shape", "named"), [((2,), r"\(2,\)"), ((1, 8, 12), "square"), ((1, 29, 29), "29")])
def test_samples_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build(name, shape=shape)


def test_images_that_a_residual_discriminator_cannot_halve_twice_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"image side=14 .* a multiple of 4"):
        build("resnet", shape=(1, 14, 14))


# --- a row is the network that torch.nn would build ---


def with_weights(module: nn.Sequential, network: Network, row: Tensor) -> nn.Sequential:
    """Puts one row's parameters [P] into torch's layers."""
    tensors = [(weight[0], bias[0]) for weight, bias in network.split(row[None])]
    targets = [m for m in module if list(m.parameters())]
    assert len(targets) == len(network.layers)
    for target, layer, (weight, bias) in zip(targets, network.layers, tensors, strict=True):
        target.weight.data = weight.T if layer.kind == "linear" else weight
        target.bias.data = bias
    return module


def parameters(network: Network, seed: int = 1) -> Tensor:
    """Random weights and biases: initialised ones have biases of zero."""
    return 0.3 * random(ROWS, network.size, seed=seed)


def check_rows(network: Network, module: nn.Sequential, x: Tensor) -> None:
    """In double precision: how single precision rounds depends on the machine's vectors."""
    weights, x, module = parameters(network).double(), x.double(), module.double()
    output = network(weights, x)
    for i in range(ROWS):
        torch.testing.assert_close(output[i], with_weights(module, network, weights[i])(x[i]), rtol=1e-9, atol=1e-9)


def test_mlp_generator_is_a_sequential() -> None:
    module = nn.Sequential(
        nn.Linear(4, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, 2)
    )
    check_rows(build("mlp", shape=(2,))[0], module, random(ROWS, BATCH, 4))


def test_mlp_discriminator_is_a_sequential() -> None:
    module = nn.Sequential(
        nn.Linear(2, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, WIDE), nn.LeakyReLU(0.2), nn.Linear(WIDE, 1)
    )
    check_rows(build("mlp", shape=(2,))[1], module, random(ROWS, BATCH, 2))


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
    check_rows(build("dcgan", shape=(channels, side, side))[0], module, random(ROWS, BATCH, 4))


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
    check_rows(build("dcgan", shape=(channels, side, side))[1], module, random(ROWS, BATCH, channels, side, side))


def test_dcgan_of_an_odd_half_is_shallower() -> None:
    generator = nn.Sequential(
        nn.Linear(4, WIDE * 7 * 7),
        nn.Unflatten(1, (WIDE, 7, 7)),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(WIDE, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, WIDE, 4, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(WIDE * 7 * 7, 1)
    )
    networks = build("dcgan", shape=(1, 14, 14))
    check_rows(networks[0], generator, random(ROWS, BATCH, 4))
    check_rows(networks[1], discriminator, random(ROWS, BATCH, 1, 14, 14))


def test_dcgan_of_large_images_is_deeper() -> None:
    """64 pixels are halved three times, to 8, with twice the channels at each."""
    generator = nn.Sequential(
        nn.Linear(4, 4 * WIDE * 64),
        nn.Unflatten(1, (4 * WIDE, 8, 8)),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(4 * WIDE, 2 * WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(2 * WIDE, WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(WIDE, 3, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(3, WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(WIDE, 2 * WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * WIDE, 4 * WIDE, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(4 * WIDE * 64, 1),
    )
    made = build("dcgan", shape=(3, 64, 64))
    check_rows(made[0], generator, random(ROWS, BATCH, 4))
    check_rows(made[1], discriminator, random(ROWS, BATCH, 3, 64, 64))


def test_an_mlp_for_images_is_that_for_their_pixels() -> None:
    for images, points in zip(build("mlp", shape=(2, 4, 5)), build("mlp", shape=(40,)), strict=True):
        assert images.layers == points.layers
    discriminator, x, weights = points, random(ROWS, BATCH, 2, 4, 5), parameters(points)
    assert torch.equal(discriminator(weights, x.flatten(2)), build("mlp", shape=(2, 4, 5))[1](weights, x))


Pairs = list[tuple[Tensor, Tensor]]


def same(x: Tensor, pair: tuple[Tensor, Tensor], groups: int = 1) -> Tensor:
    return conv2d(x, *pair, padding=pair[0].shape[-1] // 2, groups=groups)


def resnet_generator(w: Pairs, z: Tensor) -> Tensor:
    """Written as in the paper: each block resamples first and then applies its shortcut."""
    x = linear(z, w[0][0].T, w[0][1]).view(len(z), WIDE, 7, 7)
    for block in range(2):
        shortcut, one, two = w[1 + 3 * block : 4 + 3 * block]
        straight = same(interpolate(x, scale_factor=2), shortcut)
        x = straight + same(relu(same(interpolate(relu(x), scale_factor=2), one)), two)
    return torch.tanh(same(relu(x), w[7]))


def resnet_discriminator(w: Pairs, x: Tensor) -> Tensor:
    x = same(avg_pool2d(x, 2), w[0]) + avg_pool2d(same(relu(same(x, w[1])), w[2]), 2)
    x = avg_pool2d(same(x, w[3]) + same(relu(same(relu(x), w[4])), w[5]), 2)
    x = x + same(relu(same(relu(x), w[6])), w[7])
    x = x + same(relu(same(relu(x), w[8])), w[9])
    return linear(relu(x).sum(dim=(2, 3)), w[10][0].T, w[10][1])


def r3gan_block(w: Pairs, x: Tensor) -> Tensor:
    y = leaky_relu(same(x, w[0]), 0.2)
    y = leaky_relu(same(y, w[1], groups=2), 0.2)
    return x + same(y, w[2])


def r3gan_generator(w: Pairs, z: Tensor) -> Tensor:
    x = linear(z, w[0][0].T, w[0][1])[:, :, None, None] * w[1][0] + w[1][1][:, None, None]
    x = r3gan_block(w[2:5], x)
    for start in (5, 8):
        x = r3gan_block(w[start : start + 3], interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
    return torch.tanh(same(x, w[11]))


def r3gan_discriminator(w: Pairs, x: Tensor) -> Tensor:
    x = r3gan_block(w[1:4], same(x, w[0]))
    for start in (4, 7):
        x = r3gan_block(w[start : start + 3], bilinear_down(x))
    return linear(x.flatten(1), w[10][0].T, w[10][1])


@pytest.mark.parametrize(
    ("name", "side", "references"),
    [("resnet", 28, (resnet_generator, resnet_discriminator)), ("r3gan", 16, (r3gan_generator, r3gan_discriminator))],
)
def test_a_row_is_its_architecture_written_out(name: str, side: int, references: tuple) -> None:
    inputs = (random(ROWS, BATCH, 4), random(ROWS, BATCH, 1, side, side))
    for network, reference, x in zip(build(name, shape=(1, side, side)), references, inputs, strict=True):
        weights = parameters(network) / 3
        output = network(weights, x)
        for i in range(ROWS):
            pairs = [(weight[0], bias[0]) for weight, bias in network.split(weights[i : i + 1])]
            torch.testing.assert_close(output[i], reference(pairs, x[i]), rtol=1e-3, atol=1e-4)


def test_r3gan_starts_as_a_linear_discriminator() -> None:
    """Its residual branches begin with a gain of zero, so the network is as steep as its stem and its head."""
    network = build("r3gan")[1]
    weights, x = network.init(KEYS, FULL), random(ROWS, BATCH, *IMAGE)
    half = (network(weights, x) + network(weights, -x)) / 2
    torch.testing.assert_close(half, torch.zeros_like(half), rtol=0, atol=1e-5)


NETWORKS = {
    "mlp points G": (lambda width: build("mlp", width, (2,))[0], (4,)),
    "mlp points D": (lambda width: build("mlp", width, (2,))[1], (2,)),
}
NETWORKS |= {f"{name} G": (lambda width, name=name: build(name, width)[0], (4,)) for name in ARCHITECTURES}
NETWORKS |= {f"{name} D": (lambda width, name=name: build(name, width)[1], IMAGE) for name in ARCHITECTURES}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_depends_on_its_own_parameters_and_inputs_alone(name: str) -> None:
    make, shape = NETWORKS[name]
    network = make(WIDE)
    weights, x = parameters(network), random(ROWS, BATCH, *shape)
    other_weights, other_x = weights.clone(), x.clone()
    other_weights[1], other_x[1] = 9.0, 9.0
    before, after = network(weights, x), network(other_weights, other_x)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_is_the_same_alone(name: str) -> None:
    make, shape = NETWORKS[name]
    network = make(WIDE)
    weights, x = parameters(network), random(ROWS, BATCH, *shape)
    together = network(weights, x)
    for i in range(ROWS):
        row = slice(i, i + 1)
        torch.testing.assert_close(together[row], network(weights[row], x[row]), rtol=1e-4, atol=1e-5)


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


def expected_std(layer: Layer) -> float:
    """He et al. 2015 (arXiv:1502.01852)."""
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


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_step_with_penalty_can_be_traced_into_one_graph(name: str, rows: int) -> None:
    """As `Programs` does before it compiles: gradients of gradients included."""
    generator, discriminator = build(name)

    def step(g: Tensor, d: Tensor, z: Tensor, real: Tensor) -> tuple[Tensor, ...]:
        g, d, real = (tensor.detach().requires_grad_() for tensor in (g, d, real))
        logits, weights = discriminator(d, real).squeeze(-1), torch.full(real.shape[:2], 1 / BATCH)
        fooled = discriminator(d, generator(g, z))
        (by_d,) = torch.autograd.grad(
            gradient_penalty(logits, real, weights).sum() + fooled.sum(), d, retain_graph=True
        )
        (by_g,) = torch.autograd.grad(-fooled.sum(), g)
        return by_d, by_g

    inputs = [parameters(network)[:rows] for network in (generator, discriminator)]
    inputs += [random(rows, BATCH, 4), random(rows, BATCH, *IMAGE)]
    graph = make_fx(step)(*inputs)
    other = [tensor + 0.1 for tensor in inputs]
    for traced, eager in zip(graph(*other), step(*other), strict=True):
        torch.testing.assert_close(traced, eager, rtol=1e-4, atol=1e-4)
