import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gan_env.data.labelled import DEBIAN_FASHION_MNIST, LABELLED_SETS, resize_images
from gan_env.errors import ConfigError, WeightsError
from gan_env.metrics.features import FEATURES, KINDS, ClassifierFeatures, classifier_for, weights_of
from gan_env.metrics.frechet import FrechetDistance
from gan_env.records import decode

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extract() -> ClassifierFeatures:
    return ClassifierFeatures(CPU)


def images(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.mark.parametrize("name", KINDS)
def test_the_weights_are_shipped_with_the_package_and_small(name: str) -> None:
    assert 0 < weights_of(name).stat().st_size < 700 * 1024


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ((1, 8, 8), "small"),
        ((1, 4, 8), "small"),
        ((1, 10, 10), "fashion_mnist"),
        ((1, 28, 28), "fashion_mnist"),
        ((1, 64, 64), "fashion_mnist"),
        ((3, 8, 8), "photo_tiles"),
        ((3, 64, 64), "photo_tiles"),
    ],
)
def test_images_are_judged_by_the_smallest_classifier_that_sees_all_their_pixels(
    shape: tuple[int, ...], name: str
) -> None:
    assert classifier_for(shape) == name


def test_images_that_no_classifier_sees_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"channels=2 can't be used.*images with 1 or 3 channels"):
        ClassifierFeatures(CPU, (2, 8, 8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 16, 28, 32, 64])
def test_images_of_any_size_have_64_finite_features(channels: int, side: int) -> None:
    shape = (channels, side, side)
    features = ClassifierFeatures(CPU, shape)(images(2, 3, *shape))
    assert features.shape == (2, 3, FEATURES) == (2, 3, 64)
    assert features.isfinite().all()
    assert features.std() > 0


@pytest.mark.parametrize("side", [14, 56])
def test_the_size_of_an_image_hardly_matters(extract: ClassifierFeatures, side: int) -> None:
    """A smooth image has nearly the same features at another size."""
    wave = torch.linspace(-1, 1, 28).view(1, 1, 28, 1) * torch.linspace(-0.5, 1, 28)
    resized = torch.nn.functional.interpolate(wave, size=(side, side), mode="bilinear", antialias=True)
    near = (extract(resized) - extract(wave)).norm()
    far = (extract(-wave) - extract(wave)).norm()
    assert near < 0.15 * far


def test_larger_images_are_antialiased(extract: ClassifierFeatures) -> None:
    """A fine chequerboard is grey to the classifier, not black or white."""
    board = ((torch.arange(84)[:, None] + torch.arange(84)) % 2 * 2.0 - 1)[None, None]
    grey, white = extract(torch.zeros(1, 1, 28, 28)), extract(torch.ones(1, 1, 28, 28))
    assert (extract(board) - grey).norm() < 0.2 * (white - grey).norm()


def test_leading_dimensions_are_kept(extract: ClassifierFeatures) -> None:
    x = images(6, 1, 28, 28)
    assert torch.equal(extract(x).view(2, 3, FEATURES), extract(x.view(2, 3, 1, 28, 28)))


def test_an_image_has_the_same_features_alone(extract: ClassifierFeatures) -> None:
    x = images(4, 1, 28, 28)
    together = extract(x)
    for i in range(4):
        torch.testing.assert_close(together[i : i + 1], extract(x[i : i + 1]), rtol=1e-4, atol=1e-4)


def test_more_images_than_go_through_at_once_lose_none(extract: ClassifierFeatures) -> None:
    x = images(1030, 1, 28, 28)
    features = extract(x)
    assert len(features) == 1030
    torch.testing.assert_close(features[-3:], extract(x[-3:]), rtol=1e-4, atol=1e-4)


def test_a_broken_row_is_nan_and_leaves_the_others(extract: ClassifierFeatures) -> None:
    x = images(3, 4, 1, 28, 28)
    broken = x.clone()
    broken[1] = math.nan
    before, after = extract(x), extract(broken)
    assert after[1].isnan().all()
    assert torch.equal(before[[0, 2]], after[[0, 2]])


def test_missing_weights_are_refused_with_the_command_that_makes_them(tmp_path: Path) -> None:
    for shape, name in (((1, 8, 8), "small"), ((1, 28, 28), "fashion_mnist"), ((3, 32, 32), "photo_tiles")):
        with pytest.raises(
            WeightsError,
            match=rf"absent\.safetensors is missing: `python baselines/fit_features\.py {name}` makes .*{name}",
        ):
            ClassifierFeatures(CPU, shape, weights=tmp_path / "absent.safetensors")


def test_weights_of_another_classifier_and_damaged_ones_are_refused_with_the_command_that_makes_them(
    tmp_path: Path,
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"broken")
    for weights in (weights_of("fashion_mnist"), damaged):
        with pytest.raises(
            WeightsError, match=rf"{weights} doesn't hold the classifier of 8x8 .*fit_features\.py small"
        ):
            ClassifierFeatures(CPU, (1, 8, 8), weights=weights)


SETS = [
    pytest.param("small", "fashion_mnist", 0, 0.83, id="small clothes"),
    pytest.param("small", "digits", 10, 0.93, id="small digits"),
    pytest.param("small", "photo_tiles_grey", 20, 0.5, id="small photographs"),
    pytest.param("fashion_mnist", "fashion_mnist", 0, 0.88, id="clothes"),
    pytest.param("photo_tiles", "photo_tiles", 0, 0.7, id="photographs"),
]


@pytest.mark.parametrize(("name", "dataset", "first", "accuracy"), SETS)
def test_a_shipped_classifier_knows_its_held_out_images(name: str, dataset: str, first: int, accuracy: float) -> None:
    """Distances in its features mean something: most are named rightly, far more than by chance."""
    if dataset == "fashion_mnist" and not DEBIAN_FASHION_MNIST.is_dir():
        pytest.skip(f"{DEBIAN_FASHION_MNIST} is not there")
    data, kind = LABELLED_SETS[dataset]("nowhere"), KINDS[name]
    network = ClassifierFeatures(CPU, (kind.channels, kind.side, kind.side)).network
    shown = decode(resize_images(torch.tensor(data.test_images[:1000]), kind.side))
    with torch.no_grad():
        named = network(shown).argmax(dim=1) - first
    assert (named.numpy() == data.test_labels[:1000]).mean() > accuracy


def test_in_colour_features_real_tiles_are_near_and_worse_ones_farther() -> None:
    """Real training tiles, blurred ones, and flat ones of the right colours, against held-out tiles."""
    data = LABELLED_SETS["photo_tiles"]("nowhere")
    extract = ClassifierFeatures(CPU, (3, 32, 32))
    distance = FrechetDistance([extract(decode(torch.tensor(data.test_images[:2048])))])
    real = decode(torch.tensor(data.train_images[:2048]))
    blurred = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(real, 4), scale_factor=4, mode="bilinear")
    flat = real.mean(dim=(2, 3), keepdim=True).expand_as(real)
    first = torch.tensor([0])
    near, worse, worst = (distance(extract(x)[None], first).item() for x in (real, blurred, flat))
    assert 3 * near < worse < worst / 3


def test_features_are_differentiable_by_the_images_alone(extract: ClassifierFeatures) -> None:
    x = images(2, 1, 28, 28).requires_grad_()
    (slope,) = torch.autograd.grad(extract(x).sum(), x)
    assert (slope != 0).any()
    assert not extract(x.detach()).requires_grad
