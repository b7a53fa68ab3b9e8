"""The page that shows a study: `python agents/report.py logs/study/points`.

Writes `report.html` (one file, needs no network), `report.md` with `figures/*.png`, `policies.csv` and `runs.csv.gz`
into the study's folder. The numbers are those of `summary.json`, the pictures are drawn from the saved episodes.

    python agents/report.py logs/study/points --to docs/results/points      # and publishes it
"""

import argparse
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from agents.page.blocks import Block, Code, Heading, Picture, Points, Table, Text, to_html, to_markdown
from agents.page.conclusions import conclusions
from agents.page.data import policies_csv, runs_csv_gz
from agents.page.figures import (
    curves_figure,
    failures_figure,
    gains_figure,
    gains_over_strongest,
    png,
    profiles_figure,
    seeds_figure,
    with_knobs,
)
from agents.page.plots import knob_figure, sample_figure
from agents.page.publish import check_target, made_by, play_commands, publish
from agents.page.tables import (
    COST_NOTES,
    RESULT_NOTES,
    chance,
    cost_table,
    dataset_table,
    failure_table,
    name_notes,
    result_table,
)
from agents.page.wording import schedule, shown
from agents.study.options import BASE, BEST, HELD_OUT, StudyOptions
from agents.study.play import entries
from agents.study.readout import read_outs
from agents.study.scores import gather
from agents.study.study import Study
from agents.study.summary import summarize_study
from agents.study.worker import env_fields
from gan_env.config import RUN_OPTIONS, env_config, replace
from gan_env.errors import ConfigError, errors_in_one_line
from gan_env.evaluation.rollout import Episodes
from gan_env.files import write_atomically, write_json

FIGURES = "figures"
SHOWN_FAILURES = 3


