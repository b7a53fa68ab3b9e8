"""Judges a policy by its runs beside those of others: `python baselines/verdict.py FOLDER OTHER [OTHER ...]`.

FOLDER is what `baselines/run.py` wrote of the policy that is judged, each OTHER likewise of another one. All of them
have played the same runs: the same environment, instances and seeds. Prints a row for each policy: its final score, the
gain of the first one over it in pairs of runs, P(better), crashed runs, and the verdict.
"""

import argparse
import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gan_env.config import RUN_OPTIONS, SPLITS
from gan_env.errors import ConfigError, errors_in_one_line, require
from gan_env.evaluation.comparison import WORDS, Estimate, compare
from gan_env.evaluation.intervals import few_warning, iqm, stratified
from gan_env.policies.learned import OWN_ENV_FIELDS
from gan_env.records import Float64
from gan_env.resume import differences, require_same


@dataclass(frozen=True)
class Played:
    """The R runs of a folder, in the order of their seeds.

    Attributes:
        same: what must be the same for all policies: options of the environment, metric, seeds and instances.
        own: options of the environment that a policy may set for itself.
        instance: number of the instance of each run, [R].
        final: final scores, [R].
        crashed: [R] bool.
    """

    same: dict[str, Any]
    own: dict[str, Any]
    instance: NDArray[np.int64]
    final: Float64
    crashed: NDArray[np.bool_]

    def take(self, places: NDArray[np.int64]) -> "Played":
        """Some of the runs, by their places [I, G]; so their columns are [I, G], too."""
        return Played(self.same, self.own, self.instance[places], self.final[places], self.crashed[places])


# --- files ---


