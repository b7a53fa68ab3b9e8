"""Judging saved generators: what is refused, and which real images each number is measured against."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from baselines.evaluate import main, table
from gan_env import ConfigError, DataError, GANVectorEnv
from gan_env.errors import WeightsError
from gan_env.evaluation import evaluator
from gan_env.evaluation.evaluator import EvaluateOptions, Evaluator, in_loop_measure, load_reference
from gan_env.gan.saved import save_generators
from gan_env.metrics.diversity import coverage, density, neighbour_radii
from gan_env.metrics.features import ClassifierFeatures
from gan_env.metrics.frechet import FrechetDistance
from gan_env.metrics.published import FID_DIMENSION, KID_SUBSET, Reference
from gan_env.records import Dataset, decode

CPU = torch.device("cpu")
STAND_IN = "random-stand-in"  # conftest registers it
HARDLY: dict[str, Any] = {"num_decisions": 1, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
pytestmark = pytest.mark.usefixtures("no_network")


def arguments(run: Path, *more: str) -> list[str]:
    return [str(run), "--data-root", str(run.parent / "data"), "--device", "cpu", *more]


@pytest.mark.parametrize("finite", [True, False])
def test_a_crashed_row_is_named_and_left_out_of_the_mean(
    image_run: Path, generators: GANVectorEnv, finite: bool
) -> None:
    """Most crashed runs have exploded: their samples are still numbers."""
    state, names = generators.get_state(), ["fashion_mnist"] * 2
    if not finite:
        generators.population.state.ema[1] = torch.nan
    crashed = [False, True] if finite else []
    save_generators(image_run / "generator.safetensors", generators.population, names, crashed=crashed)
    generators.set_state(state)
    numbers = Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(image_run)
    assert numbers["frechet"]["values"][1] is None
    assert numbers["frechet"]["value"] == numbers["frechet"]["values"][0]
    assert "without 1 of 2 GANs, which crashed" in table({"a": numbers})


def test_generators_of_several_data_sets_are_refused(tmp_path: Path, generators: GANVectorEnv) -> None:
    """Their mean is of nothing, and each number says what it was measured against."""
    save_generators(tmp_path / "generator.safetensors", generators.population, ["fashion_mnist", "mnist"])
    with pytest.raises(ConfigError, match=r"data sets of .* expected one for all 2 generators"):
        Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(tmp_path)


def use_images(monkeypatch: pytest.MonkeyPatch, train: int, held_out: int) -> None:
    """A data set of noise with so many images in the place of Fashion-MNIST."""
    generator = torch.Generator().manual_seed(0)
    pools = (torch.randint(256, (count, 1, 28, 28), generator=generator).byte() for count in (train, held_out))
    found = Dataset(*pools)
    monkeypatch.setattr(evaluator, "load_dataset", lambda *_: found)


@pytest.mark.parametrize(
    ("train", "remedy"),
    [
        (KID_SUBSET, f"use --metrics without kid, or --reference train, which has {KID_SUBSET}$"),
        (KID_SUBSET - 1, "use --metrics without kid$"),
    ],
)
def test_too_few_real_images_are_refused_before_any_are_drawn(
    image_run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch, train: int, remedy: str
) -> None:
    use_images(monkeypatch, train, held_out=40)
    monkeypatch.setattr("gan_env.gan.saved.SavedGenerators.sample", None)
    evaluator = Evaluator(EvaluateOptions(("kid",), KID_SUBSET, {STAND_IN: str(stood_in)}))
    with pytest.raises(ConfigError, match=rf"fashion_mnist\.held_out=40 .*1000 images, which kid takes: {remedy}"):
        evaluator.evaluate(image_run)


@pytest.mark.parametrize(("metric", "enough"), [("fid", 2), ("lpips", 2), ("prc", 4), ("frechet", 2), ("coverage", 6)])
def test_every_metric_says_how_many_real_images_it_takes(
    image_run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch, metric: str, enough: int
) -> None:
    paths = {STAND_IN: str(stood_in), "lpips": str(stood_in)}  # pixels need no weights
    evaluator = Evaluator(EvaluateOptions((metric,), 20, paths, data_root=str(image_run.parent)))
    use_images(monkeypatch, train=1, held_out=enough - 1)
    with pytest.raises(ConfigError, match=f"at least {enough} images, which {metric} takes: use --metrics without"):
        evaluator.evaluate(image_run)
    use_images(monkeypatch, train=1, held_out=enough)
    numbers = evaluator.evaluate(image_run)
    assert all(value is not None for entry in numbers.values() for value in entry["values"])


def test_an_inception_score_needs_no_data(image_run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "load_dataset", None)
    numbers = Evaluator(EvaluateOptions(("isc",), 20, {STAND_IN: str(stood_in)})).evaluate(image_run)
    assert numbers["isc"]["value"] > 0
    assert numbers["isc"]["reference"] is None


def test_colour_images_for_a_grey_generator_are_refused(image_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "colour"
    folder.mkdir()
    for index in range(40):
        Image.new("RGB", (28, 28), (index, 0, 0)).save(folder / f"{index}.png")
    with pytest.raises(ConfigError, match=r"image_folder's images in .*=\(3, 28, 28\).*\(1, 28, 28\).*--data-root"):
        load_reference("image_folder", str(folder), (1, 28, 28), EvaluateOptions(("frechet",)))


@pytest.mark.parametrize("content", ["{", "[1]", "3"])
def test_a_damaged_file_of_metrics_is_told_before_anything_is_measured(
    image_run: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (image_run / "metrics.json").write_text(content)
    monkeypatch.setattr(evaluator, "load_generators", None)
    with pytest.raises(DataError, match=r"metrics\.json is damaged .*delete it"):
        Evaluator(EvaluateOptions(("frechet",))).evaluate(image_run)


def test_a_small_held_out_set_can_give_way_to_training_images(
    image_run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LSUN's 300, too few for KID: both numbers and the label are those of the training images."""
    use_images(monkeypatch, train=KID_SUBSET, held_out=300)
    options = ["--stand-in", str(stood_in), "--samples", str(KID_SUBSET), "--reference", "train"]
    main(arguments(image_run, "--metrics", "fid,kid", *options))
    label = f"fashion_mnist, training, {KID_SUBSET} images"
    assert label in capsys.readouterr().out
    against_train = json.loads((image_run / "metrics.json").read_text())
    assert {entry["reference"] for entry in against_train.values()} == {label}

    main(arguments(image_run, "--metrics", "fid", *options[:-2]))
    against_held_out = json.loads((image_run / "metrics.json").read_text())
    assert against_held_out["fid"]["reference"] == "fashion_mnist, held-out, 300 images"
    assert against_held_out["fid"]["value"] != against_train["fid"]["value"]
    assert against_held_out["kid"] == against_train["kid"]


