import pytest
import torch
from row_networks import BATCH, FULL, IMAGE, KEYS, NETWORKS, ROWS, WIDE, build, parameters, random
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, linear, relu

from gan_env.errors import ConfigError
from gan_env.gan.fast.convolutions import bilinear_down
from gan_env.gan.layers import Network
from gan_env.gan.losses import gradient_penalty
from gan_env.gan.networks import ARCHITECTURES

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
@pytest.mark.parametrize(
    ("shape", "named"),
    [((2,), r"architecture='{name}' .*mlp or auto .*\(2,\)"), ((1, 8, 12), "square"), ((1, 29, 29), "image_size=29")],
)
def test_samples_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=named.format(name=name)):
        build(name, shape=shape)


def test_images_that_a_residual_discriminator_cannot_halve_twice_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"image_size=14 .* a multiple of 4 .*: set image_size=16"):
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
