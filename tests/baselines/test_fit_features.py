"""The command that makes the shipped weights, on a few images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import fit_features
from gan_env.data.labelled import LABELLED_SETS, LabelledImages
from gan_env.metrics.features import KINDS, ClassifierFeatures, ClassifierKind


def use_few(monkeypatch: pytest.MonkeyPatch, kind: ClassifierKind, shipped: Path, *arguments: str) -> None:
    """A few dark and bright images in the place of a set, and a command line; the package's weights go to `shipped`."""
    labels = (np.arange(512) % 2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 56, (512, kind.channels, kind.side, kind.side))
    images = (noise + 200 * labels[:, None, None, None]).astype(np.uint8)
    few = LabelledImages(images, labels, images, labels)
    monkeypatch.setitem(LABELLED_SETS, kind.dataset, lambda root: few)
    monkeypatch.setitem(fit_features.EPOCHS, kind.dataset, 3)
    monkeypatch.setattr(ClassifierKind, "weights", shipped)
    monkeypatch.setattr("sys.argv", ["fit_features", kind.dataset, *arguments])


@pytest.mark.parametrize("channels", KINDS)
def test_weights_are_made_that_the_features_load(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dark and bright images are told apart after a few epochs, and the accuracy is printed."""
    kind = KINDS[channels]
    use_few(monkeypatch, kind, tmp_path / "weights.safetensors")
    fit_features.main()
    assert "epoch 3/3: test accuracy 100.00%" in capsys.readouterr().out
    extract = ClassifierFeatures(torch.device("cpu"), channels)
    assert extract(torch.zeros(2, channels, kind.side, kind.side)).isfinite().all()


def test_weights_go_elsewhere_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_few(monkeypatch, KINDS[1], tmp_path / "shipped", "--out", str(tmp_path / "mine/weights.safetensors"))
    fit_features.main()
    assert not (tmp_path / "shipped").exists()
    assert ClassifierFeatures(torch.device("cpu"), 1, tmp_path / "mine/weights.safetensors").fingerprint


def test_weights_that_are_not_written_whole_leave_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(weights: object, path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    (tmp_path / "shipped").write_text("old")
    use_few(monkeypatch, KINDS[1], tmp_path / "shipped")
    monkeypatch.setattr(fit_features, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_features.main()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


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
