"""`python baselines/verdict.py`: its numbers by hand, from hand-made folders of runs, and its refusals."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import call

from baselines.run import RunOptions, run
from baselines.verdict import evenly, read_all
from gan_env import ConfigError
from gan_env.config import env_config
from gan_env.evaluation.intervals import FEW, stratified_gain
from gan_env.policies import load_policy
from gan_env.strict import to_dict

TWO = {"num_decisions": 2, "updates_per_decision": 50}
RING = {
    "dataset": "ring",
    "num_samples": 100,
    "lr_d": 1e-3,
    "beta_1": 0.5,
    "batch_size": 16,
    "width_g": 8,
    "width_d": 8,
}
OWN = [RING | {"lr_g": 1e-3}, RING | {"lr_g": 1e-2}]


def write_played(
    folder: Path,
    final: Sequence[float],
    instance: Sequence[int] | None = None,
    crashed: Sequence[int] = (),
    backwards: bool = False,
    **changes: Any,
) -> Path:
    """What baselines/run.py writes of runs with two decisions that end like that.

    Args:
        folder: where.
        final: final score of each run.
        instance: of each run; None: another one each.
        crashed: the runs that crashed.
        backwards: whether the last run comes first.
        changes: of the summary; `env`: options of the environment.
    """
    folder.mkdir(parents=True)
    env = {"preset": "points", **to_dict(env_config("points", **TWO | changes.pop("env", {})))}
    summary = {"metric": "a distance", "n": len(final), "seed": 1000, "env": env, **changes}
    (folder / "summary.json").write_text(json.dumps(summary))
    numbers = list(range(len(final))) if instance is None else instance
    runs = [(e, summary["seed"] + e, numbers[e], score, int(e in crashed)) for e, score in enumerate(final)]
    with (folder / "decisions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["episode", "seed", "instance", "decision", "log_metric", "score", "crashed"])
        for e, seed, number, score, ended in runs[:: -1 if backwards else 1]:
            writer.writerow([e, seed, number, 0, 9.0, 9.0, ended])
            writer.writerow([e, seed, number, 1, -9.0, score, ended])
    return folder


def judged(*folders: Path) -> list[list[str]]:
    """The table's rows below its header, as words; and what stands below the table, if anything does."""
    done = call("baselines/verdict.py", *map(str, folders))
    assert done.returncode == 0, done.stderr
    _, table, *notes = done.stdout.strip().split("\n\n")
    return [line.split() for line in table.splitlines()[1:]] + [note.splitlines() for note in notes]


def test_a_policy_that_ends_lower_by_one_in_every_run_is_better(tmp_path: Path) -> None:
    """By hand: the middle half of 0 to 11 is 3 to 8, whose mean is 5.5; exp(-1) is 37 %, so 63 % lower."""
    worse = np.arange(12.0)
    mine, other = write_played(tmp_path / "mine", worse - 1, crashed=[2]), write_played(tmp_path / "other", worse)
    first, second = judged(mine, other)
    assert (first[:2], first[-1], len(first)) == (["mine", "4.500"], "1", 5)
    assert second[:2] == ["other", "5.500"]
    gain = ["+1.000", "[+1.000,", "+1.000]", "1.00", "[1.00,", "1.00]", "0"]
    assert second[4:] == [*gain, "better,", "63", "%", "lower", "[63,", "63]"]
    _, back = judged(other, mine)
    assert back[4:8] == ["-1.000", "[-1.000,", "-1.000]", "0.00"] and "worse," in back


def test_the_gain_is_the_mean_over_pairs_of_runs(tmp_path: Path) -> None:
    """By hand: gains of 3, 0, -1 and 2; ties count half; the ends of the interval are the worst and the best draw."""
    mine, other = write_played(tmp_path / "a", [0, 5, 3, 0]), write_played(tmp_path / "b", [3, 5, 2, 2])
    _, row, notes = judged(mine, other)
    assert (row[4], row[7], row[11:14]) == ("+1.000", "0.62", ["not", "told", "apart,"])
    low, high = (float(end.strip("[],")) for end in row[5:7])
    assert -1 <= low < 0 < 2 <= high <= 3
    assert notes == [f"Few instances, 4: intervals are too narrow, verdicts too sure. Play at least {FEW}."]