class Report:
    """All blocks of a study's page.

    Args:
        study: its cells must be done.
        summary: its numbers; see `summarize_study`.

    Attributes:
        parts: every policy's held-out episodes, a list entry a training or tuning, with the learned policy's knobs.
        episodes: the same in one piece.
    """

    def __init__(self, study: Study, summary: dict[str, Any]) -> None:
        self.study, self.summary = study, summary
        self.learned: str = summary["learned"]
        self.rows: dict[str, dict[str, Any]] = summary["settings"][HELD_OUT]["policies"]
        self.seeded = {*study.options.active, *study.tunings}  # what was trained or tuned by itself
        self.config = env_config(**study.controller_env(self.learned))
        moved = {entry.name: env_config(**entry.env).knobs for entry in entries(study, HELD_OUT)}
        usual = env_config(**study.options.env).knobs  # the oracle's
        self.parts = {
            name: [with_knobs(e, moved.get(name, usual), self.config.knobs) for e in parts]
            for name, parts in gather(study, HELD_OUT).items()
        }
        self.episodes = {name: Episodes.join(parts, 0) for name, parts in self.parts.items()}

    def blocks(self) -> list[Block]:
        """The page from top to bottom."""
        s = self.summary
        sizes, metric = s["sizes"], s["metric"]
        compared = self._beside(BEST, s["strongest"], self.learned + BASE)  # few: every tuning has a line of its own
        ended = self._beside(*self.study.schedules, "fixed")
        intro = (
            f"Final log of the {metric} (lower is better) after {sizes['updates_per_run']} GAN updates, "
            f"{sizes['instances']} held-out instances x {sizes['gan_seeds']} GAN seeds, the same for every policy; "
            f"controllers are trained, and opponents tuned, anew with every seed. Intervals: 95 % bootstrap stratified "
            f"by instance, over GAN seeds and trainings or tunings (Agarwal et al. 2021, arXiv:2108.13264); over two "
            f"or three of these such intervals are known to be short: mind the spread over seeds beside them. Better "
            f"or worse a policy is called only where a t-test of the means of trainings and of tunings, if there are "
            f"several, says so too. Crashed runs count. The learned policy of this page is {self.learned}: of the "
            f"controllers with the most trainings the best on training instances."
        )
        found: list[Block] = [
            Text(intro), Text(self._game()), Heading("Conclusion"), Points(conclusions(s)), *self._notes(),
            Heading("Results on held-out instances"), result_table(self.rows), self._gains(HELD_OUT),
            Points([*RESULT_NOTES, *name_notes(self.study, s)]),
            Code(yaml.safe_dump(s["best_schedule"]["policy"], sort_keys=False).strip()),
            Heading("Cost and stability"), cost_table(self.rows), Points(COST_NOTES),
            Picture("profiles", png(profiles_figure(s["settings"][HELD_OUT]["profiles"], metric)),
                    "Performance profiles with 95 % bands: higher is better."),
            *self._seeds(),
            Heading("What the policies do"),
            Picture("knobs", png(knob_figure({n: self.parts[n] for n in compared}, self.learned, self.config)),
                    "Knob trajectories: the learned policy's median and its band from 10 % to 90 % of the runs; every "
                    "training by itself of its best read-out; every tuning of the schedules that it is compared with."),
            Picture("curves", png(curves_figure(ended, self.learned, self.config, metric)),
                    "The log metric over the run: medians, and the learned policy's quartiles."),
            Picture("samples", png(self._samples()), "Samples at four moments of one run on a held-out instance."),
            *self._transfers(), *self._ablations(), *self._failures(),
            Heading("How to make it again"), Code(self._commands()),
        ]  # fmt: skip
        return found

    def _game(self) -> str:
        """Which environment all policies act in: pages of one name may differ in it."""
        options = {name: value for name, value in self.study.options.env.items() if name not in RUN_OPTIONS}
        preset, *changes = (field.removeprefix("++env.").removeprefix("env=") for field in env_fields(options))
        differs = f" with {', '.join(changes)}" if changes else ""
        return f"The environment is the preset {preset}{differs}; gan_env/config.py says what these are."

    def _notes(self) -> list[Block]:
        notes = self.summary["notes"]
        return [Heading("Why, and what was tried"), Points(notes)] if notes else []

    def _beside(self, *others: str) -> dict[str, Episodes]:
        """The learned policy, its best read-out, and those of others that play and have the same decisions."""
        names = (self.learned, *read_outs(self.learned, self.rows)[:1], *others)
        there = {name: self.episodes[name] for name in names if name in self.episodes}
        shape = there[self.learned].coordinates.shape[1:]
        return {name: e for name, e in there.items() if e.coordinates.shape[1:] == shape}

    def _gains(self, setting: str) -> Picture:
        whom, gains = gains_over_strongest(self.summary["settings"][setting]["policies"], self.summary["strongest"])
        figure = gains_figure(
            gains, self.learned, f"{setting}: gain over\n{schedule(whom)}", (self.learned, *self.study.schedules)
        )
        caption = f"{setting}: gain over {schedule(whom)}; right is better. What is far worse is a number at the edge."
        return Picture(f"gains_{setting}", png(figure), caption)

    def _seeds(self) -> list[Block]:
        rows = {name: row for name, row in self.rows.items() if row["seeds"] > 1 and name in self.seeded}
        if not rows:
            return []
        return [Picture("seeds", png(seeds_figure(rows)), "Every training, and every tuning, by itself.")]

    def _samples(self) -> Any:
        """The learned policy, the tuned schedule and others, of each its first training; see `sample_figure`."""
        folder = self.study.path / "samples" / HELD_OUT
        files = {n: folder / (f"{n}-0.npy" if n in self.seeded else f"{n}.npy") for n in self.rows}
        there = {n: path for n, path in files.items() if path.exists() and not self.rows[n]["ablation"]}
        rows = {name: self.rows[name] for name in there}
        first = {name: self.parts[name][0] for name in there}
        return sample_figure(
            there, first, {"learned": self.learned, "policies": rows}, self.config, self.study.options.instances
        )

    def _transfers(self) -> list[Block]:
        found: list[Block] = []
        for setting in self.study.options.settings:
            rows = self.summary["settings"][setting]["policies"]
            changes = yaml.safe_dump(self.study.options.settings[setting], default_flow_style=True).strip()
            metric = self.summary["settings"][setting]["metric"]
            found += [Heading(f"Transfer without retraining: {setting}")]
            instances, gan_seeds = self.study.size(setting)
            size = f"{instances} instances x {gan_seeds} GAN seeds"
            found += [Text(f"What differs: {changes}. The metric is the {metric}; {size}.")]
            found += [result_table(rows), self._gains(setting)]
        return found

    def _ablations(self) -> list[Block]:
        rows = self.summary["ablations"]
        if not rows:
            return []
        header = ["ablation", "of", "trainings", "IQM", "gain over it", "P(better)"]
        cells = []
        for r in rows:
            trainings = "{} against {}".format(*r["seeds"])
            figures = [f"{r['iqm']:.3f}", shown(r["gain"]), chance(r["probability"])]
            cells.append([r["name"], r["varies"], trainings, *figures])
        gains = {r["name"]: r["gain"] for r in rows}
        figure = gains_figure(gains, "", "gain over what it is an ablation of", gains)
        caption = "Ablations: left of 0, the change had hurt. Of a single training, intervals leave out its luck."
        picture = Picture("ablations", png(figure), caption)
        return [Heading("Ablations"), Table(header, cells), picture]

    def _failures(self) -> list[Block]:
        found = self.summary["failures"]
        whom, worst = found["against"], found["worst"]
        why = [[name, f"{e['correlation']:+.2f}", f"{e['p']:.3f}"] for name, e in found["explained"].items()]
        episodes = {name: self.episodes[name] for name in (self.learned, whom)}
        figure = failures_figure(episodes, worst[:SHOWN_FAILURES], self.study.options.instances, self.config)
        return [
            Heading("Failure cases"),
            Text(
                f"The instances on which {self.learned} does worst against {whom}, the strongest of the tuned "
                "schedules on training instances, over all runs."
            ),
            failure_table(worst, self.learned, whom),
            Picture("failures", png(figure), f"{self.learned} and {whom} there: every run thin, medians thick."),
            Text(f"The gain over {whom} by data set:"),
            dataset_table(found["datasets"]),
            Text(f"Which features of an instance go with a larger gain over {whom}, over all test instances:"),
            Table(["feature", "rank correlation with the gain", "p"], why),
        ]

    def _commands(self) -> str:
        command, folder = made_by(self.study)
        report = shlex.join(["python", "agents/report.py", folder])
        return f"{command}\n{report}\n{play_commands(self.study, folder, self.learned)}"


