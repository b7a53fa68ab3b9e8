"""Shared by all tests: Hypothesis' profile, hand-made records, stand-ins for networks and data, a browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from hypothesis import settings

from gan_env import GANVectorEnv
from gan_env.data.bank import IMAGE_SETS, DataBank
from gan_env.data.labelled import DEBIAN_FASHION_MNIST
from gan_env.data.points import POINT_SETS
from gan_env.gan.saved import save_generators
from gan_env.mdp.rewards import REWARDS
from gan_env.mdp.statistics import REGISTERED
from gan_env.metrics.judge import METRICS
from gan_env.metrics.weights import PretrainedWeights
from gan_env.policies.presets import ADAPTIVE
from gan_env.policies.schedules import DECAY_RATES, SCHEDULES
from gan_env.records import Dataset, Moment, Quality, RowSettings, TrainStats

# No deadline (the machine may be busy), few and always the same examples, nothing written to disk.
settings.register_profile("gan_env", deadline=None, max_examples=30, derandomize=True, database=None)
settings.load_profile("gan_env")

ROWS = 3


@pytest.fixture
def make_settings() -> Callable[..., RowSettings]:
    """Makes `RowSettings`; what is not given is the same for all rows, save the key."""

    def make(rows: int = ROWS, **given: list[float] | list[int]) -> RowSettings:
        whole = {"key": list(range(rows)), "dataset": [0] * rows, "window": [0] * rows}
        whole |= {"num_samples": [1000] * rows, "batch_size": [8] * rows, "loss": [0] * rows}
        real = {"lr_g": [1e-3] * rows, "lr_d": [1e-3] * rows, "beta_1": [0.5] * rows}
        real |= {name: [1.0] * rows for name in ("width_g", "width_d", "gain_g", "gain_d", "input_scale")}
        columns = {name: torch.tensor(given.get(name, value), dtype=torch.int64) for name, value in whole.items()}
        columns |= {name: torch.tensor(given.get(name, value), dtype=torch.float32) for name, value in real.items()}
        return RowSettings(**columns)

    return make


@pytest.fixture
def make_moment(make_settings: Callable[..., RowSettings]) -> Callable[..., Moment]:
    """Makes a `Moment` of three rows and three knobs in which the given columns (of any of its records) differ."""

    def make(**given: list[float] | list[list[float]] | list[bool]) -> Moment:
        def column(name: str, default: list[float] | list[list[float]] | list[bool]) -> torch.Tensor:
            return torch.tensor(given.pop(name, default))

        stats = TrainStats(
            loss_d=column("loss_d", [1.3, 0.9, 0.2]),
            loss_g=column("loss_g", [0.7, 1.1, 4.0]),
            spread_d=column("spread_d", [0.1, 0.2, 0.0]),
            spread_g=column("spread_g", [0.3, 0.1, 0.0]),
            penalty=column("penalty", [0.5, 20.0, 0.0]),
            logit_real=column("logit_real", [0.1, 2.0, -3.0]),
            logit_fake=column("logit_fake", [-0.1, -2.0, 3.0]),
            sign_real=column("sign_real", [0.1, 0.9, -1.0]),
            sign_fake=column("sign_fake", [-0.1, -0.9, 1.0]),
            grad_d=column("grad_d", [0.5, 10.0, 0.0]),
            grad_g=column("grad_g", [0.05, 10.0, 0.0]),
            align_d=column("align_d", [0.5, -0.2, 0.0]),
            align_g=column("align_g", [0.1, 0.9, 0.0]),
            logit_after=column("logit_after", [-0.2, -2.5, 3.0]),
            saturated_real=column("saturated_real", [0.2, 0.9, 0.0]),
            saturated_fake=column("saturated_fake", [0.1, 1.0, 0.0]),
            step_d=column("step_d", [1e-3, 0.1, 0.0]),
            step_g=column("step_g", [1e-2, 0.2, 0.0]),
            logit_spread_real=column("logit_spread_real", [0.3, 2.0, 0.0]),
            logit_spread_fake=column("logit_spread_fake", [0.1, 1.0, 0.0]),
            clean_train=column("clean_train", [0.2, 3.0, -1.0]),
            clean_held_out=column("clean_held_out", [0.1, 1.0, -1.0]),
            finite=column("finite", [True, True, True]),
        )
        quality = Quality(
            log_metric=column("log_metric", [-1.5, -2.0, 0.5]),
            score=column("score", [-1.4, -2.1, 0.4]),
            collapse=column("collapse", [-0.2, 0.1, -3.0]),
            extras={},
        )
        moment = Moment(
            stats,
            quality,
            coordinates=column("coordinates", [[0.0, 0.5, 1.0], [0.25, 0.75, 0.1], [1.0, 1.0, 0.0]]),
            progress=column("progress", [0.25, 0.5, 1.0]),
            previous=column("previous", [-1.0, -2.5, 0.5]),
            best=column("best", [-1.2, -2.5, 0.4]),
            first=column("first", [0.0, -0.5, 0.6]),
            first_grad_d=column("first_grad_d", [5.0, 10.0, 1.0]),
            first_grad_g=column("first_grad_g", [0.005, 10.0, 1.0]),
            limit=column("limit", [4.0, 3.5, 4.6]),
            settings=make_settings(
                num_samples=[30, 1000, 60_000],
                batch_size=[16, 32, 64],
                loss=[0, 1, 2],
                width_g=[1.0, 0.5, 0.25],
                width_d=[0.5, 0.25, 1.0],
                gain_g=[0.1, 1.0, 2.0],
                gain_d=[1.0, 0.5, 2.0],
                input_scale=[10.0, 1.0, 0.5],
                lr_g=[1e-4, 1e-3, 1e-2],
                lr_d=[1e-3, 1e-2, 1e-4],
                beta_1=[0.9, 0.5, 0.0],
            ),
            parameters=column("parameters", [[1e4, 1e3], [1e5, 2e4], [3e3, 3e3]]),
            updates=column("updates", [100.0, 1000.0, 20_000.0]),
            walk=column("walk", [[0.1, 0.2], [0.02, 0.05], [0.3, 0.01]]),
            ages=column("ages", [[300.0, 800.0], [2400.0, 2400.0], [0.0, 9900.0]]),
            relative_rates=column("relative_rates", [[0.02, 0.01], [0.1, 0.2], [0.3, 0.01]]),
            left=column("left", [3, 2, 0]),
        )
        assert not given, f"no such columns: {sorted(given)}"
        return moment

    return make


STAND_IN = "random-stand-in"
"""An extractor with random weights, for testing the plumbing: its numbers mean nothing and are never shown as FID."""


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Registers `STAND_IN` as torch-fidelity wants it, and writes its weights to a file that is given back."""
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase  # slow to import
    from torch_fidelity.registry import register_feature_extractor

    class RandomStandIn(FeatureExtractorBase):
        """8 x 8 averages -> 16 features -> 10 logits."""

        def __init__(self, name: str, features_list: list[str], feature_extractor_weights_path: str, **_: object):
            super().__init__(name, features_list)
            self.features, self.logits = torch.nn.Linear(3 * 64, 16), torch.nn.Linear(16, 10)
            self.load_state_dict(torch.load(feature_extractor_weights_path))

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
            small = torch.nn.functional.adaptive_avg_pool2d(images.float() / 255, 8)
            features = torch.relu(self.features(small.flatten(1)))
            found = {"features": features, "logits": self.logits(features)}
            return tuple(found[name] for name in self.features_list)

        @staticmethod
        def get_provided_features_list() -> tuple[str, ...]:
            return ("features", "logits")

        @staticmethod
        def get_default_feature_layer_for_metric(metric: str) -> str:
            return "logits" if metric == "isc" else "features"

        @staticmethod
        def can_be_compiled() -> bool:
            return False

    register_feature_extractor(STAND_IN, RandomStandIn)
    generator = torch.Generator().manual_seed(0)
    shapes = {"features.weight": (16, 192), "features.bias": (16,), "logits.weight": (10, 16), "logits.bias": (10,)}
    path = tmp_path_factory.mktemp("weights") / "stand_in.pth"
    torch.save({name: torch.randn(*shape, generator=generator) for name, shape in shapes.items()}, path)
    return path


