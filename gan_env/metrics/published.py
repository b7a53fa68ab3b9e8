"""The metrics that papers report, from bytes: FID, Inception score, KID, precision and recall, LPIPS diversity.

Formulas and extractors are torch-fidelity's (Obukhov et al. 2020, github.com/toshas/torch-fidelity) and lpips'
(Zhang et al. 2018, arXiv:1801.03924). One pass of an extractor serves all its metrics; that of real images is cached.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from gan_env.errors import WeightsError, needs
from gan_env.metrics.cache import cached, fingerprint
from gan_env.metrics.weights import FoundWeights

with needs("metrics"):
    import lpips
    import torch_fidelity
    import torchvision  # type: ignore[import-untyped, unused-ignore]
    from torch_fidelity.defaults import DEFAULTS
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric
    from torch_fidelity.registry import FEATURE_EXTRACTORS_REGISTRY
    from torch_fidelity.utils import create_feature_extractor
    from tqdm import tqdm

KID_SUBSET: int = DEFAULTS["kid_subset_size"]
FID_DIMENSION = 2048
"""Inception features that FID is computed in."""
EXTRACTORS = {"fid": "inception-v3-compat", "isc": "inception-v3-compat", "kid": "inception-v3-compat", "prc": "vgg16"}
"""Metric -> the name of its extractor in torch-fidelity's registry: the one that published numbers come from."""
_BATCH = 64
LPIPS_SIDE = 64
"""Smaller images are enlarged to this, the side of the patches that LPIPS was trained on."""


def to_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] -> uint8, rounded: what a picture file would hold."""
    return ((images + 1) * 127.5).round().clamp(0, 255).byte()


class Extractor:
    """One of torch-fidelity's registered extractors with the layers that some metrics (of `EXTRACTORS`) need.

    Raises:
        WeightsError: the file is not a state dictionary of this network.
    """

    def __init__(self, name: str, metrics: list[str], weights: FoundWeights, device: torch.device) -> None:
        kind = FEATURE_EXTRACTORS_REGISTRY[name]
        self.name, self.device = name, device
        self.layers: dict[str, str] = {m: kind.get_default_feature_layer_for_metric(m) for m in metrics}
        layers = list(dict.fromkeys(self.layers.values()))
        self.fingerprint = fingerprint(name, weights.sha256, torch_fidelity.__version__)
        _read_state(weights)  # torch-fidelity's own loading would run code that a file might hold
        try:
            network = create_feature_extractor(
                name, layers, cuda=False, verbose=False, feature_extractor_weights_path=str(weights.path)
            )
        except (RuntimeError, TypeError) as error:
            raise WeightsError(f"{weights.path} does not hold the weights of {name}: {error}") from error
        self.network = network.to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Features of bytes [M, C, H, W], where C = 1 (grey) is repeated: layer -> [M, F] on the host."""
        parts = [
            self.network.convert_features_tuple_to_dict(self.network(batch.to(self.device)))
            for batch in tqdm(images.expand(-1, 3, -1, -1).split(_BATCH), desc=self.name, unit="batch", leave=False)
        ]
        return {layer: torch.cat([part[layer].cpu() for part in parts]) for layer in parts[0]}