def test_every_number_says_which_real_images_it_is_against(
    image_run: Path, stood_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With fewer samples than there are real images: all of them, the first ones, or none."""
    use_images(monkeypatch, train=10, held_out=80)
    path = tmp_path / "trunk.pth"
    path.write_bytes(b"pixels have no weights")
    given = ["--stand-in", str(stood_in), "--alexnet", str(path), "--metrics", "fid,isc,prc,lpips,frechet,coverage"]
    main(arguments(image_run, "--samples", "60", *given))
    whole, part = (f"fashion_mnist, held-out, {count} images" for count in ("80", "the first 60 of 80"))
    expected = dict.fromkeys(("fid", "frechet"), whole) | dict.fromkeys(("isc", "isc_std", "lpips"))
    expected |= dict.fromkeys(("precision", "recall", "coverage", "density", "lpips_real"), part)
    numbers = json.loads((image_run / "metrics.json").read_text())
    assert {name: entry["reference"] for name, entry in numbers.items()} == expected
    lines = [line for line in capsys.readouterr().out.splitlines() if " samples" in line]
    ends = {line.split()[0]: line.split(" samples")[1] for line in lines}
    assert ends == {name: f" against {label}" if label else "" for name, label in expected.items()}


def test_coverage_takes_as_many_real_images_as_there_are_samples_and_frechet_takes_all(tmp_path: Path) -> None:
    noise = torch.randint(256, (140, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    images, generated = noise[:80], noise[80:]
    images[60:] //= 4  # dark ones, which no sample resembles
    metrics = ["frechet", "coverage"]
    numbers = in_loop_measure(Reference(images, "noise", tmp_path), metrics, 60, CPU).compute(generated)

    real, fake = (ClassifierFeatures(CPU)(decode(x)) for x in (images, generated))
    near = fake[None], real[None, :60], neighbour_radii(real[None, :60])
    frechet = FrechetDistance([real])(fake[None], torch.tensor([0]))
    expected = {"frechet": frechet.item(), "coverage": coverage(*near).item(), "density": density(*near).item()}
    assert numbers == pytest.approx(expected, rel=1e-3)


def test_in_loop_metrics_can_be_against_training_images_too(image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_images(monkeypatch, train=90, held_out=60)
    main(arguments(image_run, "--metrics", "frechet", "--samples", "60", "--reference", "train"))
    frechet = json.loads((image_run / "metrics.json").read_text())["frechet"]
    assert frechet["reference"] == "fashion_mnist, training, 90 images"
    main(arguments(image_run, "--metrics", "frechet", "--samples", "60"))
    assert json.loads((image_run / "metrics.json").read_text())["frechet"]["value"] != frechet["value"]


def test_statistics_of_one_part_are_never_taken_for_those_of_the_other(
    image_run: Path, stood_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where both hold the same images."""
    same = torch.zeros(20, 1, 28, 28).byte()
    monkeypatch.setattr(evaluator, "load_dataset", lambda *_: Dataset(same, same))
    for part in ("held_out", "train", "train"):
        options = ["--stand-in", str(stood_in), "--samples", "20", "--reference", part]
        main(arguments(image_run, "--metrics", "fid", *options))
    assert len(list((image_run.parent / "data/gan_env_cache").glob("reference-*.safetensors"))) == 2


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


def test_points_are_refused(tmp_path: Path) -> None:
    env = GANVectorEnv(1, **HARDLY)
    env.reset(seed=0)
    save_generators(tmp_path / "generator.safetensors", env.population, ["ring"])
    with pytest.raises(ConfigError, match="a run on images"):
        Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(tmp_path)


def test_a_damaged_generator_is_named(image_run: Path) -> None:
    (image_run / "generator.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"generator\.safetensors can't be read"):
        Evaluator(EvaluateOptions(("frechet",), 40)).evaluate(image_run)


def test_missing_weights_are_an_error_of_their_own() -> None:
    with pytest.raises(WeightsError, match=r"(?s)Inception.*Name or service not known"):
        Evaluator(EvaluateOptions(("fid", "isc")))


def test_ones_own_images_are_those_of_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where ./data has other ones."""
    monkeypatch.chdir(tmp_path)
    for folder in ("mine", "data"):
        Path(folder).mkdir()
        for i in range(160):
            Image.fromarray(torch.randint(256, (8, 8), dtype=torch.uint8).numpy()).save(f"{folder}/{i}.png")
    env = GANVectorEnv(1, **{**HARDLY, "datasets": ("image_folder",), "data_root": "mine", "image_size": 8})
    env.reset(seed=0)
    save_generators(tmp_path / "run/generator.safetensors", env.population, ["image_folder"], "mine")
    found = [
        Evaluator(EvaluateOptions(("coverage",), samples=32, data_root=root)).evaluate(tmp_path / "run")["coverage"]
        for root in (None, "data")
    ]
    assert found[0]["reference"] == f"image_folder {tmp_path}/mine, held-out, 32 images"
    assert found[1]["reference"] == "image_folder data, held-out, 32 images"
    assert (tmp_path / "mine/gan_env_cache").exists()