def read_played(folder: Path) -> Played:
    """The runs of a folder.

    Raises:
        ConfigError: it is none of `baselines/run.py`, or its files are damaged.
    """
    there = all((folder / name).is_file() for name in ("summary.json", "decisions.csv"))
    expected = "a folder with summary.json and decisions.csv, which baselines/run.py writes"
    require(there, "FOLDER", str(folder), expected)
    try:
        summary = json.loads((folder / "summary.json").read_text())
        ends = read_ends(folder / "decisions.csv", summary["env"]["num_decisions"])
        if sorted(ends) != [summary["seed"] + e for e in range(summary["n"])]:
            raise ValueError("decisions.csv has other runs than summary.json")
        rows = [ends[seed] for seed in sorted(ends)]
        final = np.array([float(row["score"]) for row in rows])
        if not np.isfinite(final).all():
            raise ValueError("a run has no score")
        instance = {seed: int(ends[seed]["instance"]) for seed in sorted(ends)}
        return Played(
            same={**what_is_played(summary), "the instance of seed": instance},
            own={name: summary["env"].get(name) for name in OWN_ENV_FIELDS if name not in RUN_OPTIONS},
            instance=np.array([*instance.values()]),
            final=final,
            crashed=np.array([float(row["crashed"]) > 0 for row in rows]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{folder} has a summary.json or decisions.csv that is damaged or another program's ({error!r})"
        how = "expected those of baselines/run.py; play that policy again, or leave it out"
        raise ConfigError(f"{what}: {how}") from error


def read_ends(path: Path, decisions: int) -> dict[int, dict[str, str]]:
    """The last decision of each run, by its seed."""
    with path.open(newline="") as file:
        return {int(row["seed"]): row for row in csv.DictReader(file) if int(row["decision"]) == decisions - 1}


def what_is_played(summary: Mapping[str, Any]) -> dict[str, Any]:
    """All that must be the same for two policies, with the names that options have on a command line."""
    env = {name: value for name, value in summary["env"].items() if name not in (*OWN_ENV_FIELDS, "preset")}
    env["instances"] = {  # one's own instances by their numbers, so that a message names the first that differ
        name: dict(enumerate(value)) if name in SPLITS else value for name, value in env["instances"].items()
    }
    updates = summary["env"]["num_decisions"] * summary["env"]["updates_per_decision"]
    images = {"data_root": summary["env"]["data_root"]} if "image_folder" in env["datasets"] else {}
    return {
        "env": env,
        **images,
        "env.num_decisions x env.updates_per_decision": updates,
        "metric": summary["metric"],
        "episodes": summary["n"],
        "seed": summary["seed"],
    }


def read_all(folders: list[Path]) -> dict[str, Played]:
    """The runs of each folder, by its name, or by its path where several have one name.

    Raises:
        ConfigError: there are fewer than two folders or runs, one can't be read, or they have not played the same runs.
    """
    expected = "two or more different folders of baselines/run.py, that of the policy which is judged first"
    require(len(folders) > 1, "FOLDER", [*map(str, folders)], expected)
    found = [read_played(folder) for folder in folders]
    for folder, played in zip(folders[1:], found[1:], strict=True):
        require_same(str(folder), played.same, found[0].same, f"Play it and {folders[0]} with the same ones")
    require(len(found[0].final) > 1, "episodes", len(found[0].final), f"at least 2 runs in {folders[0]}")
    names = [folder.resolve().name for folder in folders]
    return dict(zip(names if len({*names}) == len(names) else map(str, folders), found, strict=True))


# --- numbers ---


def evenly(instance: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of runs, as many of each instance: [R] -> [I, G]. Of those that have more, the first."""
    places = [np.flatnonzero(instance == number) for number in np.unique(instance)]
    runs = min(map(len, places))
    return np.stack([place[:runs] for place in places])


# --- text ---


def table(found: Mapping[str, Played]) -> str:
    """A row for each policy, below what the columns mean; the first policy is judged."""
    judged = next(iter(found))
    places = evenly(found[judged].instance)
    used = {name: played.take(places) for name, played in found.items()}
    rows = [["policy", "IQM", "gain", "P(better)", "crashes", "verdict"]]
    rows += [[name, *cells(played, None if name == judged else used[judged])] for name, played in used.items()]
    first, *middle, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = ["  ".join([n.ljust(first), *map(str.rjust, others, middle), word]).rstrip() for n, *others, word in rows]
    return "\n".join([*heading(judged, found[judged].same["metric"], *places.shape), "", *lines])


def cells(played: Played, judged: Played | None) -> list[str]:
    """A policy's row after its name; `judged` is compared with it, None: it is the one. Both have columns [I, G]."""
    score = Estimate(**stratified(played.final[None], iqm)).text(".3f")
    crashes = str(int(played.crashed.sum()))
    if judged is None:
        return [score, "", "", crashes, ""]
    met = compare(judged.final[None], played.final[None])
    word = f"{WORDS[met.gain.verdict]}, {met.gain.in_percent()}"
    return [score, *(e.with_one_interval().text() for e in (met.gain, met.probability)), crashes, word]


def heading(judged: str, metric: str, instances: int, runs: int) -> list[str]:
    """What the table shows."""
    if instances == 1:
        speak = "intervals: for this instance alone"
    elif runs == 1:
        speak = "intervals: for new instances"
    else:
        speak = "intervals of gain and P(better): for new instances, of IQM: for these"
    return [
        f"Final log of the {metric} (lower is better), with 95 % intervals;",
        f"{instances * runs} runs on {instances} instance{'s' * (instances > 1)}; {speak};",
        f"gain and P(better): of {judged} over the policy of the row, on the same runs; verdict: on {judged}.",
    ]


def remarks(found: Mapping[str, Played]) -> list[str]:
    """What a reader has to know besides: runs that are left out, few of them, and options of a policy's own."""
    judged, *others = found
    total, (instances, runs) = len(found[judged].instance), evenly(found[judged].instance).shape
    lines = []
    if left := total - instances * runs:
        even = f"episodes={instances * runs} or {instances * (runs + 1)} leaves none out"
        lines.append(f"Left out, so that each instance has as many runs: {left} of {total}; {even}.")
    drawn, what = (instances, "instances") if instances > 1 else (runs, "runs")
    lines += few_warning(drawn, what)
    for name in others:
        own = [f"env.{option}" for option in differences(found[judged].own, found[name].own)]
        if own:
            lines.append(f"{judged} and {name} differ in what a policy may set for itself: {', '.join(own)}.")
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [-h] FOLDER OTHER [OTHER ...]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("judged", nargs="?", metavar="FOLDER", type=Path, help="runs of the policy that is judged")
    parser.add_argument("others", nargs="*", metavar="OTHER", type=Path, help="runs of a policy to compare it with")
    options = parser.parse_args(arguments)
    folders = [options.judged, *options.others] if options.judged else []
    found = read_all(list(dict.fromkeys(folders)))
    notes = remarks(found)
    print("\n".join([table(found), *([""] if notes else []), *notes]))


if __name__ == "__main__":
    with errors_in_one_line():
        main()
