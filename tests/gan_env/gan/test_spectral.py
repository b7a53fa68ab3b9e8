from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from gan_env.gan.layers import Layer, Network
from gan_env.gan.networks import ARCHITECTURES, Sizes
from gan_env.gan.spectral import initial_vectors, normalise

ROWS = 3
KEYS = torch.arange(ROWS) + 7
SIZES = Sizes(latent_dim=4, width=8, depth=2, sample_shape=(1, 8, 8))
DISCRIMINATORS = {name: build(SIZES)[1] for name, build in ARCHITECTURES.items()}
GENERATORS = {name: build(SIZES)[0] for name, build in ARCHITECTURES.items()}
NETWORKS = {
    f"{name} {kind}": table[name] for kind, table in (("G", GENERATORS), ("D", DISCRIMINATORS)) for name in table
}
FULL = torch.ones(ROWS)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parameters(network: Network, seed: int = 1) -> Tensor:
    return 0.3 * random(ROWS, network.size, seed=seed)


def settled(network: Network, weights: Tensor, steps: int = 300) -> Tensor:
    """Left vectors after many calls with the same weights."""
    vectors = initial_vectors(network, KEYS)
    for _ in range(steps):
        vectors = normalise(network, weights, vectors, FULL)[1]
    return vectors


def dense(layer: Layer, weight: Tensor) -> Tensor:
    """One row's weight as outputs by everything else, by torch's names of the sides."""
    if layer.kind in ("linear", "up"):
        weight = weight.movedim(1, 0)
    return weight.reshape(layer.outputs, -1)


def largest(network: Network, row: Tensor) -> Tensor:
    """The largest singular value of each layer but norms, from one row's parameters [P]."""
    pairs = zip(network.layers, network.split(row[None]), strict=True)
    weights = [dense(layer, weight[0]) for layer, (weight, _) in pairs if layer.kind != "norm"]
    return torch.stack([torch.linalg.svdvals(weight)[0] for weight in weights])


