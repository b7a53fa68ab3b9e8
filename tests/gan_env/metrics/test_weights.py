"""Pretrained weights: found, downloaded, or one clear error."""

import hashlib
import socket
from pathlib import Path

import pytest
import torch

from gan_env.errors import WeightsError
from gan_env.files import SILENCE_S
from gan_env.metrics import weights as module
from gan_env.metrics.weights import PretrainedWeights, find_all, find_weights

CONTENT = b"some weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NET = PretrainedWeights("Net", f"https://example.org/models/net-{SHA256[:8]}.pth", "--net")
OTHER = PretrainedWeights("Other", "https://example.org/models/other.pth", "--other")


@pytest.fixture(autouse=True)
def hub(no_network: None, tmp_path: Path) -> Path:
    """A torch home of the test's own, and no network."""
    return tmp_path / "torch/hub/checkpoints"


def test_weights_in_torchs_folder_are_found(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / f"net-{SHA256[:8]}.pth").write_bytes(CONTENT)
    found = find_weights(NET)
    assert found.path == hub / f"net-{SHA256[:8]}.pth"
    assert found.sha256 == SHA256


def test_a_given_path_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    assert find_weights(NET, str(path)).path == path


def test_missing_weights_are_downloaded_to_torchs_folder(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, target: str, progress: bool) -> None:
        assert url == NET.url
        Path(target).write_bytes(CONTENT)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert find_weights(NET).path.parent == hub


def test_offline_the_error_names_file_url_and_both_ways(hub: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weights(NET)
    text = str(caught.value)
    for part in (str(hub / f"net-{SHA256[:8]}.pth"), NET.url, "--net PATH", "put it at", "Name or service not known"):
        assert part in text


def test_all_missing_weights_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"(?s)Net.*Other"):
        find_all({NET: None, OTHER: None})
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(WeightsError) as caught:
        find_all({NET: str(path), OTHER: None})
    assert "--net" not in str(caught.value)
    assert find_all({NET: str(path)})[NET].sha256 == SHA256


def test_digits_in_a_name_of_ones_own_promise_nothing(tmp_path: Path) -> None:
    path = tmp_path / "net-20151205.pth"
    path.write_bytes(CONTENT)
    assert find_weights(NET, str(path)).sha256 == SHA256


def test_a_given_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"--net .*gone\.pth: there is no such file"):
        find_weights(NET, str(tmp_path / "gone.pth"))


def test_a_truncated_file_is_not_used(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / f"net-{SHA256[:8]}.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="damaged: its SHA-256 begins with"):
        find_weights(NET)


def test_a_download_fails_when_nothing_comes_and_other_connections_are_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = []

    def silent(*_: object, **__: object) -> None:
        limits.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr(torch.hub, "download_url_to_file", silent)
    with pytest.raises(WeightsError, match="timed out"):
        find_weights(NET)
    assert limits == [SILENCE_S]
    assert socket.getdefaulttimeout() is None


def test_a_folder_that_cannot_be_written_to_is_an_error_with_both_ways(hub: Path) -> None:
    hub.parent.mkdir(parents=True, exist_ok=True)
    hub.write_text("a file in the folder's place")
    with pytest.raises(WeightsError, match=r"(?s)downloading it failed.*--net PATH"):
        find_weights(NET)


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        (module.INCEPTION, "weights-inception-2015-12-05-6726825d.pth"),
        (module.VGG16, "vgg16-397923af.pth"),
        (module.ALEXNET, "alexnet-owt-7be5be79.pth"),
    ],
)
def test_the_libraries_look_for_the_same_files(weights: PretrainedWeights, name: str, hub: Path) -> None:
    import torchvision
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    urls = {
        "--inception": URL_INCEPTION_V3,
        "--vgg": torchvision.models.VGG16_Weights.IMAGENET1K_V1.url,
        "--alexnet": torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url,
    }
    assert weights.url == urls[weights.option]
    assert weights.standard_path == hub / name
