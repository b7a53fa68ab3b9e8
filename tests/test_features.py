import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gan_env.gan.data import DEBIAN_FASHION_MNIST, decode, read_idx
from gan_env.metrics.features import FEATURES, WEIGHTS, ClassifierFeatures

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extract() -> ClassifierFeatures:
    return ClassifierFeatures(CPU)


def images(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


def test_the_weights_are_shipped_with_the_package() -> None:
    assert WEIGHTS.is_file()


@pytest.mark.parametrize("side", [16, 28, 32])
def test_images_of_any_size_have_64_finite_features(extract: ClassifierFeatures, side: int) -> None:
    features = extract(images(2, 3, 1, side, side))
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


def test_nothing_is_remembered_for_gradients(extract: ClassifierFeatures) -> None:
    assert not extract(images(1, 1, 28, 28).requires_grad_()).requires_grad


def test_missing_weights_are_refused_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.safetensors is missing.*python -m gan_env\.fit_features"):
        ClassifierFeatures(CPU, tmp_path / "absent.safetensors")


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason=f"{DEBIAN_FASHION_MNIST} is not there")
def test_the_shipped_classifier_knows_clothes(extract: ClassifierFeatures) -> None:
    """Distances in its features mean something: most held-out clothes are named rightly."""
    pictures = read_idx(DEBIAN_FASHION_MNIST / "t10k-images-idx3-ubyte.gz")[:1000].copy()
    labels = torch.from_numpy(read_idx(DEBIAN_FASHION_MNIST / "t10k-labels-idx1-ubyte.gz")[:1000].copy())
    with torch.no_grad():
        named = extract.network(decode(torch.from_numpy(pictures))[:, None]).argmax(dim=1)
    assert (named == labels).float().mean() > 0.88