@pytest.mark.parametrize("name", NETWORKS)
def test_at_full_strength_every_weight_has_a_largest_singular_value_of_one(name: str) -> None:
    network = NETWORKS[name]
    weights = parameters(network)
    effective, _ = normalise(network, weights, settled(network, weights), FULL)
    for row in effective:
        sizes = largest(network, row)
        torch.testing.assert_close(sizes, torch.ones(len(sizes)), rtol=2e-3, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_in_between_the_largest_singular_value_is_a_power_of_the_old_one(name: str) -> None:
    network, strength = NETWORKS[name], torch.tensor([0.25, 0.5, 0.8])
    weights = parameters(network)
    effective, _ = normalise(network, weights, settled(network, weights), strength)
    for before, after, s in zip(weights, effective, strength, strict=True):
        torch.testing.assert_close(largest(network, after), largest(network, before) ** (1 - s), rtol=2e-3, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_strength_the_parameters_are_the_same_bit_by_bit(name: str) -> None:
    network = NETWORKS[name]
    weights = parameters(network)
    assert torch.equal(normalise(network, weights, initial_vectors(network, KEYS), 0 * FULL)[0], weights)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_strength_gradients_are_the_same_bit_by_bit(name: str) -> None:
    network = NETWORKS[name]
    weights, factor = parameters(network).requires_grad_(), random(ROWS, network.size, seed=4)
    effective, _ = normalise(network, weights, initial_vectors(network, KEYS), 0 * FULL)
    assert torch.equal(torch.autograd.grad((effective * factor).sum(), weights)[0], factor)


def test_biases_are_untouched() -> None:
    network = DISCRIMINATORS["dcgan"]
    weights = parameters(network)
    effective, _ = normalise(network, weights, initial_vectors(network, KEYS), FULL)
    for (_, before), (_, after) in zip(network.split(weights), network.split(effective), strict=True):
        assert torch.equal(before, after)


def test_a_call_is_one_step_of_power_iteration() -> None:
    """As torch.nn.utils.parametrizations has it: the right vector first, then the left one, then sigma."""
    network = Network((Layer("linear", 5, 4),))
    weights, vectors = parameters(network), initial_vectors(network, KEYS)
    effective, new = normalise(network, weights, vectors, FULL)
    for i in range(ROWS):
        matrix = weights[i, :20].view(5, 4).T
        right = matrix.T @ vectors[i]
        right = right / right.norm()
        left = matrix @ right
        left = left / left.norm()
        torch.testing.assert_close(new[i], left)
        torch.testing.assert_close(effective[i, :20].view(5, 4).T, matrix / (left @ matrix @ right))


def test_sigma_follows_weights_that_move() -> None:
    """One step a call is enough for training: the vectors are kept."""
    network = DISCRIMINATORS["mlp"]
    weights = parameters(network)
    vectors = settled(network, weights)
    for step in range(50):
        weights = weights + 1e-3 * random(ROWS, network.size, seed=100 + step)
        effective, vectors = normalise(network, weights, vectors, FULL)
    for row in effective:
        torch.testing.assert_close(largest(network, row), torch.ones(len(network.layers)), rtol=0.02, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_are_independent(name: str) -> None:
    network, strength = NETWORKS[name], torch.tensor([0.0, 0.5, 1.0])
    weights, vectors = parameters(network), initial_vectors(network, KEYS)
    poisoned = weights.clone()
    poisoned[0] = float("nan")
    together, others = (normalise(network, w, vectors, strength) for w in (weights, poisoned))
    for i in range(1, ROWS):
        row = slice(i, i + 1)
        alone = normalise(network, weights[row], vectors[row], strength[row])
        for whole, part, other in zip(together, alone, others, strict=True):
            torch.testing.assert_close(whole[row], part, rtol=1e-5, atol=1e-6)
            assert torch.equal(whole[row], other[row])


@pytest.mark.parametrize("name", ["mlp", "dcgan"])
def test_a_narrow_row_is_normalised_as_the_smaller_network(name: str) -> None:
    """Units beyond the width are rows and columns of zeros, which change no singular value."""
    network = DISCRIMINATORS[name]
    weights = network.init(KEYS, torch.full((ROWS,), 0.5))
    effective, _ = normalise(network, weights, settled(network, weights), FULL)
    assert torch.equal(effective == 0, weights == 0)
    for row in effective:
        sizes = largest(network, row)
        torch.testing.assert_close(sizes, torch.ones(len(sizes)), rtol=2e-3, atol=0)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_units_beyond_the_width_get_no_gradient(name: str) -> None:
    network = DISCRIMINATORS[name]
    # No convolution that starts at zero, which would stop the gradients of those before it.
    network = replace(network, layers=tuple(replace(layer, gain=1.0) for layer in network.layers))
    weights = network.init(KEYS, torch.full((ROWS,), 0.5)).requires_grad_()
    unused = (weights == 0) & (network.init(KEYS, FULL) != 0)
    effective, _ = normalise(network, weights, initial_vectors(network, KEYS), FULL)
    output = network(effective, random(ROWS, 5, 1, 8, 8))
    (gradient,) = torch.autograd.grad(output.square().sum(), weights)
    assert unused.any()
    assert (gradient[unused] == 0).all()
    assert (gradient[weights != 0] != 0).float().mean() > 0.9


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_the_gradient_is_that_of_a_division_by_the_true_singular_value(strength: float) -> None:
    """The derivative of sigma is u v^T, whether or not the vectors are differentiated: they are stationary."""
    network = Network((Layer("linear", 5, 4), Layer("linear", 4, 3)))
    weights, factor = parameters(network).double(), random(ROWS, network.size, seed=4).double()
    vectors = initial_vectors(network, KEYS).double()
    for _ in range(500):
        vectors = normalise(network, weights, vectors, FULL.double())[1]

    ours = weights.clone().requires_grad_()
    effective, _ = normalise(network, ours, vectors, torch.full((ROWS,), strength).double())
    (effective * factor).sum().backward()

    theirs = weights.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for i in range(ROWS):
        for layer, part, scale in zip(
            network.layers, theirs[i].split(network.sizes)[::2], factor[i].split(network.sizes)[::2], strict=True
        ):
            sigma = torch.linalg.matrix_norm(part.view(layer.weight_shape), ord=2)
            total = total + (part / sigma**strength * scale).sum()
        for part, scale in zip(theirs[i].split(network.sizes)[1::2], factor[i].split(network.sizes)[1::2], strict=True):
            total = total + (part * scale).sum()
    total.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-6, atol=1e-8)


def test_no_gradient_reaches_the_vectors() -> None:
    network = DISCRIMINATORS["mlp"]
    vectors = initial_vectors(network, KEYS).requires_grad_()
    effective, new = normalise(network, parameters(network).requires_grad_(), vectors, FULL)
    assert effective.requires_grad
    assert not new.requires_grad
    effective.sum().backward()
    assert vectors.grad is None


def test_a_weight_of_zeros_stays_zero_with_finite_gradients() -> None:
    network = DISCRIMINATORS["mlp"]
    weights = torch.zeros(ROWS, network.size, requires_grad=True)
    effective, vectors = normalise(network, weights, initial_vectors(network, KEYS), FULL)
    assert (effective == 0).all()
    assert (vectors != 0).any()  # so that the next call can find what has moved
    effective.sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_initial_vectors_depend_on_the_rows_own_key() -> None:
    network = DISCRIMINATORS["dcgan"]
    together = initial_vectors(network, KEYS)
    assert together.shape == (ROWS, sum(layer.outputs for layer in network.layers))
    assert torch.equal(together[1:2], initial_vectors(network, KEYS[1:2]))
    assert len(together.unique()) > 0.99 * together.numel()


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_normalisation_and_its_gradient_can_be_traced_into_one_graph(name: str) -> None:
    network = DISCRIMINATORS[name]

    def step(weights: Tensor, vectors: Tensor, strength: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        weights = weights.detach().requires_grad_()
        effective, new = normalise(network, weights, vectors, strength)
        return torch.autograd.grad(network(effective, x).square().sum(), weights)[0], new

    inputs = (parameters(network), initial_vectors(network, KEYS), 0.5 * FULL, random(ROWS, 2, 1, 8, 8))
    graph = make_fx(step)(*inputs)
    other = (
        parameters(network, seed=9),
        initial_vectors(network, KEYS + 1),
        0.8 * FULL,
        random(ROWS, 2, 1, 8, 8, seed=8),
    )
    for traced, eager in zip(graph(*other), step(*other), strict=True):
        torch.testing.assert_close(traced, eager, rtol=1e-3, atol=1e-4)
