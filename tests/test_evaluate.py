"""`python -m gan_env.evaluate`: table, metrics.json, options, and one clear error before any work."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gan_env import ConfigError, DataError, GANVectorEnv, evaluate
from gan_env.evaluate import EvaluateOptions, Evaluator, find_runs, load_reference, main, parse, table
from gan_env.gan.data import Dataset
from gan_env.gan.saved import save_generators
from gan_env.metrics.published import EXTRACTORS, FID_DIMENSION, KID_SUBSET
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


@pytest.mark.parametrize("finite", [True, False])
def test_a_crashed_row_is_told_and_left_out_of_the_mean(run: Path, generators: GANVectorEnv, finite: bool) -> None:
    """Most crashed runs have exploded: their samples are numbers still. Earlier files tell of none."""
    state, names = generators.get_state(), ["fashion_mnist"] * 2
    if not finite:
        generators.population.state.ema[1] = torch.nan
    crashed = [False, True] if finite else []
    save_generators(run / "generator.safetensors", generators.population, names, crashed=crashed)
    generators.set_state(state)
    numbers = Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(run)
    assert numbers["frechet"]["values"][1] is None
    assert numbers["frechet"]["value"] == numbers["frechet"]["values"][0]
    assert "a: 1 of 2 crashed, the numbers are means of the others" in table({"a": numbers})


def test_the_table_has_a_row_a_run_and_says_what_stands_behind() -> None:
    about = {
        "extractor": "an extractor",
        "extractor_hash": "0123456789abcdef",
        "samples": 7,
        "reference": "some images",
    }
    results = {
        "one": {"fid": {"value": 12.5, "values": [12.5], **about}},
        "longer": {"fid": {"value": None, "values": [None], **about}},
    }
    lines = table(results).splitlines()
    assert lines[0].split() == ["fid"]
    assert lines[1].split() == ["one", "12.5"]
    assert lines[2:4] == ["longer    crashed", ""]
    assert lines[-1] == "fid: an extractor (01234567), 7 samples against some images"


def test_a_number_of_samples_alone_is_shown_against_nothing() -> None:
    about = {"extractor": "an extractor", "extractor_hash": "0123456789abcdef", "samples": 7, "reference": None}
    shown = table({"one": {"isc": {"value": 2.0, "values": [2.0], **about}}})
    assert shown.splitlines()[-1] == "isc: an extractor (01234567), 7 samples"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--metrics", "fdi"], "'fdi' is out of range: expected some of fid,isc,kid"),
        (["--samples", "999"], "--samples=999 .*KID's subset size 1000"),
        (["--samples", "2", "--metrics", "fid"], "at least 10"),
        (["--reference", "test"], "--reference='test' is out of range: expected one of held_out,train"),
    ],
)
def test_bad_options_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(["somewhere", *given])


def test_options_reach_their_places() -> None:
    given = ["--metrics", "fid,prc,fid", "--inception", "i.pth", "--vgg", "v.pth", "--reference", "train"]
    run, options = parse(["logs/a", *given])
    assert run == Path("logs/a")
    assert options.metrics == ("fid", "prc")
    assert options.paths == {"inception-v3-compat": "i.pth", "vgg16": "v.pth"}
    assert options.reference == "train"
    assert parse(["logs/a"])[1].reference == "held_out"


# --- the reference: held-out images, or training images ---


def use_images(monkeypatch: pytest.MonkeyPatch, train: int, held_out: int) -> None:
    """A data set of noise with so many images in the place of Fashion-MNIST."""
    generator = torch.Generator().manual_seed(0)
    pools = (torch.randint(256, (count, 1, 28, 28), generator=generator).byte() for count in (train, held_out))
    found = Dataset(*pools, centers=torch.zeros(0, 2))
    monkeypatch.setattr(evaluate, "load_dataset", lambda *_: found)


@pytest.mark.parametrize(
    ("train", "remedy"),
    [
        (KID_SUBSET, f"use --metrics without kid, or --reference train, which has {KID_SUBSET}$"),
        (KID_SUBSET - 1, "use --metrics without kid$"),
    ],
)
def test_too_few_real_images_are_refused_before_any_are_drawn(
    run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch, train: int, remedy: str
) -> None:
    use_images(monkeypatch, train, held_out=40)
    monkeypatch.setattr("gan_env.gan.saved.SavedGenerators.sample", None)
    evaluator = Evaluator(EvaluateOptions(("kid",), KID_SUBSET, {STAND_IN: str(stood_in)}))
    with pytest.raises(ConfigError, match=rf"fashion_mnist\.held_out=40 .*1000 images, which kid takes: {remedy}"):
        evaluator.evaluate(run)


@pytest.mark.parametrize(("metric", "enough"), [("fid", 2), ("prc", 4), ("frechet", 6), ("coverage", 6)])
def test_every_metric_says_how_many_real_images_it_takes(
    run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch, metric: str, enough: int
) -> None:
    evaluator = Evaluator(EvaluateOptions((metric,), 20, {STAND_IN: str(stood_in)}, data_root=str(run.parent)))
    use_images(monkeypatch, train=1, held_out=enough - 1)
    with pytest.raises(ConfigError, match=f"at least {enough} images, which {metric} takes: use --metrics without"):
        evaluator.evaluate(run)
    use_images(monkeypatch, train=1, held_out=enough)
    numbers = evaluator.evaluate(run)
    assert all(value is not None for entry in numbers.values() for value in entry["values"])


def test_colour_images_for_a_grey_generator_are_refused(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "colour"
    folder.mkdir()
    for index in range(40):
        Image.new("RGB", (28, 28), (index, 0, 0)).save(folder / f"{index}.png")
    with pytest.raises(ConfigError, match=r"image_folder's images in .*=\(3, 28, 28\).*\(1, 28, 28\).*--data-root"):
        load_reference("image_folder", str(folder), (1, 28, 28), EvaluateOptions(("frechet",)))


def test_a_damaged_file_of_metrics_is_told_before_anything_is_measured(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "metrics.json").write_text("{")
    monkeypatch.setattr(evaluate, "load_generators", None)
    with pytest.raises(DataError, match=r"metrics\.json is damaged .*delete it"):
        Evaluator(EvaluateOptions(("frechet",))).evaluate(run)


def test_a_small_held_out_set_can_give_way_to_training_images(
    run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LSUN's 300, too few for KID: both numbers and the label are those of the training images."""
    use_images(monkeypatch, train=KID_SUBSET, held_out=300)
    options = ["--stand-in", str(stood_in), "--samples", str(KID_SUBSET), "--reference", "train"]
    main(arguments(run, "--metrics", "fid,kid", *options))
    label = f"fashion_mnist, training, {KID_SUBSET} images"
    assert label in capsys.readouterr().out
    against_train = json.loads((run / "metrics.json").read_text())
    assert {entry["reference"] for entry in against_train.values()} == {label}

    main(arguments(run, "--metrics", "fid", *options[:-2]))
    against_held_out = json.loads((run / "metrics.json").read_text())
    assert against_held_out["fid"]["reference"] == "fashion_mnist, held-out, 300 images"
    assert against_held_out["fid"]["value"] != against_train["fid"]["value"]
    assert against_held_out["kid"] == against_train["kid"]


