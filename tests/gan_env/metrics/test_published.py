"""Published metrics: torch-fidelity's and lpips' numbers through our plumbing, with stand-ins for the real weights."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor
from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY

from gan_env.errors import WeightsError
from gan_env.metrics.published import (
    KID_SUBSET,
    Extractor,
    Reference,
    lpips_diversity,
    lpips_network,
    published_metrics,
    to_bytes,
)
from gan_env.metrics.weights import FoundWeights
from gan_env.records import decode

CPU = torch.device("cpu")
STAND_IN = "random-stand-in"  # conftest registers it


def found(path: Path) -> FoundWeights:
    return FoundWeights(path, hashlib.sha256(path.read_bytes()).hexdigest())


def pictures(count: int, seed: int = 0, channels: int = 3, brightest: int = 256, side: int = 16) -> Tensor:
    shape, generator = (count, channels, side, side), torch.Generator().manual_seed(seed)
    return torch.randint(0, brightest, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture
def extractor(stand_in: Path) -> Extractor:
    return Extractor(STAND_IN, ["fid", "isc", "kid", "prc"], found(stand_in), CPU)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    return Reference(pictures(KID_SUBSET + 50, seed=1), "noise, held-out", tmp_path / "cache")


# --- bytes ---


def test_bytes_are_the_inverse_of_decoding() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(decode(every)), every)
    assert to_bytes(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


@pytest.mark.parametrize("name", ["extractor", "lpips"])
def test_grey_images_become_three_equal_channels(name: str, extractor: Extractor) -> None:
    grey = pictures(4, channels=1)
    rgb = torch.cat([grey] * 3, dim=1)
    if name == "extractor":
        assert all(torch.equal(features, extractor(rgb)[layer]) for layer, features in extractor(grey).items())
    else:
        seen: list[Tensor] = []

        class Pixels(torch.nn.Module):
            def forward(self, a: Tensor, b: Tensor) -> Tensor:
                seen.append(a)
                return (a - b).abs().mean(dim=(1, 2, 3))

        assert lpips_diversity(grey, Pixels(), CPU) == lpips_diversity(rgb, Pixels(), CPU)
        assert torch.equal(seen[0], seen[1])


# --- torch-fidelity's metrics ---


def test_all_metrics_are_torch_fidelitys_own(extractor: Extractor, reference: Reference, stand_in: Path) -> None:
    """Its public function, which rebuilds the extractor at every call, gives the same numbers."""
    import torch_fidelity

    samples = pictures(KID_SUBSET + 20, seed=2, brightest=200)

    class Images(torch.utils.data.Dataset[Tensor]):
        def __init__(self, images: Tensor) -> None:
            self.images = images

        def __len__(self) -> int:
            return len(self.images)

        def __getitem__(self, index: int) -> Tensor:
            return self.images[index]

    expected = torch_fidelity.calculate_metrics(
        input1=Images(samples), input2=Images(reference.images), feature_extractor=STAND_IN, cuda=False, verbose=False,
        feature_extractor_weights_path=str(stand_in), isc=True, fid=True, kid=True, save_cpu_ram=True, cache=False,
    )  # fmt: skip
    prc = torch_fidelity.calculate_metrics(
        input1=Images(samples), input2=Images(reference.images[: len(samples)]), feature_extractor=STAND_IN, prc=True,
        feature_extractor_weights_path=str(stand_in), cuda=False, verbose=False, save_cpu_ram=True, cache=False,
    )  # fmt: skip
    numbers = published_metrics(samples, reference.features(extractor, len(samples)), extractor)
    assert numbers["fid"] == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)
    assert numbers["isc"] == pytest.approx(expected["inception_score_mean"], rel=1e-5)
    assert numbers["isc_std"] == pytest.approx(expected["inception_score_std"], rel=1e-3)
    assert numbers["kid"] == pytest.approx(expected["kernel_inception_distance_mean"], rel=1e-4)
    assert numbers["kid_std"] == pytest.approx(expected["kernel_inception_distance_std"], rel=1e-3)
    assert numbers["precision"] == pytest.approx(prc["precision"], abs=1e-6)
    assert numbers["recall"] == pytest.approx(prc["recall"], abs=1e-6)
    assert 0 < numbers["precision"] < 1


def test_an_extractor_gives_what_it_is_asked_for_alone(stand_in: Path, reference: Reference) -> None:
    fid = Extractor(STAND_IN, ["fid"], found(stand_in), CPU)
    assert set(fid(pictures(3))) == {"features"}
    assert set(published_metrics(pictures(50), reference.features(fid, 50), fid)) == {"fid"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images extractors have been given, call by call."""
    found = []
    forward = Extractor.__call__

    def watched(self: Extractor, images: Tensor) -> dict[str, Tensor]:
        found.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(Extractor, "__call__", watched)
    return found


