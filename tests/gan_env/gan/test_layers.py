import math

import pytest
import torch
from torch import Tensor

from gan_env.gan.layers import LEAKY_GAIN, Layer, Network

ROWS, BATCH = 3, 5
KEYS = torch.arange(ROWS) + 40
MANY = torch.arange(300)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LAYERS = {
    "linear": Layer("linear", 6, 4),
    "down": Layer("down", 6, 4),
    "up": Layer("up", 6, 4),
    "conv": Layer("conv", 6, 4, side=3),
    "grouped conv": Layer("conv", 6, 4, side=3, groups=2),
    "basis": Layer("basis", 1, 4, narrow_inputs=False, side=3),
    "norm": Layer("norm", 1, 6, narrow_inputs=False),
}
CHAIN = Network(
    (
        Layer("linear", 4, 16, narrow_inputs=False),
        Layer("linear", 16, 16),
        Layer("linear", 16, 2, narrow_outputs=False, gain=1.0),
    )
)


def numbered(layer: Layer) -> Tensor:
    return torch.arange(math.prod(layer.weight_shape)).view(1, *layer.weight_shape)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_matrix_has_a_line_for_each_output(kind: str) -> None:
    layer = LAYERS[kind]
    matrix = layer.matrix(numbered(layer))[0]
    assert matrix.shape[0] == layer.outputs
    weight = numbered(layer)[0]
    for output in range(layer.outputs):
        its_own = weight[output] if layer.outputs_first else weight[:, output]
        assert torch.equal(matrix[output], its_own.flatten())


def test_parameters_are_split_in_the_order_of_the_layers() -> None:
    network = Network(tuple(LAYERS.values()))
    row = torch.arange(network.size)[None]
    pieces = [tensor.flatten() for pair in network.split(row) for tensor in pair]
    assert torch.equal(torch.cat(pieces), row[0])
    assert [len(piece) for piece in pieces] == network.sizes
    assert all(
        weight.shape[1:] == layer.weight_shape
        for layer, (weight, _) in zip(network.layers, network.split(row), strict=True)
    )


def test_a_body_decides_what_is_done_with_the_layers() -> None:
    layers = (Layer("linear", 4, 4), Layer("linear", 4, 4))
    network = Network(layers, lambda maps, x: maps[1](x) - maps[0](x))
    weights, x = random(ROWS, network.size), random(ROWS, BATCH, 4, seed=1)
    first, second = (Network(layers[:1])(part, x) for part in weights.chunk(2, dim=1))
    torch.testing.assert_close(network(weights, x), second - first)


def test_a_norm_is_torchs_in_training() -> None:
    """Of images, and of a linear layer's features, whose channels have several positions."""
    layer, images = Layer("norm", 1, 6, narrow_inputs=False), 3 + 2 * random(ROWS, BATCH, 6, 2, 2)
    weight, bias = random(ROWS, 6, 1, seed=1), random(ROWS, 6, seed=2)
    normed = layer(weight, bias, images)
    for row in range(ROWS):
        its_own = torch.nn.functional.batch_norm(images[row], None, None, weight[row, :, 0], bias[row], training=True)
        torch.testing.assert_close(normed[row], its_own, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer(weight, bias, images.flatten(2)), normed.flatten(2))


# --- initialisation ---


@pytest.mark.parametrize("kind", LAYERS)
def test_the_gain_is_the_size_of_an_output(kind: str) -> None:
    """For inputs of mean square one; away from the edges of an image, where a kernel sees less."""
    layer = LAYERS[kind]
    network = Network((layer,), lambda maps, x: maps[0](x))
    image = (6, 8, 8) if kind not in ("linear", "basis") else (layer.inputs if kind == "linear" else layer.outputs,)
    output = network(network.init(MANY, torch.ones(300)), random(300, 4, *image))
    inside = output[..., 1:-1, 1:-1] if output.dim() > 3 and kind != "basis" else output
    assert inside.square().mean().sqrt().item() == pytest.approx(LEAKY_GAIN, rel=0.06)


def test_a_gain_of_zero_starts_at_zero() -> None:
    assert (Layer("conv", 6, 4, gain=0.0).init(KEYS, torch.ones(ROWS)) == 0).all()


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 0.25])
def test_groups_beyond_the_width_are_empty_and_the_others_keep_their_variance(width: float) -> None:
    layer = Layer("conv", 32, 32, side=3, groups=4)
    weight = layer.init(MANY, torch.full((300,), width))  # [N, 32, 8, 3, 3]
    inside = weight[:, : int(32 * width)]
    assert (weight[:, int(32 * width) :] == 0).all()
    assert inside.std().item() == pytest.approx(LEAKY_GAIN / math.sqrt(8 * 9), rel=0.03)


def test_a_group_partly_beyond_the_width_sees_only_what_is_used() -> None:
    """Six of eight channels in groups of four: the second group has two inputs, and weights to match."""
    weight = Layer("conv", 8, 8, groups=2).init(MANY, torch.full((300,), 0.75))[..., 0, 0]  # [N, 8, 4]
    assert (weight[:, 4:, 2:] == 0).all()
    assert (weight[:, 6:] == 0).all()
    assert weight[:, :4].std().item() == pytest.approx(LEAKY_GAIN / math.sqrt(4), rel=0.05)
    assert weight[:, 4:6, :2].std().item() == pytest.approx(LEAKY_GAIN / math.sqrt(2), rel=0.05)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_initialisation_keeps_the_signal_through_a_deep_network(share: float) -> None:
    """The mean square of the outputs is that of the inputs, whatever the depth and the width."""
    layers = [Layer("linear", 64, 64, narrow_inputs=False), *[Layer("linear", 64, 64)] * 4]
    network = Network((*layers, Layer("linear", 64, 64, narrow_outputs=False, gain=1.0)))
    output = network(network.init(torch.arange(50), torch.full((50,), share)), random(50, 20, 64))
    assert 0.6 < output.square().mean() < 1.6


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5])
def test_rows_of_every_width_live_side_by_side(width: float) -> None:
    """A row's width does not change its neighbours."""
    mixed = CHAIN.init(KEYS, torch.tensor([0.25, width, 1.0]))
    same = CHAIN.init(KEYS, torch.full((ROWS,), width))
    assert torch.equal(mixed[1], same[1])


def test_at_least_one_unit_is_used() -> None:
    weights = CHAIN.init(KEYS, torch.full((ROWS,), 0.01))
    assert (CHAIN(weights, random(ROWS, BATCH, 4)) != 0).all()


@pytest.mark.parametrize("width", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("kind", LAYERS)
def test_what_is_counted_is_what_is_in_use(kind: str, width: float) -> None:
    """Weights that are not zero at the start, and a bias for each output that has one of them."""
    layer, share = LAYERS[kind], torch.full((ROWS,), width)
    matrix = layer.matrix(layer.init(KEYS, share)) != 0  # [N, O, M]
    assert layer.count(share).tolist() == (matrix.sum((1, 2)) + matrix.any(2).sum(1)).tolist()


def test_a_network_of_full_width_counts_all_of_its_parameters() -> None:
    assert CHAIN.count(torch.ones(2)).tolist() == [CHAIN.size] * 2
