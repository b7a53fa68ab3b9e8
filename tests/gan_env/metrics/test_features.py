import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gan_env.data.labelled import DEBIAN_FASHION_MNIST, LABELLED_SETS
from gan_env.errors import WeightsError
from gan_env.metrics.features import FEATURES, KINDS, ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.records import decode

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extract() -> ClassifierFeatures:
    return ClassifierFeatures(CPU)


def images(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.mark.parametrize("channels", KINDS)
def test_the_weights_are_shipped_with_the_package_and_small(channels: int) -> None:
    assert 0 < KINDS[channels].weights.stat().st_size < 700 * 1024


@pytest.mark.parametrize("channels", KINDS)
@pytest.mark.parametrize("side", [16, 28, 32, 64])
def test_images_of_any_size_have_64_finite_features(channels: int, side: int) -> None:
    features = ClassifierFeatures(CPU, channels)(images(2, 3, channels, side, side))
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
    for channels, dataset in ((1, "fashion_mnist"), (3, "photo_tiles")):
        with pytest.raises(
            WeightsError,
            match=rf"absent\.safetensors is missing: `python baselines/fit_features\.py {dataset}` makes .*{dataset}",
        ):
            ClassifierFeatures(CPU, channels, weights=tmp_path / "absent.safetensors")


SETS = [pytest.param(1, 0.88, id="clothes"), pytest.param(3, 0.7, id="photographs")]


@pytest.mark.parametrize(("channels", "accuracy"), SETS)
def test_a_shipped_classifier_knows_its_held_out_images(channels: int, accuracy: float) -> None:
    """Distances in its features mean something: most are named rightly, far more than by chance."""
    if channels == 1 and not DEBIAN_FASHION_MNIST.is_dir():
        pytest.skip(f"{DEBIAN_FASHION_MNIST} is not there")
    data = LABELLED_SETS[KINDS[channels].dataset]("nowhere")
    network = ClassifierFeatures(CPU, channels).network
    with torch.no_grad():
        named = network(decode(torch.tensor(data.test_images[:1000]))).argmax(dim=1)
    assert (named.numpy() == data.test_labels[:1000]).mean() > accuracy


def test_in_colour_features_real_tiles_are_near_and_worse_ones_farther() -> None:
    """Real training tiles, blurred ones, and flat ones of the right colours, against held-out tiles."""
    data = LABELLED_SETS["photo_tiles"]("nowhere")
    extract = ClassifierFeatures(CPU, 3)
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