def test_the_reference_is_extracted_once(extractor: Extractor, reference: Reference, seen: list[int]) -> None:
    first = reference.features(extractor, KID_SUBSET)
    again = Reference(reference.images, reference.label, reference.cache).features(extractor, KID_SUBSET)
    assert seen == [len(reference.images)]
    assert all(torch.equal(first[metric][name], again[metric][name]) for metric in first for name in first[metric])
    changed = Reference(reference.images.flip(0), reference.label, reference.cache)
    changed.features(extractor, KID_SUBSET)
    assert seen == [len(reference.images)] * 2


def test_precision_and_recall_alone_need_no_more_real_images_than_samples(
    stand_in: Path, reference: Reference, seen: list[int]
) -> None:
    """And of other numbers of samples the cache holds other features."""
    alone, both = (Extractor(STAND_IN, metrics, found(stand_in), CPU) for metrics in (["prc"], ["prc", "fid"]))
    samples = pictures(60, seed=2)
    few, more = reference.features(alone, 60), reference.features(alone, 70)
    assert seen == [60, 70]
    assert torch.equal(few["prc"]["features"], more["prc"]["features"][:60])
    everything = reference.features(both, 60)
    assert seen == [60, 70, len(reference.images)]
    numbers = published_metrics(samples, everything, both)
    assert published_metrics(samples, few, alone) == {name: numbers[name] for name in ("precision", "recall")}


def test_every_metric_takes_of_the_reference_what_it_needs(
    stand_in: Path, reference: Reference, seen: list[int]
) -> None:
    """The Inception score nothing, FID two moments; what one metric has cached serves it beside others."""
    one, two, three = (Extractor(STAND_IN, m, found(stand_in), CPU) for m in (["isc"], ["fid"], ["isc", "fid", "kid"]))
    assert reference.features(one, 50) == {}
    assert seen == []
    moments = reference.features(two, 50)["fid"]
    assert {name: values.shape for name, values in moments.items()} == {"mu": (16,), "sigma": (16, 16)}
    (file,) = reference.cache.glob("reference-*-fid-*.safetensors")
    before = file.read_bytes()
    assert set(reference.features(three, 50)) == {"fid", "kid"}
    assert seen == [len(reference.images)] * 2  # once for FID, once for KID
    assert file.read_bytes() == before
    reference.features(three, 50)
    assert len(seen) == 2


def test_the_diversity_of_the_reference_is_computed_once(reference: Reference) -> None:
    calls: list[int] = []

    class Pixels(torch.nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            calls.append(len(a))
            return (a - b).abs().mean(dim=(1, 2, 3))

    first = reference.diversity(Pixels(), "sum", 20, CPU)
    assert first == lpips_diversity(reference.images[:20], Pixels(), CPU)
    assert reference.diversity(Pixels(), "sum", 20, CPU) == first
    assert calls == [10, 10]
    assert reference.diversity(Pixels(), "another", 20, CPU) == first
    assert reference.diversity(Pixels(), "sum", 10, CPU) != first
    assert calls == [10, 10, 10, 5]


def test_the_inception_network_has_the_layers_of_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one with random weights, on small grey images; a file that lacks a weight is refused."""
    kind, path = FEATURE_EXTRACTORS_REGISTRY["inception-v3-compat"], tmp_path / "inception.pth"
    with monkeypatch.context() as patch:
        patch.setattr(f"{kind.__module__}.load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(kind, "load_state_dict", lambda *_: None)
        state = kind("random", ["2048"]).state_dict()
    torch.save(state, path)
    features = Extractor("inception-v3-compat", ["fid", "isc", "kid"], found(path), CPU)(pictures(3, channels=1))
    assert {layer: values.shape for layer, values in features.items()} == {
        "2048": (3, 2048),
        "logits_unbiased": (3, 1008),
    }
    torch.save(dict(list(state.items())[1:]), path)
    with pytest.raises(WeightsError, match=r"inception\.pth does not hold the weights of inception-v3-compat"):
        Extractor("inception-v3-compat", ["fid"], found(path), CPU)


def test_vgg16_has_the_layer_of_precision_and_recall(tmp_path: Path) -> None:
    """Torchvision's, with one number, which a file holds once, for all weights of a layer."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in torchvision.models.vgg16().state_dict().items()}
    state = {name: torch.tensor(2 / shape[1:].numel()).expand(shape) for name, shape in shapes.items()}
    path = tmp_path / "vgg16.pth"
    torch.save(state, path)
    grey = torch.tensor([250, 250, 160], dtype=torch.uint8).view(3, 1, 1, 1).expand(-1, -1, 16, 16)
    features = Extractor("vgg16", ["prc"], found(path), CPU)(grey)
    assert {layer: values.shape for layer, values in features.items()} == {"fc2_relu": (3, 4096)}
    first, second, third = features["fc2_relu"]
    assert torch.equal(first, second)
    assert (first > third).all()
    assert (third > 0).all()
    del state["classifier.0.bias"]
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"(?s)vgg16\.pth does not hold the weights of vgg16.*classifier\.0\.bias"):
        Extractor("vgg16", ["prc"], found(path), CPU)


