import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from gan_env.gan.augment import PARTS, POINT_PARTS, POINT_SCALE, UMBRELLA, Augmentation, augment_points

ROWS, BATCH = 3, 40


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


POINTS = 2 * random(ROWS, BATCH, 2) - 1
IMAGES = 2 * random(ROWS, BATCH, 1, 8, 8) - 1
PHOTOS = 2 * random(ROWS, BATCH, 3, 8, 8) - 1
KINDS = [pytest.param(POINTS, id="points"), pytest.param(IMAGES, id="images"), pytest.param(PHOTOS, id="photos")]
EACH = [(POINTS, part) for part in POINT_PARTS] + [(x, part) for x in (IMAGES, PHOTOS) for part in PARTS]
EACH_PART = [pytest.param(x, (part,), id=f"{part}-{x.dim() - 2}d-{x.shape[2]}") for x, part in EACH]


def every_part(x: Tensor) -> tuple[str, ...]:
    return POINT_PARTS if x.dim() == 3 else PARTS


def augment(
    x: Tensor,
    probability: float | list[float],
    parts: tuple[str, ...] | None = None,
    seed: int = 1,
    sizes: list[float] | None = None,
) -> Tensor:
    """All the parts with the same probability, or with one a row; `sizes` is the strength of each row."""
    augmentation = Augmentation(tuple(x.shape[2:]), every_part(x) if parts is None else parts)
    probabilities = dict.fromkeys(augmentation.parts, torch.tensor(probability).expand(len(x)))
    draws = random(len(x), augmentation.draws, x.shape[1], seed=seed).to(x.dtype)
    return augmentation.apply(x, draws, probabilities, torch.ones(len(x)) if sizes is None else torch.tensor(sizes))


# --- what holds for points and images ---


@pytest.mark.parametrize("x", KINDS)
def test_without_probability_the_inputs_pass_bit_by_bit(x: Tensor) -> None:
    assert torch.equal(augment(x, 0.0), x)


@pytest.mark.parametrize(("x", "parts"), EACH_PART)
def test_a_part_without_probability_is_the_identity_whatever_the_others_do(x: Tensor, parts: tuple[str, ...]) -> None:
    """Traced with probability zero or not traced at all, it is the same."""
    augmentation = Augmentation(tuple(x.shape[2:]), parts)
    draws = random(ROWS, augmentation.draws, BATCH)
    off, on = dict.fromkeys(parts, torch.zeros(ROWS)), dict.fromkeys(parts, torch.ones(ROWS))
    assert torch.equal(augmentation.apply(x, draws, off, torch.ones(ROWS)), x)
    assert not torch.equal(augmentation.apply(x, draws, on, torch.ones(ROWS)), x)


@pytest.mark.parametrize("x", KINDS)
def test_no_parts_are_no_augmentation(x: Tensor) -> None:
    augmentation = Augmentation(tuple(x.shape[2:]), ())
    probabilities = augmentation.probabilities(torch.ones(ROWS), {})
    draws = torch.zeros(ROWS, augmentation.draws, BATCH)
    assert augmentation.apply(x, draws, probabilities, torch.ones(ROWS)) is x


@pytest.mark.parametrize("x", KINDS)
def test_with_probability_one_every_sample_changes(x: Tensor) -> None:
    changed = (augment(x, 1.0) != x).flatten(2).any(dim=2)
    assert changed.all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("x", KINDS)
def test_shape_and_type_are_kept(x: Tensor, dtype: torch.dtype) -> None:
    result = augment(x.to(dtype), 0.5)
    assert result.shape == x.shape
    assert result.dtype == dtype


@pytest.mark.parametrize("x", KINDS)
def test_rows_have_a_strength_of_their_own(x: Tensor) -> None:
    result = augment(x, [0.0, 0.3, 1.0])
    assert torch.equal(result[0], x[0])
    for row, strength in ((1, 0.3), (2, 1.0)):
        assert torch.equal(result[row], augment(x, strength)[row])


@pytest.mark.parametrize(("x", "parts"), [case for case in EACH_PART if not case.id.startswith(("flip", "rotate-3d"))])
def test_at_strength_zero_a_transform_that_has_a_size_does_nothing_in_its_row(
    x: Tensor, parts: tuple[str, ...]
) -> None:
    result, whole = augment(x, 1.0, parts, sizes=[0.0, 0.6, 1.0]), augment(x, 1.0, parts)
    assert torch.equal(result[0], x[0])
    assert not torch.equal(result[1], whole[1])
    assert torch.equal(result[2], whole[2])


@pytest.mark.parametrize("part", ["flip", "rotate"])
def test_a_flip_and_a_quarter_turn_have_no_size(part: str) -> None:
    assert torch.equal(augment(IMAGES, 1.0, (part,), sizes=[0.0, 0.5, 1.0]), augment(IMAGES, 1.0, (part,)))