@dataclass(frozen=True)
class Reference:
    """Real images that generated ones are compared with."""

    images: Tensor  # bytes, [M, C, H, W]
    label: str  # data set and split, for people
    cache: Path  # folder of cached features

    def described(self, used: int | None = None) -> str:
        """The label with the number of images, and how many of them count: the first `used`, or by default all."""
        some = "" if used is None or used >= len(self.images) else f"the first {used} of "
        return f"{self.label}, {some}{len(self.images)} images"

    def features(self, extractor: Extractor, samples: int) -> dict[str, dict[str, Tensor]]:
        """What each metric of the extractor needs of the reference, from the cache where it is there.

        Returns:
            Metric -> `mu` and `sigma` for FID; `features` of all images for KID, and of the first `samples` images for
            precision and recall. The Inception score needs nothing.
        """
        counts = {m: samples if m == "prc" else len(self.images) for m in extractor.layers if m != "isc"}

        @cache
        def extracted() -> dict[str, Tensor]:
            return extractor(self.images[: max(counts.values())])

        def compute(metric: str) -> dict[str, Tensor]:
            features = extracted()[extractor.layers[metric]][: counts[metric]]
            if metric != "fid":
                return {"features": features}
            return {name: torch.from_numpy(x) for name, x in fid_features_to_statistics(features).items()}

        found = {}
        for metric, count in counts.items():
            made_by = (extractor.name, metric, extractor.fingerprint, extractor.layers[metric])
            found[metric] = self._cached(count, made_by, partial(compute, metric))
        return found

    def diversity(self, network: nn.Module, weights: str, samples: int, device: torch.device) -> float:
        """`lpips_diversity` of the first `samples` images; `weights`: SHA-256 of the network's weights."""

        def compute() -> dict[str, Tensor]:
            value = lpips_diversity(self.images[:samples], network, device)
            return {"lpips": torch.tensor(value, dtype=torch.float64)}

        made_by = ("lpips", "pairs", weights, version("lpips"))
        return self._cached(samples, made_by, compute)["lpips"].item()

    def _cached(
        self, count: int, made_by: Sequence[str], compute: Callable[[], dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """What is computed from the first `count` images, cached by their hash and by what computes it."""
        images = self.images[:count]
        key = fingerprint(images, self.described(len(images)), *made_by)
        return cached(self.cache, f"reference-{made_by[0]}-{made_by[1]}", key, compute)


def published_metrics(samples: Tensor, real: dict[str, dict[str, Tensor]], extractor: Extractor) -> dict[str, float]:
    """The metrics of an extractor: bytes [S, C, H, W] and what `Reference.features` gives for S samples -> numbers.

    They are some of `fid`; `isc`, `isc_std`; `kid`, `kid_std`; `precision`, `recall` (Kynkaanniemi et al. 2019,
    arXiv:1904.06991).
    """
    fake, layers = extractor(samples), extractor.layers
    found: dict[str, float] = {}
    if "fid" in layers:
        statistics = {name: tensor.numpy() for name, tensor in real["fid"].items()}
        numbers = fid_statistics_to_metric(fid_features_to_statistics(fake[layers["fid"]]), statistics, verbose=False)
        found["fid"] = numbers["frechet_inception_distance"]
    if "isc" in layers:
        numbers = isc_features_to_metric(fake[layers["isc"]])
        found |= {"isc": numbers["inception_score_mean"], "isc_std": numbers["inception_score_std"]}
    if "kid" in layers:
        numbers = kid_features_to_metric(fake[layers["kid"]], real["kid"]["features"], verbose=False)
        found["kid"] = numbers["kernel_inception_distance_mean"]
        found["kid_std"] = numbers["kernel_inception_distance_std"]
    if "prc" in layers:
        pair = fake[layers["prc"]], real["prc"]["features"]
        numbers = prc_features_to_metric(*pair, save_cpu_ram=True, verbose=False)
        found |= {name: numbers[name] for name in ("precision", "recall")}
    return found


def lpips_network(weights: FoundWeights, device: torch.device) -> nn.Module:
    """LPIPS v0.1: the learnt heads that lpips ships, on AlexNet's convolutions with the given weights.

    Raises:
        WeightsError: the file is not a state dictionary of AlexNet.
    """
    # `pnet_rand` keeps lpips from downloading; every random weight of the trunk is replaced below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips calls torchvision in a way that is deprecated
        network: nn.Module = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk, state = torchvision.models.alexnet().features, _read_state(weights)
    features = {n.removeprefix("features."): t for n, t in state.items() if n.startswith("features.")}
    try:
        trunk.load_state_dict(features)
    except (RuntimeError, TypeError) as error:
        raise WeightsError(f"{weights.path} does not hold the weights of AlexNet: {error}") from error
    for part in (getattr(network.net, f"slice{i}") for i in range(1, 6)):
        for index, layer in part.named_children():  # lpips numbers its layers as torchvision does
            layer.load_state_dict(trunk[int(index)].state_dict())
    return network.to(device)


@torch.no_grad()
def lpips_diversity(images: Tensor, network: nn.Module, device: torch.device) -> float:
    """Mean LPIPS distance of the pairs (0, 1), (2, 3), ...: a diversity, 0 if all images are the same.

    Images are bytes, [S, C, H, W], S at least 2. Sides below `LPIPS_SIDE` are enlarged to it, bilinearly.
    """
    pairs = images[: len(images) // 2 * 2].expand(-1, 3, -1, -1).unflatten(0, (-1, 2))  # [S / 2, 2, 3, H, W]
    distances = []
    for batch in pairs.split(_BATCH):
        x = batch.to(device).float() / 127.5 - 1
        if x.shape[-1] < LPIPS_SIDE:
            x = torch.nn.functional.interpolate(x.flatten(0, 1), size=(LPIPS_SIDE, LPIPS_SIDE), mode="bilinear")
            x = x.unflatten(0, (-1, 2))
        distances.append(network(x[:, 0], x[:, 1]).flatten().cpu())
    return float(torch.cat(distances).mean())


def _read_state(weights: FoundWeights) -> dict[str, Tensor]:
    """The state dictionary of a file, without running code that it might hold."""
    try:
        state = torch.load(weights.path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's errors for a bad file have no common class
        raise WeightsError(f"{weights.path} is not a file of weights ({error})") from error
    if not isinstance(state, dict):
        raise WeightsError(f"{weights.path} holds a {type(state).__name__}: expected a state dictionary")
    return state
