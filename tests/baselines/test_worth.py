"""What a controller is worth: the runs are made once, compared with any policy, and written as a data set."""

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from programs import call

SMALL = [
    "env.num_decisions=3", "env.updates_per_decision=1", "env.metric_samples=32", "env.compile=false",
    "instances=3", "runs=8", "controlled=2", "rows=9",
]  # fmt: skip


def worth(folder: Path, *arguments: str) -> CompletedProcess[str]:
    return call("baselines/worth.py", *SMALL, f"folder={folder}", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a finished comparison with constants."""
    made = tmp_path_factory.mktemp("worth")
    assert worth(made).returncode == 0
    return made


def test_every_method_has_a_curve_with_a_band(folder: Path) -> None:
    found = json.loads((folder / "worth.json").read_text())
    assert list(found["worth"]) == ["rates", "random", "tpe", "halving", "population"]
    for each in found["worth"].values():
        assert len(each["gain"]) == 8
        assert each["low"][-1] <= each["gain"][-1] <= each["high"][-1]
    assert len(found["controlled"]) == 3
    assert (folder / "worth.png").stat().st_size > 1000


def test_another_policy_meets_the_same_runs(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}
    result = worth(folder, "policy=cosine", "methods=[random]", "training_updates=300")
    assert result.returncode == 0, result.stderr
    assert "one run with cosine: mean" in result.stdout
    assert "trained after" in result.stdout or "training never pays" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")} == before


def test_a_part_that_is_missing_is_made_again(folder: Path) -> None:
    part = folder / "runs" / "halving-0.npz"
    content = part.read_bytes()
    part.unlink()
    assert worth(folder, "methods=[halving]").returncode == 0
    assert part.read_bytes() == content


def test_the_runs_become_a_data_set(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from gan_env.evaluation.runs import load_runs

    result = worth(folder, f"data={tmp_path}/runs.parquet")
    runs = load_runs(tmp_path / "runs.parquet")
    assert f"wrote {len(runs):,} runs" in result.stdout
    assert len(runs.about["instances"]) == 3
    assert set(runs.method.tolist()) == {"rates", "random", "tpe", "halving", "population"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs=9"], "was begun with other options: runs=8, not 9"),
        (["methods=[best]"], "methods='best' can't be used"),
        (["methods=[tpe,tpe]"], "each once"),
        (["rows=8"], "rows=8 can't be used: expected at least 9"),
        (["instances=1"], "instances=1 can't be used"),
        (["instances=100000"], "at most 256"),
        (["runs=5000"], "runs=5000 can't be used: expected at most 2250"),
        (["training_updates=-1"], "training_updates=-1 can't be used: expected at least 0"),
        (["data=."], "data='.' can't be used: expected a file that is written, not a folder"),
        (["policy=nobody"], "policy='nobody' can't be used: expected one of"),
    ],
)
def test_bad_input_is_one_line(folder: Path, arguments: list[str], message: str) -> None:
    result = worth(folder, *arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")


def test_a_policy_that_can_not_play_is_refused_before_any_run(tmp_path: Path) -> None:
    result = worth(tmp_path, "policy=ada", "env.losses=[relativistic]")
    assert "can't be used" in result.stderr and not list(tmp_path.iterdir())
    result = worth(tmp_path, "policy=cosine", "env.knobs=[lr_g]")
    assert result.stderr.splitlines()[-1].startswith("error: env.knobs=['lr_g'] can't be used")