def test_every_number_says_which_real_images_it_is_against(
    run: Path, stood_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With fewer samples than there are real images: all of them, the first ones, or none."""
    use_images(monkeypatch, train=10, held_out=80)
    path = tmp_path / "trunk.pth"
    path.write_bytes(b"pixels have no weights")
    given = ["--stand-in", str(stood_in), "--alexnet", str(path), "--metrics", "fid,isc,prc,lpips,frechet,coverage"]
    main(arguments(run, "--samples", "60", *given))
    whole, part = (f"fashion_mnist, held-out, {count} images" for count in ("80", "the first 60 of 80"))
    expected = dict.fromkeys(("fid", "frechet"), whole) | dict.fromkeys(("isc", "isc_std", "lpips"))
    expected |= dict.fromkeys(("precision", "recall", "coverage", "density", "lpips_real"), part)
    numbers = json.loads((run / "metrics.json").read_text())
    assert {name: entry["reference"] for name, entry in numbers.items()} == expected
    notes = [line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if " samples" in line]
    ends = {name: note.split(" samples")[1] for names, note in notes for name in names.split(", ")}
    assert ends == {name: f" against {label}" if label else "" for name, label in expected.items()}


def test_in_loop_metrics_can_be_against_training_images_too(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_images(monkeypatch, train=90, held_out=60)
    main(arguments(run, "--metrics", "frechet", "--samples", "60", "--reference", "train"))
    frechet = json.loads((run / "metrics.json").read_text())["frechet"]
    assert frechet["reference"] == "fashion_mnist, training, 90 images"
    main(arguments(run, "--metrics", "frechet", "--samples", "60"))
    assert json.loads((run / "metrics.json").read_text())["frechet"]["value"] != frechet["value"]


def test_statistics_of_one_part_are_never_taken_for_those_of_the_other(
    run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where both hold the same images."""
    same = torch.zeros(20, 1, 28, 28).byte()
    monkeypatch.setattr(evaluate, "load_dataset", lambda *_: Dataset(same, same, torch.zeros(0, 2)))
    for part in ("held_out", "train", "train"):
        options = ["--stand-in", str(stood_in), "--samples", "20", "--reference", part]
        main(arguments(run, "--metrics", "fid", *options))
    assert len(list((run.parent / "data/gan_env_cache").glob("reference-*.safetensors"))) == 2


@pytest.mark.parametrize(
    ("metric", "samples", "images", "warned"),
    [
        ("fid", FID_DIMENSION, FID_DIMENSION, False),
        ("fid", FID_DIMENSION - 1, FID_DIMENSION, True),
        ("fid", FID_DIMENSION, FID_DIMENSION - 1, True),
        ("frechet", FID_DIMENSION - 1, FID_DIMENSION - 1, False),
    ],
)
def test_fid_of_few_images_is_warned_of_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    metric: str,
    samples: int,
    images: int,
    warned: bool,
) -> None:
    use_images(monkeypatch, train=10, held_out=images)
    load_reference("fashion_mnist", "data", (1, 28, 28), EvaluateOptions((metric,), samples))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == warned
    if warned:
        about = f"{samples} samples against fashion_mnist, held-out, {images} images"
        assert lines[0].startswith(f"warning: FID of {about}")
        assert "--samples, --reference train" in lines[0]


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


def test_ones_own_images_are_those_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where ./data has other ones."""
    monkeypatch.chdir(tmp_path)
    for folder in ("mine", "data"):
        Path(folder).mkdir()
        for i in range(80):
            Image.fromarray(torch.randint(256, (8, 8), dtype=torch.uint8).numpy()).save(f"{folder}/{i}.png")
    env = GANVectorEnv(1, **{**SMALL, "datasets": ("image_folder",), "data_root": "mine", "image_size": 8})
    env.reset(seed=0)
    save_generators(tmp_path / "run/generator.safetensors", env.population, ["image_folder"], "mine")
    found = [
        Evaluator(EvaluateOptions(("coverage",), samples=16, data_root=root)).evaluate(tmp_path / "run")["coverage"]
        for root in (None, "data")
    ]
    assert found[0]["reference"] == f"image_folder {tmp_path}/mine, held-out, 16 images"
    assert found[1]["reference"] == "image_folder data, held-out, 16 images"
    assert (tmp_path / "mine/gan_env_cache").exists()