@pytest.mark.parametrize(
    ("used", "described"),
    [
        (None, "noise, held-out, 1050 images"),
        (1050, "noise, held-out, 1050 images"),
        (1049, "noise, held-out, the first 1049 of 1050 images"),
    ],
)
def test_a_reference_says_how_many_of_its_images_count(reference: Reference, used: int | None, described: str) -> None:
    assert reference.described(used) == described


def test_other_weights_have_another_fingerprint(stand_in: Path, tmp_path: Path) -> None:
    state = torch.load(stand_in)
    torch.save({name: tensor + 1 for name, tensor in state.items()}, tmp_path / "other.pth")
    a, b = (Extractor(STAND_IN, ["fid"], found(path), CPU) for path in (stand_in, tmp_path / "other.pth"))
    assert a.fingerprint != b.fingerprint


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("1 / 0",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"features.weight": torch.zeros(2)}, f"does not hold the weights of {STAND_IN}"),
        ([1, 2], "holds a list: expected a state dictionary"),
        (_Code(), "is not a file of weights"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(content: object, message: str, tmp_path: Path) -> None:
    """Without running the code that is in it."""
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=message):
        Extractor(STAND_IN, ["fid"], found(tmp_path / "weights.pth"), CPU)


# --- LPIPS ---


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AlexNet's features with random weights: a stand-in for testing the plumbing, not LPIPS."""
    generator = torch.Generator().manual_seed(0)
    state = torchvision.models.AlexNet().features.state_dict()
    path = tmp_path_factory.mktemp("trunk") / "random_trunk.pth"
    torch.save({f"features.{n}": 0.05 * torch.randn(t.shape, generator=generator) for n, t in state.items()}, path)
    return path


def test_the_trunk_is_that_of_the_file_and_the_heads_are_lpips_own(trunk: Path) -> None:
    import lpips

    network, state = lpips_network(found(trunk), CPU), torch.load(trunk)
    mine = {name.split(".", 1)[1]: tensor for name, tensor in network.net.state_dict().items()}
    assert {f"features.{name}" for name in mine} == set(state)
    assert all(torch.equal(tensor, state[f"features.{name}"]) for name, tensor in mine.items())
    heads = torch.load(Path(lpips.__file__).parent / "weights/v0.1/alex.pth", map_location="cpu")
    assert torch.equal(network.lin0.model[1].weight, heads["lin0.model.1.weight"])
    assert not network.training


def test_equal_images_have_no_diversity_and_varied_ones_have_some(trunk: Path) -> None:
    network = lpips_network(found(trunk), CPU)
    assert lpips_diversity(pictures(1).expand(6, -1, -1, -1), network, CPU) == pytest.approx(0, abs=1e-6)
    little, much = (lpips_diversity(pictures(8, brightest=b), network, CPU) for b in (20, 256))
    assert 0 < little < much


@pytest.mark.parametrize(("side", "seen"), [(16, 64), (96, 96)])
def test_pairs_are_neighbours_and_an_odd_image_is_left(trunk: Path, side: int, seen: int) -> None:
    """Small images are enlarged, others are seen as they are."""
    network, images = lpips_network(found(trunk), CPU), pictures(5, side=side)
    x = torch.nn.functional.interpolate(images.float() / 127.5 - 1, size=(seen, seen), mode="bilinear")
    with torch.no_grad():
        expected = torch.stack([network(x[i : i + 1], x[i + 1 : i + 2]) for i in (0, 2)]).mean()
    assert lpips_diversity(images, network, CPU) == pytest.approx(expected.item(), rel=1e-5)


def test_a_trunk_that_lacks_weights_is_refused(trunk: Path, tmp_path: Path) -> None:
    """Not one random weight stays."""
    state = torch.load(trunk)
    del state["features.10.bias"]
    torch.save(state, tmp_path / "incomplete.pth")
    with pytest.raises(WeightsError, match=r"(?s)incomplete\.pth does not hold the weights of AlexNet.*10\.bias"):
        lpips_network(found(tmp_path / "incomplete.pth"), CPU)