def open_study(folder: str) -> Study:
    """The study in a folder.

    Raises:
        ConfigError: there is none, or it is not done.
    """
    path = Path(folder) / "study" / "config.yml"
    if not path.exists():
        raise ConfigError(f"RUN={folder!r}: there is no study/config.yml; expected a folder of agents/compare.py")
    if not (Path(folder) / "summary.json").exists():
        begun = (Path(folder) / "study" / "command.txt").read_text().strip()
        raise ConfigError(f"RUN={folder!r}: the study is not done; expected a finished one: go on with it by `{begun}`")
    return Study(replace(StudyOptions(), yaml.safe_load(path.read_text()) | {"folder": folder}))


def write_report(study: Study) -> Path:
    """Writes page, pictures and tables of a study that is done; the path of the HTML file."""
    summary = summarize_study(study)
    blocks = Report(study, summary).blocks()
    title, path = f"Learned against annealed: {summary['name']}", study.path
    files = {f"{FIGURES}/{block.name}.png": block.png for block in blocks if isinstance(block, Picture)}
    files |= {"policies.csv": policies_csv(summary), "runs.csv.gz": runs_csv_gz(study, summary["settings"])}
    for name, data in files.items():
        write_atomically(path / name, partial(_write_bytes, data=data))
    for picture in (path / FIGURES).glob("*.png"):  # of an earlier page, which had another setting, say
        if f"{FIGURES}/{picture.name}" not in files:
            picture.unlink()
    write_json(path / "summary.json", summary)
    write_atomically(path / "report.md", lambda part: part.write_text(to_markdown(title, blocks, FIGURES)))
    return write_atomically(path / "report.html", lambda part: part.write_text(to_html(title, blocks)))


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder of a study by agents/compare.py")
    parser.add_argument("--to", metavar="FOLDER", type=Path, help="publishes it there: what readers need, nothing big")
    options = parser.parse_args(arguments)
    study = open_study(options.run)
    if options.to:
        check_target(options.to)
    print(f"wrote {write_report(study)}")
    if options.to:
        print(publish(study, options.to))


if __name__ == "__main__":
    with errors_in_one_line():
        main()
