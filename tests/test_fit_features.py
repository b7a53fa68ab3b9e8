"""The command that makes the shipped weights, on a few images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gan_env import fit_features
from gan_env.gan.arrays import LABELLED_SETS, LabelledImages
from gan_env.metrics.features import KINDS, ClassifierFeatures, ClassifierKind


@pytest.mark.parametrize("channels", KINDS)
def test_weights_are_made_that_the_features_load(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dark and bright images are told apart after a few epochs, and the accuracy is printed."""
    kind = KINDS[channels]
    labels = (np.arange(512) % 2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 56, (512, channels, kind.side, kind.side))
    images = (noise + 200 * labels[:, None, None, None]).astype(np.uint8)
    few = LabelledImages(images, labels, images, labels)
    monkeypatch.setitem(LABELLED_SETS, kind.dataset, lambda root: few)
    monkeypatch.setitem(fit_features.EPOCHS, kind.dataset, 3)
    monkeypatch.setattr(ClassifierKind, "weights", tmp_path / "weights.safetensors")
    monkeypatch.setattr("sys.argv", ["fit_features", kind.dataset])
    fit_features.main()
    assert "epoch 3/3: test accuracy 100.00%" in capsys.readouterr().out
    extract = ClassifierFeatures(torch.device("cpu"), channels)
    assert extract(torch.zeros(2, channels, kind.side, kind.side)).isfinite().all()


def test_a_set_without_a_classifier_is_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["fit_features", "cifar10"])
    with pytest.raises(SystemExit):
        fit_features.main()
    error = capsys.readouterr().err
    assert "fashion_mnist" in error
    assert "photo_tiles" in error


def test_every_kind_has_its_recipe() -> None:
    names = {kind.dataset for kind in KINDS.values()}
    assert names == set(fit_features.EPOCHS) == set(fit_features.JITTER) <= set(LABELLED_SETS)