@pytest.mark.parametrize("x", KINDS)
def test_a_row_is_the_same_alone(x: Tensor) -> None:
    augmentation = Augmentation(tuple(x.shape[2:]), every_part(x))
    probabilities = {part: random(ROWS, seed=2 + i) for i, part in enumerate(augmentation.parts)}
    draws, strength = random(ROWS, augmentation.draws, BATCH, seed=1), random(ROWS, seed=9)
    together = augmentation.apply(x, draws, probabilities, strength)
    for i in range(ROWS):
        row = slice(i, i + 1)
        own = {part: chance[row] for part, chance in probabilities.items()}
        assert torch.equal(together[row], augmentation.apply(x[row], draws[row], own, strength[row]))


@pytest.mark.parametrize("x", KINDS)
def test_gradients_are_those_of_an_affine_map(x: Tensor) -> None:
    """For f(x) = A x + b, the difference f(x + h) - f(x) is J h exactly, however large h is."""
    step = random(*x.shape, seed=5)
    _, product = torch.autograd.functional.jvp(lambda y: augment(y, 0.7), x, step)
    torch.testing.assert_close(product, augment(x + step, 0.7) - augment(x, 0.7), rtol=0, atol=1e-5)
    assert product.abs().max() > 0.5


@pytest.mark.parametrize(("x", "parts"), EACH_PART)
def test_gradients_of_each_part_match_finite_differences(x: Tensor, parts: tuple[str, ...]) -> None:
    x = x[:, :1].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: augment(y, [0.3, 0.6, 1.0], parts), x)


