"""`python baselines/evaluate.py`: table, metrics.json, options, and one clear error before any work."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.evaluate import main, parse, table
from gan_env import ConfigError, DataError, GANVectorEnv
from gan_env.gan.saved import CHECKPOINT, find_runs, save_generators
from gan_env.metrics.published import KID_SUBSET

STAND_IN = "random-stand-in"  # conftest registers it
pytestmark = pytest.mark.usefixtures("no_network")


def arguments(run: Path, *more: str) -> list[str]:
    return [str(run), "--data-root", str(run.parent / "data"), "--device", "cpu", *more]


def test_the_command_offline_gives_one_clear_error_before_any_work(image_run: Path) -> None:
    code = (
        "import sys, torch, runpy\n"
        "def offline(*a, **k): raise OSError('offline')\n"
        "torch.hub.download_url_to_file = offline\n"
        "import gan_env.data.bank as data\n"
        "def loaded(*a): raise AssertionError('data were loaded')\n"
        "data.load_dataset = loaded\n"
        "runpy.run_module('baselines.evaluate', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", code, *arguments(image_run)]
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
    assert not (image_run / "metrics.json").exists()


def test_in_loop_metrics_need_no_weights(image_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(image_run, "--metrics", "frechet,coverage", "--samples", "60"))
    shown = capsys.readouterr().out
    assert shown.count("Fashion-MNIST classifier, 64 features (") == 3
    numbers = json.loads((image_run / "metrics.json").read_text())
    assert set(numbers) == {"frechet", "coverage", "density"}
    entry = numbers["frechet"]
    assert entry["samples"] == 60
    assert entry["reference"] == "fashion_mnist, held-out, 10000 images"
    assert entry["value"] == pytest.approx(sum(entry["values"]) / 2)
    assert len(entry["extractor_hash"]) == 64
    assert f"{entry['value']:.4g}" in shown


def test_all_published_metrics_from_one_command(image_run: Path, stood_in: Path, tmp_path: Path) -> None:
    path = tmp_path / "trunk.pth"
    path.write_bytes(b"pixels have no weights")
    given = ["--stand-in", str(stood_in), "--alexnet", str(path)]
    main(arguments(image_run, "--samples", str(KID_SUBSET), *given))
    numbers = json.loads((image_run / "metrics.json").read_text())
    names = {"fid", "isc", "isc_std", "kid", "kid_std", "precision", "recall", "lpips", "lpips_real"}
    assert set(numbers) == names
    assert {numbers[name]["extractor"] for name in ("fid", "isc", "kid", "precision")} == {STAND_IN}
    assert numbers["fid"]["value"] > 0
    assert numbers["lpips_real"]["value"] > numbers["lpips"]["value"] > 0  # an untrained generator varies little
    assert numbers["lpips_real"]["values"][0] == numbers["lpips_real"]["values"][1]
    kept = sorted(path.name.split("-v")[0] for path in (image_run.parent / "data/gan_env_cache").glob("reference-*"))
    assert kept == ["reference-lpips-pairs", *(f"reference-{STAND_IN}-{name}" for name in ("fid", "kid", "prc"))]


def test_new_numbers_join_the_old_ones(image_run: Path) -> None:
    for metrics in ("frechet", "coverage"):
        main(arguments(image_run, "--metrics", metrics, "--samples", "40"))
        if metrics == "frechet":
            before = json.loads((image_run / "metrics.json").read_text())
    after = json.loads((image_run / "metrics.json").read_text())
    assert after["frechet"] == before["frechet"]
    main(arguments(image_run, "--metrics", "frechet", "--samples", "50"))
    assert json.loads((image_run / "metrics.json").read_text())["frechet"]["samples"] == 50


def test_all_runs_below_a_folder_are_judged(
    image_run: Path, generators: GANVectorEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    save_generators(image_run.parent / "b/c/generator.safetensors", generators.population, ["fashion_mnist"] * 2)
    main(arguments(image_run.parent, "--metrics", "frechet", "--samples", "40"))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in shown[:2]] == [["frechet", "a"], ["frechet", "b/c"]]
    assert shown[0].split()[2] == shown[1].split()[2]  # the same generators
    assert (image_run.parent / "b/c/metrics.json").is_file()


def test_runs_that_cannot_be_judged_are_named_after_the_table_of_the_others(
    image_run: Path, generators: GANVectorEnv, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("0", "z"):  # before and after the good one
        path = image_run.parent / name / "generator.safetensors"
        path.parent.mkdir()
        path.write_bytes(b"nothing")
    with pytest.raises(DataError) as refused:
        main(arguments(image_run.parent, "--metrics", "frechet", "--samples", "40"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["frechet", "a"]]
    assert lines[-1] == f"wrote {image_run / 'metrics.json'}"
    for name, line in zip(("0", "z"), str(refused.value).splitlines(), strict=True):
        assert line.startswith(f"{name} could not be judged: {image_run.parent / name}/generator.safetensors can't be")


def test_the_modules_that_bring_a_runs_data_are_loaded(image_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (image_run.parent / "brings_it.py").write_text("raise ImportWarning('loaded')\n")
    (image_run / "config.yaml").write_text("env: {extensions: [brings_it]}\n")
    monkeypatch.syspath_prepend(image_run.parent)
    with pytest.raises(ImportWarning, match="loaded"):
        main(arguments(image_run, "--metrics", "frechet", "--samples", "40"))


ABOUT = {"extractor": "clothes", "extractor_hash": "0123456789", "samples": 7, "reference": "some images"}


def test_a_line_has_a_number_and_what_it_was_measured_with() -> None:
    results = {
        "one": {"fid": {"value": 12.5, "values": [12.5], **ABOUT}},
        "longer": {"fid": {"value": None, "values": [None], **ABOUT}},
    }
    first, second = table(results).splitlines()
    assert first.split(maxsplit=3) == ["fid", "one", "12.5", "clothes (01234567), 7 samples against some images"]
    assert second.split()[:3] == ["fid", "longer", "crashed"]


def test_lines_of_one_number_stand_together() -> None:
    numbers = {name: {"value": 2.0, "values": [2.0], **ABOUT} for name in ("fid", "kid")}
    lines = table({"a": numbers, "b": numbers | {"kid": {**numbers["kid"], "reference": "others"}}}).splitlines()
    assert [line.split()[:2] for line in lines] == [["fid", "a"], ["fid", "b"], ["kid", "a"], ["kid", "b"]]
    assert [line.endswith("against others") for line in lines] == [False, False, False, True]


def test_gans_that_crashed_are_counted() -> None:
    assert table({"a": {"fid": {"value": 2.0, "values": [2.0, None], **ABOUT}}}).endswith(
        "; without 1 of 2 GANs, which crashed"
    )


def test_a_number_of_samples_alone_is_shown_against_nothing() -> None:
    shown = table({"one": {"isc": {"value": 2.0, "values": [2.0], **ABOUT, "reference": None}}})
    assert shown.endswith("clothes (01234567), 7 samples")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--metrics", "fdi"], "'fdi' can't be used: expected some of fid,isc,kid"),
        (["--samples", "999"], "--samples=999 .*KID's subset size 1000"),
        (["--samples", "2", "--metrics", "fid"], "at least 10"),
        (["--reference", "test"], "--reference='test' can't be used: expected one of held_out,train"),
    ],
)
def test_bad_options_are_refused(given: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(["somewhere", *given])


def test_options_reach_their_places() -> None:
    given = ["--metrics", "fid,prc,fid", "--inception", "i.pth", "--vgg", "v.pth", "--reference", "train"]
    folder, options = parse(["logs/a", *given])
    assert folder == Path("logs/a")
    assert options.metrics == ("fid", "prc")
    assert options.paths == {"inception-v3-compat": "i.pth", "vgg16": "v.pth"}
    assert options.reference == "train"
    assert parse(["logs/a"])[1].reference == "held_out"


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a folder with generator\.safetensors"):
        find_runs(tmp_path, "RUN")


def test_a_run_that_is_not_finished_is_left_out_and_told(image_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = image_run.parent / "b"
    begun.mkdir()
    for folder in (image_run, begun):  # a finished run keeps its own
        (folder / CHECKPOINT).write_bytes(b"")
    main(arguments(image_run.parent, "--metrics", "frechet", "--samples", "40"))
    shown = capsys.readouterr()
    assert shown.err.splitlines()[0].startswith(f"left out: {begun} is not finished")
    assert shown.out.splitlines()[-1] == f"wrote {image_run / 'metrics.json'}"
    with pytest.raises(ConfigError, match=r"a folder with generator\.safetensors"):
        find_runs(begun, "RUN")
