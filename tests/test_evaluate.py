"""`python -m gan_env.evaluate`: table, metrics.json, options, and one clear error before any work."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gan_env import ConfigError, DataError, GANVectorEnv, evaluate
from gan_env.evaluate import EvaluateOptions, Evaluator, find_runs, main, parse, table
from gan_env.gan.data import Dataset
from gan_env.gan.saved import save_generators
from gan_env.metrics.published import EXTRACTORS, KID_SUBSET
from gan_env.metrics.weights import PretrainedWeights, WeightsError

STAND_IN = "random-stand-in"  # conftest registers it
SMALL: dict[str, Any] = {"num_decisions": 1, "updates_per_decision": 1, "metric_samples": 16, "compile": False}


@pytest.fixture(scope="module")
def generators() -> GANVectorEnv:
    """Two rows of image GANs that were hardly trained."""
    env = GANVectorEnv(2, preset="fashion_mnist", **SMALL)
    env.reset(seed=0)
    return env


@pytest.fixture
def run(generators: GANVectorEnv, tmp_path: Path) -> Path:
    save_generators(tmp_path / "runs/a/generator.safetensors", generators.population, ["fashion_mnist"] * 2)
    return tmp_path / "runs/a"


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OSError("no network in tests")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)


@pytest.fixture
def stood_in(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in extractor in the place of all real ones, and pixel distance in that of LPIPS."""

    class Pixels(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a - b).abs().mean(dim=(1, 2, 3))

    for metric in EXTRACTORS:
        monkeypatch.setitem(EXTRACTORS, metric, STAND_IN)
    weights = PretrainedWeights("a random stand-in", "https://example.org/stand_in.pth", "--stand-in")
    monkeypatch.setattr(evaluate, "WEIGHTS", {STAND_IN: weights, "lpips": evaluate.ALEXNET})
    monkeypatch.setattr(evaluate, "lpips_network", lambda weights, device: Pixels())
    return stand_in


def arguments(run: Path, *more: str) -> list[str]:
    return [str(run), "--data-root", str(run.parent / "data"), "--device", "cpu", *more]


def test_the_command_offline_gives_one_clear_error_before_any_work(run: Path) -> None:
    code = (
        "import sys, torch, runpy\n"
        "def offline(*a, **k): raise OSError('offline')\n"
        "torch.hub.download_url_to_file = offline\n"
        "import gan_env.gan.data as data\n"
        "def loaded(*a): raise AssertionError('data were loaded')\n"
        "data.load_dataset = loaded\n"
        "runpy.run_module('gan_env.evaluate', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", code, *arguments(run)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for part in (
        "error: ",
        "weights-inception-2015-12-05-6726825d.pth",
        "https://github.com/toshas",
        "--inception PATH",
    ):
        assert part in done.stderr
    assert "--vgg PATH" in done.stderr
    assert "--alexnet PATH" in done.stderr
    assert not (run / "metrics.json").exists()


def test_in_loop_metrics_need_no_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(run, "--metrics", "frechet,coverage", "--samples", "60"))
    shown = capsys.readouterr().out
    assert "Fashion-MNIST classifier" in shown
    numbers = json.loads((run / "metrics.json").read_text())
    assert set(numbers) == {"frechet", "coverage", "density"}
    entry = numbers["frechet"]
    assert entry["samples"] == 60
    assert entry["reference"] == "fashion_mnist, held-out, 10000 images"
    assert entry["value"] == pytest.approx(sum(entry["values"]) / 2)
    assert len(entry["extractor_hash"]) == 64
    assert f"{entry['value']:.4g}" in shown


def test_all_published_metrics_from_one_command(run: Path, stood_in: Path, tmp_path: Path) -> None:
    path = tmp_path / "trunk.pth"
    path.write_bytes(b"pixels have no weights")
    given = ["--stand-in", str(stood_in), "--alexnet", str(path)]
    main(arguments(run, "--samples", str(KID_SUBSET), *given))
    numbers = json.loads((run / "metrics.json").read_text())
    names = {"fid", "isc", "isc_std", "kid", "kid_std", "precision", "recall", "lpips", "lpips_real"}
    assert set(numbers) == names
    assert {numbers[name]["extractor"] for name in ("fid", "isc", "kid", "precision")} == {STAND_IN}
    assert numbers["fid"]["value"] > 0
    assert numbers["lpips_real"]["value"] > numbers["lpips"]["value"] > 0  # an untrained generator varies little
    assert numbers["lpips_real"]["values"][0] == numbers["lpips_real"]["values"][1]
    assert len(list((run.parent / "data/gan_env_cache").glob("reference-*.safetensors"))) == 1