@pytest.mark.parametrize("x", KINDS)
def test_the_penalty_can_be_differentiated_through_it(x: Tensor) -> None:
    """A penalty on the undisturbed inputs needs gradients of gradients."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(augment(x, 0.5).square().sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.flatten(2).norm(dim=2).min() > 0


# --- the umbrella and the parts' own knobs ---


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_knobs_of_a_part_act_as_two_coins(umbrella: float, own: float) -> None:
    augmentation = Augmentation((1, 8, 8), PARTS)
    given_knobs = {"flip": torch.tensor([own]), "rotate": torch.tensor([own])}
    result = augmentation.probabilities(torch.tensor([umbrella]), given_knobs)
    neither = (1 - umbrella) * (1 - own)
    expected = dict(zip(PARTS, (own, 1 - neither, umbrella, umbrella, umbrella), strict=True))
    for part, chance in result.items():
        torch.testing.assert_close(chance, torch.tensor([expected[part]]), rtol=0, atol=1e-6)
        assert 0 <= chance.item() <= 1
    assert set(result) == set(expected)


@given(st.floats(0, 1, width=32))
def test_a_knob_at_zero_leaves_the_other_as_it_is(probability: float) -> None:
    """To the last bit, or a coin falls otherwise."""
    augmentation = Augmentation((1, 8, 8), ("flip",))
    one, none = torch.tensor([probability]), torch.zeros(1)
    assert torch.equal(augmentation.probabilities(one, {"flip": none})["flip"], one)
    assert torch.equal(augmentation.probabilities(none, {"flip": one})["flip"], one)


def test_the_umbrella_leaves_the_rotation_of_images_alone() -> None:
    assert UMBRELLA[3] == ("flip", "translate", "color", "cutout")
    assert UMBRELLA[1] == ("rotate", "scale")


def test_a_part_that_no_knob_moves_is_exactly_off() -> None:
    augmentation = Augmentation((3, 8, 8), PARTS)
    zeros = torch.zeros(ROWS)
    assert all(torch.equal(p, zeros) for p in augmentation.probabilities(zeros, {"cutout": zeros}).values())


@pytest.mark.parametrize(("x", "parts"), EACH_PART)
def test_each_part_has_the_given_probability(x: Tensor, parts: tuple[str, ...]) -> None:
    """A quarter of the turns, half of the flips and, at this size, a quarter of the shifts change nothing."""
    samples = 3000
    x = x[:2, :1].expand(-1, samples, *x.shape[2:])
    changed = (augment(x, [0.3, 0.8], parts) != x).flatten(2).any(dim=2).float().mean(dim=1)
    visible = {"rotate": 1.0 if x.dim() == 3 else 3 / 4, "flip": 1 / 2, "translate": 3 / 4}.get(parts[0], 1.0)
    torch.testing.assert_close(changed, visible * torch.tensor([0.3, 0.8]), rtol=0, atol=0.04)


def test_parts_of_images_throw_coins_of_their_own() -> None:
    """Both are applied as often as the product of their probabilities says."""
    result = augment(torch.ones(1, 4000, 1, 8, 8), 0.5, ("color", "cutout")).flatten(2)
    cut, coloured = (result == 0).any(dim=2), result.amax(dim=2) != 1  # no square covers a whole image
    assert (cut & coloured).float().mean() == pytest.approx(0.25, abs=0.03)
    assert cut.float().mean() == pytest.approx(0.5, abs=0.03)
    assert coloured.float().mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("x", KINDS)
def test_every_part_can_be_traced_into_one_graph(x: Tensor) -> None:
    """No control flow may depend on the draws: a graph made with some holds for others."""
    augmentation = Augmentation(tuple(x.shape[2:]), every_part(x))
    probabilities, strength = dict.fromkeys(augmentation.parts, torch.full((ROWS,), 0.5)), torch.ones(ROWS)

    def gradient(x: Tensor, draws: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(augmentation.apply(x, draws, probabilities, strength).square().sum(), x)[0]

    graph = make_fx(gradient)(x, torch.ones(ROWS, augmentation.draws, BATCH))
    draws = random(ROWS, augmentation.draws, BATCH, seed=4)
    torch.testing.assert_close(graph(x, draws), gradient(x, draws))


# --- points ---


BOTH = {"rotate": torch.ones(1), "scale": torch.ones(1)}


def test_point_gradients_match_finite_differences() -> None:
    x = POINTS[:, :4].double().requires_grad_()
    draws = random(ROWS, 3, 4, seed=1).double()
    probabilities = {"rotate": torch.tensor([0.3, 0.6, 1.0]), "scale": torch.tensor([0.3, 0.2, 1.0])}
    assert torch.autograd.gradcheck(lambda y: augment_points(y, draws, probabilities, torch.ones(3)), x)


def test_points_are_scaled_within_bounds() -> None:
    ratio = augment(POINTS, 1.0).norm(dim=2) / POINTS.norm(dim=2)
    assert ratio.max() <= math.exp(POINT_SCALE) * (1 + 1e-5)
    assert ratio.min() >= math.exp(-POINT_SCALE) * (1 - 1e-5)
    assert ratio.max() > math.exp(POINT_SCALE / 2)  # and use them
    assert ratio.min() < math.exp(-POINT_SCALE / 2)


def test_points_are_rotated_without_being_mirrored_or_sheared() -> None:
    """A quarter turn before is a quarter turn after: only rotations and scalings do that."""

    def quarter(x: Tensor) -> Tensor:
        return torch.stack([-x[..., 1], x[..., 0]], dim=-1)

    torch.testing.assert_close(augment(quarter(POINTS), 1.0), quarter(augment(POINTS, 1.0)))


def test_points_are_rotated_by_all_angles() -> None:
    before, after = POINTS, augment(POINTS, 1.0)
    turned = (torch.atan2(after[..., 1], after[..., 0]) - torch.atan2(before[..., 1], before[..., 0])) % (2 * math.pi)
    assert set((turned // (math.pi / 2)).flatten().tolist()) == {0.0, 1.0, 2.0, 3.0}


@pytest.mark.parametrize(("turn", "expected"), [(0.5, (0.6, 0.0)), (0.75, (0.0, 0.6)), (0.25, (0.0, -0.6))])
def test_a_chosen_rotation(turn: float, expected: tuple[float, float]) -> None:
    draws = torch.tensor([0.0, turn, 0.5]).view(1, 3, 1)  # chosen, angle (turn - 0.5) * 2 pi, scale 1
    result = augment_points(torch.tensor([[[0.6, 0.0]]]), draws, BOTH, torch.ones(1))
    torch.testing.assert_close(result[0, 0], torch.tensor(expected))


@pytest.mark.parametrize(("size", "factor"), [(0.0, math.exp(-POINT_SCALE)), (0.5, 1.0), (1.0, math.exp(POINT_SCALE))])
def test_a_chosen_scale(size: float, factor: float) -> None:
    draws = torch.tensor([0.0, 0.5, size]).view(1, 3, 1)
    result = augment_points(torch.tensor([[[0.6, -0.3]]]), draws, BOTH, torch.ones(1))
    torch.testing.assert_close(result[0, 0], factor * torch.tensor([0.6, -0.3]))


def test_points_are_rotated_and_scaled_by_one_coin() -> None:
    """With the umbrella alone a point is either left or gets both."""
    x = torch.ones(1, 2000, 2)
    draws = random(1, 3, 2000, seed=1)
    turned = augment_points(x, draws, {"rotate": torch.tensor([0.4])}, torch.ones(1))
    scaled = augment_points(x, draws, {"scale": torch.tensor([0.4])}, torch.ones(1))
    assert torch.equal((turned != x).any(dim=2), (scaled != x).any(dim=2))
    torch.testing.assert_close(turned.norm(dim=2), x.norm(dim=2))
    torch.testing.assert_close(torch.atan2(scaled[..., 1], scaled[..., 0]), torch.full((1, 2000), math.pi / 4))