@pytest.fixture
def stood_in(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in extractor in the place of all real ones, and pixel distance in that of LPIPS."""
    from gan_env.evaluation import evaluator  # slow to import
    from gan_env.metrics import published

    class Pixels(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a - b).abs().mean(dim=(1, 2, 3))

    for metric in published.EXTRACTORS:
        monkeypatch.setitem(published.EXTRACTORS, metric, STAND_IN)
    weights = PretrainedWeights("a random stand-in", "https://example.org/stand_in.pth", "--stand-in")
    monkeypatch.setitem(evaluator.WEIGHTS, STAND_IN, weights)
    monkeypatch.setattr(evaluator, "lpips_network", lambda weights, device: Pixels())
    return stand_in


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads fail at once, and nothing is found in torch's folder."""

    def offline(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)


@pytest.fixture(scope="session")
def clothes() -> None:
    """Skips what needs Fashion-MNIST where it isn't at hand: tests need no network."""
    if not DEBIAN_FASHION_MNIST.is_dir():
        pytest.skip("needs the images of `apt-get install dataset-fashion-mnist`")


@pytest.fixture(scope="session")
def generators(clothes: None) -> GANVectorEnv:
    """Two rows of image GANs that were hardly trained."""
    small: dict[str, Any] = {"num_decisions": 1, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
    env = GANVectorEnv(2, preset="fashion_mnist", **small)
    env.reset(seed=0)
    return env


@pytest.fixture
def image_run(generators: GANVectorEnv, tmp_path: Path) -> Path:
    """A run folder, `runs/a`, with nothing but these generators."""
    save_generators(tmp_path / "runs/a/generator.safetensors", generators.population, ["fashion_mnist"] * 2)
    return tmp_path / "runs/a"


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless browser; tests that need one are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {BROWSERS} is there")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def check_page(browser: Any) -> Callable[[Path, int], float]:
    """Opens a page without a network at a width in pixels: all pictures show, nothing else is loaded, it fits.

    Folded or not.

    Gives back the scale of the picture that is shown the smallest beside its own size.
    """

    def check(path: Path, width: int) -> float:
        context = browser.new_context(viewport={"width": width, "height": 800}, offline=True)
        page = context.new_page()
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        pictures = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0 && i.alt.length > 0)")
        assert pictures and all(pictures)
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # wide tables scroll by themselves
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        assert errors == []
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        scale = page.evaluate("Math.min(...[...document.images].map(i => i.clientWidth / i.naturalWidth))")
        context.close()
        return float(scale)

    return check


@pytest.fixture
def banks(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DataBank]:
    """Data by kind: "points", or small "images" of noise in colour."""

    def noise(data_root: str, image_size: int) -> Dataset:
        images = torch.randint(256, (40, 3, image_size, image_size), generator=torch.Generator().manual_seed(0)).byte()
        return Dataset(images[:30], images[30:])

    monkeypatch.setitem(IMAGE_SETS, "noise", noise)
    return lambda kind: DataBank(("ring",) if kind == "points" else ("noise",), "nowhere", 8, torch.device("cpu"))


TABLES: list[dict[str, Any]] = [
    IMAGE_SETS, POINT_SETS, REGISTERED, REWARDS, METRICS, ADAPTIVE, SCHEDULES, DECAY_RATES,
]  # fmt: skip


@pytest.fixture
def tables_as_they_were() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = [dict(table) for table in TABLES]
    yield
    for table, entries in zip(TABLES, before, strict=True):
        table.clear()
        table.update(entries)
