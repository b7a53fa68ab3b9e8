"""Runs as a data set: nothing but rounding is lost, and curves count what a result costs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_env import DataError, GANVectorEnv
from gan_env.evaluation.runs import ROUNDED, Runs, load_runs, read_kept
from gan_env.instance_lists import hash_of


def some(count: int = 6, **columns: Any) -> Runs:
    """Runs of four decisions, two knobs, one method; run r ends at log metric r and score 10 r."""
    rng = np.random.default_rng(0)
    ends = np.arange(count, dtype=np.float32)[:, None]
    fields: dict[str, Any] = {
        "method": np.full(count, "random"), "instance": np.zeros(count, np.int64), "unit": np.arange(count),
        "seed": np.arange(count) + 10_000_000, "decisions": np.full(count, 4), "crashed": np.zeros(count, bool),
        "knobs": rng.uniform(size=(count, 4, 2)).astype(np.float32), "log_metric": np.tile(ends, 5),
        "score": np.tile(10 * ends, 5), "collapse": np.full((count, 4), -np.inf, np.float32),
        **{name: rng.normal(size=(count, 4)).astype(np.float32) for name in ("loss_d", "loss_g")},
    }  # fmt: skip
    about = {"knobs": ["lr_g", "lr_d"], "instances": [{"dataset": "ring", "num_samples": 30}]}
    return Runs(about, **(fields | columns))


def test_runs_that_are_kept_come_back_as_they_were(tmp_path: Path) -> None:
    runs = some()
    found = read_kept(runs.keep(tmp_path / "runs.npz"))
    assert found.about == runs.about
    for name, column in runs.columns().items():
        np.testing.assert_array_equal(getattr(found, name), column)


def test_a_data_set_is_rounded_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    runs = some(loss_d=np.full((6, 4), np.nan, np.float32))
    found = load_runs(runs.save(tmp_path / "runs.parquet"))
    assert found.about == runs.about
    for name, column in runs.columns().items():
        other = getattr(found, name)
        assert other.shape == column.shape
        if name in ROUNDED:
            np.testing.assert_allclose(other, column, atol=ROUNDED[name] / 2 + 1e-6)
        else:
            assert other.tolist() == column.tolist()


def test_runs_of_many_decisions_keep_their_number(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    runs = some(decisions=np.full(6, 200))
    assert load_runs(runs.save(tmp_path / "runs.parquet")).decisions.tolist() == [200] * 6


def test_a_run_costs_about_seventy_bytes(tmp_path: Path) -> None:
    """100,000 of them fit into 10 MB, as random as real ones."""
    pytest.importorskip("pyarrow")
    count, rng = 4000, np.random.default_rng(0)

    def walk(length: int, size: float) -> np.ndarray:
        return rng.normal(0, size, (count, length)).cumsum(axis=1).astype(np.float32)

    curve = walk(13, 0.2)
    knobs = np.repeat(rng.integers(21, size=(count, 1, 5)) / 20, 12, axis=1).astype(np.float32)
    runs = some(
        count, knobs=knobs, log_metric=curve, score=curve + walk(13, 0.02), loss_d=walk(12, 0.1), loss_g=walk(12, 0.1)
    )
    assert runs.save(tmp_path / "runs.parquet").stat().st_size < 100 * count


@pytest.mark.parametrize("read", [load_runs, read_kept])
def test_a_damaged_file_is_refused_in_a_line(tmp_path: Path, read: Any) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "runs").write_bytes(b"no runs")
    for path in (tmp_path / "runs", tmp_path / "missing"):
        with pytest.raises(DataError, match="can't be read"):
            read(path)


def test_kept_runs_that_were_cut_off_or_changed_are_refused_in_a_line(tmp_path: Path) -> None:
    whole = some(3).keep(tmp_path / "runs.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for damaged in (whole[: len(whole) // 2], bytes(flipped)):
        (tmp_path / "runs.npz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"can't be read .*delete it"):
            read_kept(tmp_path / "runs.npz")


def test_independent_runs_give_the_exact_expectation() -> None:
    curve = some(3).curve("random", 0, 3)
    np.testing.assert_allclose(curve, [10.0, 10 / 3, 0.0])


def test_the_first_runs_count_where_a_method_learns() -> None:
    learning = some(3, method=np.full(3, "tpe"), unit=np.array([2, 1, 0]))
    np.testing.assert_allclose(learning.curve("tpe", 0, 3), [20.0, 10.0, 0.0])


def test_a_bracket_costs_all_of_its_decisions_and_gives_its_finished_run() -> None:
    """Two brackets of three runs, of which two are stopped after one decision: 6 decisions or 1.5 runs each."""
    ends = np.tile(np.arange(6, dtype=np.float32)[:, None], 5)
    decisions = np.array([1, 1, 4, 1, 1, 4])
    ends[decisions < 4, 2:] = np.nan
    brackets = some(unit=np.array([0, 0, 0, 1, 1, 1]), decisions=decisions, log_metric=ends)
    np.testing.assert_allclose(brackets.curve("random", 0, 4), [np.nan, 35.0, 20.0, 20.0])


def test_parts_are_joined_in_their_order() -> None:
    joined = Runs.join([some(2), some(3)])
    assert len(joined) == 5
    assert joined.unit.tolist() == [0, 1, 0, 1, 2]


def test_the_committed_data_set_is_of_the_held_out_instances_of_today() -> None:
    """Those that `baselines/worth.py` plays: another version of gan_env that draws others has to make it anew."""
    pytest.importorskip("pyarrow")
    runs = load_runs(Path(__file__).parents[3] / "docs/data/points.parquet")
    env = GANVectorEnv(1, preset="points", split="test", compile=False)
    assert runs.about["sha256"] == hash_of([vars(instance) for instance in env.instances.instances[:80]])
    assert runs.about["knobs"] == list(env.config.knobs)
    assert {str(name) for name in np.unique(runs.method)} == {"rates", "random", "tpe", "halving", "population"}
    assert len(runs) > 100_000 and np.isfinite(runs.curve("tpe", instance=0, most=16)).all()