def test_a_gain_on_some_of_the_instances_alone_may_be_another_on_others(tmp_path: Path) -> None:
    """Each run of instance 0 gains 0, each of instance 1 gains 2: a draw of the two may be the one or the other."""
    mine = write_played(tmp_path / "mine", [0.0] * 6, [0, 1] * 3)
    other = write_played(tmp_path / "other", [0.0, 2.0] * 3, [0, 1] * 3)
    _, row, _ = judged(mine, other)
    assert row[4:8] == ["+1.000", "[+0.000,", "+2.000]", "0.75"]
    assert row[11:14] == ["not", "told", "apart,"]


def test_on_one_instance_runs_are_drawn(tmp_path: Path) -> None:
    mine = write_played(tmp_path / "mine", [0.0] * 12, [5] * 12)
    other = write_played(tmp_path / "other", [1.0] * 12, [5] * 12)
    done = call("baselines/verdict.py", str(mine), str(other))
    assert "12 runs on 1 instance; intervals: for this instance alone" in done.stdout
    assert "better, 63 % lower [63, 63]" in done.stdout


def test_instances_count_with_as_many_runs_each(tmp_path: Path) -> None:
    """Five runs of two instances: the fifth, in which the policies are far apart, is left out."""
    assert evenly(np.array([7, 8, 7, 8, 7])).tolist() == [[0, 2], [1, 3]]
    mine = write_played(tmp_path / "mine", [0, 0, 0, 0, 99], [0, 1, 0, 1, 0], crashed=[4])
    other = write_played(tmp_path / "other", [1, 1, 1, 1, 0], [0, 1, 0, 1, 0])
    first, row, notes = judged(mine, other)
    assert (first[-1], row[4]) == ("0", "+1.000")
    assert notes[0] == "Left out, so that each instance has as many runs: 1 of 5; episodes=4 or 6 leaves none out."


def test_the_order_of_runs_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 12)).round(3)
    there = [write_played(tmp_path / "1" / name, x) for name, x in (("a", ours), ("b", theirs))]
    back = [write_played(tmp_path / "2" / name, x, backwards=True) for name, x in (("a", ours), ("b", theirs))]
    assert judged(*there) == judged(*back) == judged(there[0], back[1])


def test_several_policies_are_rows_and_those_of_one_name_have_their_paths(tmp_path: Path) -> None:
    names = ("a/points", "b/points", "c")
    folders = [write_played(tmp_path / name, [float(i)] * FEW) for i, name in enumerate(names)]
    assert [row[0] for row in judged(*folders)] == [*map(str, folders)]
    assert [row[0] for row in judged(*folders[1:])] == ["points", "c"]