def test_new_numbers_join_the_old_ones(run: Path) -> None:
    for metrics in ("frechet", "coverage"):
        main(arguments(run, "--metrics", metrics, "--samples", "40"))
        if metrics == "frechet":
            before = json.loads((run / "metrics.json").read_text())
    after = json.loads((run / "metrics.json").read_text())
    assert after["frechet"] == before["frechet"]
    main(arguments(run, "--metrics", "frechet", "--samples", "50"))
    assert json.loads((run / "metrics.json").read_text())["frechet"]["samples"] == 50


def test_all_runs_below_a_folder_are_judged(
    run: Path, generators: GANVectorEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    save_generators(run.parent / "b/c/generator.safetensors", generators.population, ["fashion_mnist"] * 2)
    main(arguments(run.parent, "--metrics", "frechet", "--samples", "40"))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[1:3]] == ["a", "b/c"]
    assert shown[1].split()[1] == shown[2].split()[1]  # the same generators
    assert (run.parent / "b/c/metrics.json").is_file()


def test_a_crashed_row_is_told_and_left_out_of_the_mean(run: Path, generators: GANVectorEnv) -> None:
    state = generators.get_state()
    generators.population.state.ema[1] = torch.nan
    save_generators(run / "generator.safetensors", generators.population, ["fashion_mnist"] * 2)
    generators.set_state(state)
    numbers = Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(run)
    assert numbers["frechet"]["values"][1] is None
    assert numbers["frechet"]["value"] == numbers["frechet"]["values"][0]


def test_the_table_has_a_row_a_run_and_says_what_stands_behind() -> None:
    about = {
        "extractor": "an extractor",
        "extractor_hash": "0123456789abcdef",
        "samples": 7,
        "reference": "some images",
    }
    results = {"one": {"fid": {"value": 12.5, **about}}, "longer": {"fid": {"value": None, **about}}}
    lines = table(results).splitlines()
    assert lines[0].split() == ["fid"]
    assert lines[1].split() == ["one", "12.5"]
    assert lines[2].split() == ["longer", "crashed"]
    assert lines[-1] == "fid: an extractor (01234567), 7 samples against some images"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--metrics", "fdi"], "'fdi' is out of range: expected some of fid,isc,kid"),
        (["--samples", "999"], "--samples=999 .*KID's subset size 1000"),
        (["--samples", "2", "--metrics", "fid"], "at least 10"),
    ],
)
def test_bad_options_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(["somewhere", *given])


def test_options_reach_their_places() -> None:
    run, options = parse(["logs/a", "--metrics", "fid,prc,fid", "--inception", "i.pth", "--vgg", "v.pth"])
    assert run == Path("logs/a")
    assert options.metrics == ("fid", "prc")
    assert options.paths == {"inception-v3-compat": "i.pth", "vgg16": "v.pth"}


def test_too_few_real_images_are_refused_before_any_are_drawn(
    run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Dataset(torch.zeros(9, 1, 28, 28).byte(), torch.zeros(40, 1, 28, 28).byte(), torch.zeros(0, 2))
    monkeypatch.setattr(evaluate, "load_dataset", lambda *_: few)
    monkeypatch.setattr("gan_env.gan.saved.SavedGenerators.sample", None)
    evaluator = Evaluator(EvaluateOptions(("kid",), KID_SUBSET, {STAND_IN: str(stood_in)}))
    with pytest.raises(ConfigError, match=r"held_out=40 .*KID's subset size 1000"):
        evaluator.evaluate(run)


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a folder with generator\.safetensors"):
        find_runs(tmp_path)


def test_points_are_refused(tmp_path: Path) -> None:
    env = GANVectorEnv(1, **SMALL)
    env.reset(seed=0)
    save_generators(tmp_path / "generator.safetensors", env.population, ["ring"])
    with pytest.raises(ConfigError, match="a run on images"):
        Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(tmp_path)


def test_a_damaged_generator_is_named(run: Path) -> None:
    (run / "generator.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"generator\.safetensors can't be read"):
        Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(run)


def test_missing_weights_are_an_error_of_their_own() -> None:
    with pytest.raises(WeightsError, match=r"(?s)Inception.*no network in tests"):
        Evaluator(EvaluateOptions(("fid", "isc")))
