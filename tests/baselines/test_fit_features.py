"""The command that makes the shipped weights, on a few images."""

from pathlib import Path

import numpy as np
import pytest
import torch

from baselines import fit_features
from gan_env.data.labelled import LABELLED_SETS, LabelledImages
from gan_env.metrics import features
from gan_env.metrics.features import KINDS, ClassifierFeatures


def use_few(monkeypatch: pytest.MonkeyPatch, name: str, shipped: Path, *arguments: str) -> None:
    """A few dark and bright images in the place of its sets, and a command line; the package's weights go to `shipped`.

    Each set is darker than the next, so that they can be told apart.
    """
    kind = KINDS[name]
    labels = (np.arange(512) % 2).astype(np.uint8)
    for number, dataset in enumerate(kind.datasets):
        noise = np.random.default_rng(0).integers(0, 20, (512, kind.channels, kind.side, kind.side))
        images = (noise + 120 * labels[:, None, None, None] + 40 * number).astype(np.uint8)
        few = LabelledImages(images, labels, images, labels)
        monkeypatch.setitem(LABELLED_SETS, dataset, lambda root, few=few: few)
    monkeypatch.setitem(fit_features.RECIPES, name, fit_features.Recipe(epochs=3))
    monkeypatch.setattr(fit_features, "FEWEST", 1024)
    for module in (fit_features, features):
        monkeypatch.setattr(module, "weights_of", lambda name: shipped)
    monkeypatch.setattr("sys.argv", ["fit_features", name, *arguments])


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_made_that_the_features_load(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dark and bright images are told apart after a few epochs, and the accuracy on each set is printed."""
    kind = KINDS[name]
    use_few(monkeypatch, name, tmp_path / "weights.safetensors")
    fit_features.main()
    accuracies = ", ".join(["100.00%"] * len(kind.datasets))
    assert f"epoch 3/3: test accuracy {accuracies}\n" in capsys.readouterr().out
    shape = (kind.channels, kind.side, kind.side)
    assert ClassifierFeatures(torch.device("cpu"), shape)(torch.zeros(2, *shape)).isfinite().all()


def test_a_small_set_is_repeated_and_has_labels_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_features, "FEWEST", 6)

    def images(count: int) -> LabelledImages:
        blank, labels = np.zeros((count, 1, 16, 16), np.uint8), (np.arange(count) % 2).astype(np.uint8)
        return LabelledImages(blank, labels, blank[:1], labels[:1])

    train, labels, test, test_labels = fit_features.joined([images(8), images(3)], 8)
    assert labels.tolist() == [0, 1] * 4 + [2, 3, 2] * 2
    assert test_labels.tolist() == [0, 2]
    assert train.shape == (14, 1, 8, 8) and test.shape == (2, 1, 8, 8)


def test_digits_are_not_mirrored() -> None:
    lopsided = torch.arange(8.0).expand(64, 1, 8, 8)
    assert torch.equal(fit_features.varied(lopsided, fit_features.Recipe(1, mirrored=False)), lopsided)
    assert not torch.equal(fit_features.varied(lopsided, fit_features.Recipe(1)), lopsided)


def test_weights_go_elsewhere_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_few(monkeypatch, "fashion_mnist", tmp_path / "shipped", "--out", str(tmp_path / "mine/weights.safetensors"))
    fit_features.main()
    assert not (tmp_path / "shipped").exists()
    assert ClassifierFeatures(torch.device("cpu"), weights=tmp_path / "mine/weights.safetensors").fingerprint


def test_weights_that_are_not_written_whole_leave_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(weights: object, path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    (tmp_path / "shipped").write_text("old")
    use_few(monkeypatch, "fashion_mnist", tmp_path / "shipped")
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
    assert list(KINDS) == list(fit_features.RECIPES)
    assert {dataset for kind in KINDS.values() for dataset in kind.datasets} <= set(LABELLED_SETS)