def test_what_a_policy_may_set_for_itself_is_named(tmp_path: Path) -> None:
    """The number of GAN updates is the same. Where and how runs are made may differ, too, and needs no word."""
    own = {"knobs": ["r1"], "num_decisions": 4, "updates_per_decision": 25, "device": "cpu", "compile": False}
    ends = [0.0] * FEW
    mine, other = write_played(tmp_path / "mine", ends), write_played(tmp_path / "other", ends, env=own)
    text = (other / "decisions.csv").read_text().replace(",1,-9.0", ",3,-9.0")  # the last of four
    (other / "decisions.csv").write_text(text)
    *_, notes = judged(mine, other)
    names = "env.knobs, env.num_decisions, env.updates_per_decision"
    assert notes == [f"mine and other differ in what a policy may set for itself: {names}."]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": {"metric_samples": 256}}, r"env\.metric_samples=256, not 512"),
        ({"env": {"instances": {"seed": 1}}}, r"env\.instances\.seed=1, not 0"),
        ({"env": {"split": "test"}}, r"env\.split='test', not 'train'"),
        ({"env": {"updates_per_decision": 60}}, r"env\.num_decisions x env\.updates_per_decision=120, not 100"),
        ({"metric": "another"}, "metric='another', not 'a distance'"),
        ({"seed": 1001}, "seed=1001, not 1000"),
        ({"final": [0.0, 0.0, 0.0]}, "episodes=3, not 2"),
        ({"instance": [0, 0]}, r"the instance of seed\.1001=0, not 1"),
    ],
)
def test_other_runs_are_refused_by_what_differs(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    mine = write_played(tmp_path / "mine", [0.0, 0.0])
    other = write_played(tmp_path / "other", **{"final": [0.0, 0.0], **changes})
    with pytest.raises(ConfigError, match=rf"^.*other was begun with other options: .*{message}.* Play it and .*mine"):
        read_all([mine, other])


def test_ones_own_instances_are_told_apart_by_the_first_that_differs(tmp_path: Path) -> None:
    mine = write_played(tmp_path / "mine", [0.0, 0.0], env={"instances": OWN})
    other = write_played(tmp_path / "other", [0.0, 0.0], env={"instances": [OWN[0], OWN[0]]})
    with pytest.raises(ConfigError, match=r"env\.instances\.train\.1\.lr_g=0\.001, not 0\.01"):
        read_all([mine, other])


def test_ones_own_images_are_told_apart_by_their_place(tmp_path: Path) -> None:
    images = [{"datasets": ("image_folder",), "data_root": root} for root in ("cats", "dogs")]
    mine, other = (write_played(tmp_path / env["data_root"], [0.0, 0.0], env=env) for env in images)
    with pytest.raises(ConfigError, match="data_root='dogs', not 'cats'"):
        read_all([mine, other])


def test_fewer_than_two_folders_or_runs_are_refused(tmp_path: Path) -> None:
    one, other = (write_played(tmp_path / name, [0.0]) for name in ("one", "other"))
    for folders in ([], [one], [one, one]):
        done = call("baselines/verdict.py", *map(str, folders))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
        assert "expected two or more different folders of baselines/run.py" in done.stderr
    with pytest.raises(ConfigError, match="episodes=1 can't be used: expected at least 2 runs"):
        read_all([one, other])


def test_a_folder_without_runs_is_refused_in_one_line(tmp_path: Path) -> None:
    done = call("baselines/verdict.py", str(write_played(tmp_path / "mine", [0.0, 0.0])), str(tmp_path))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith(f"error: FOLDER='{tmp_path}' can't be used: expected a folder with summary.json")


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("summary.json", "{", "JSONDecodeError"),
        ("summary.json", "[]", "TypeError"),
        ("summary.json", '{"metric": "that of a GAN", "final": [1.0]}', "KeyError.'env'"),
        ("decisions.csv", "", "has other runs than summary.json"),
        ("decisions.csv", "seed,instance,decision,score,crashed\n1000,0,1,0.0,0\n", "has other runs than summary.json"),
        ("decisions.csv", "seed,instance,decision,score\n1000,0,1,0.0\n1001,1,1,0.0\n", "KeyError.'crashed'"),
        ("decisions.csv", "seed,instance,decision,score,crashed\n1000,0,1,nan,0\n1001,1,1,0,0\n", "no score"),
    ],
)
def test_damaged_files_and_those_of_other_programs_are_named(
    tmp_path: Path, file: str, content: str, what: str
) -> None:
    mine, bad = (write_played(tmp_path / name, [0.0, 0.0]) for name in ("mine", "bad"))
    (bad / file).write_text(content)
    with pytest.raises(ConfigError, match=rf"bad has a summary\.json or decisions\.csv that is damaged .*{what}"):
        read_all([mine, bad])


def test_it_reads_what_run_writes(tmp_path: Path) -> None:
    short = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    ends = {}
    for name in ("cosine", "fixed"):
        options = RunOptions(policy=load_policy(name), env=short, episodes=3, rows=2, folder=str(tmp_path / name))
        ends[name] = run(options).final
    found = read_all([tmp_path / name for name in ends])
    for name, final in ends.items():
        assert found[name].final == pytest.approx(final, rel=1e-5)
    assert found["fixed"].instance.tolist() == [0, 1, 2]


def test_few_is_where_intervals_are_too_narrow() -> None:
    """Of normal differences whose mean is 0, of which 95 % of the intervals should hold 0."""
    rng = np.random.default_rng(0)

    def held(instances: int, studies: int = 200) -> float:
        shape = (1, instances, 1)
        gains = (stratified_gain(rng.normal(size=shape), np.zeros(shape)) for _ in range(studies))
        return float(np.mean([low <= 0 <= high for low, high in (gain["over_instances"] for gain in gains)]))

    assert held(3) < 0.85 < 0.88 < held(FEW)
