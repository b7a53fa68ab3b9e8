"""The page of a study, as blocks: verdict, results, pictures, cost, transfers, ablations, failures."""

from collections.abc import Mapping

import yaml
from matplotlib.figure import Figure

from agents.page.blocks import Block, Code, Heading, Picture, Points, Text
from agents.page.figures import failures_figure, gains_figure, png, profiles_figure, seeds_figure, with_knobs
from agents.page.publish import commands, made_in
from agents.page.tables import (
    COST_NOTES,
    RESULT_NOTES,
    ablation_table,
    break_even_table,
    cost_table,
    dataset_table,
    failure_table,
    feature_table,
    name_notes,
    ordered,
    result_table,
)
from agents.study.options import BEST, HELD_OUT
from agents.study.pictures import curves_figure, knob_figure, sample_figure
from agents.study.play import entries, gather, sample_files
from agents.study.readout import SUFFIXES
from agents.study.records import Gain, Summary
from agents.study.study import Study
from agents.study.verdict import verdict
from gan_env.config import env_config, to_dict
from gan_env.evaluation.rollout import Episodes

SHOWN_FAILURES = 3


class ReportPage:
    """All blocks of a study's page.

    Args:
        study: its cells must be done.
        summary: its numbers.

    Attributes:
        parts: every policy's held-out episodes, a list entry a training or tuning, with the learned policy's knobs.
        episodes: the same in one piece.
    """

    def __init__(self, study: Study, summary: Summary) -> None:
        self.study, self.summary, self.learned = study, summary, summary.learned
        self.rows = summary.settings[HELD_OUT].rows
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
        changes = self.study.options.changes_of_preset()
        notes: list[Block] = [Heading("Notes"), Points(s.notes)] if s.notes else []
        return [
            Text(
                f"Final log of the {s.metric} (lower is better) after {s.updates_per_run} GAN updates, {s.instances} "
                f"held-out instances x {s.gan_seeds} GAN seeds, the same for every policy. Intervals of 95 % are "
                "bootstraps stratified by instance, over GAN seeds and trainings or tunings (arXiv:2108.13264); in "
                "round brackets with instances drawn anew as well. Better or worse a policy is called only where both, "
                f"and a t-test of trainings and tunings, say so. The page is about {self.learned}: of the controllers "
                "with the most trainings the best on training instances."
            ),
            Text(f"The environment is the preset {self.study.options.env.get('preset', 'points')}, changed:"),
            Code(yaml.safe_dump(changes, sort_keys=False, default_flow_style=None).strip()),
            Heading("Verdict"), Points(verdict(s)), *notes,
            Heading("Results on held-out instances"), result_table(self.rows), self._gains(HELD_OUT),
            Points([*RESULT_NOTES, *name_notes(self.study.options)]),
            Code(yaml.safe_dump(s.tuning, sort_keys=False).strip()),
            *self._pictures(),
            Heading("Cost and stability"), cost_table(self.rows), Points(COST_NOTES), break_even_table(s.break_even),
            *self._transfers(), *self._ablations(), *self._failures(),
            Heading("How to make it again"), Code(commands(self.study, made_in(self.study), self.learned)),
        ]  # fmt: skip

    def _gains(self, setting: str) -> Picture:
        """Gains over the strongest tuned schedule that plays in a setting."""
        rows, strongest = self.summary.settings[setting].rows, self.summary.strongest
        whom = strongest if strongest in rows else BEST
        gains = {name: row.against[whom].gain for name, row in rows.items() if whom in row.against}
        return gains_picture(f"gains_{setting}", gains, self.learned, f"{setting}: gain over {whom}",
                             (self.learned, *self.study.schedules))  # fmt: skip

    def _pictures(self) -> list[Block]:
        """What policies do, and how runs end."""
        setting, learned = self.summary.settings[HELD_OUT], self.learned
        there = [name for suffix in SUFFIXES if (name := learned + suffix) in self.rows]
        read_out = min(there, key=lambda name: self.rows[name].validation, default=learned)
        compared = self._beside(learned, read_out, BEST, self.summary.strongest)
        ended = self._beside(learned, read_out, *self.study.schedules, "fixed")
        knobs = knob_figure({name: self.parts[name] for name in compared}, learned, self.config)
        seeded = {name: row for name, row in self.rows.items() if row.seeds > 1 and not name.endswith(SUFFIXES)}
        shown: list[tuple[str, Figure, str]] = [
            ("profiles", profiles_figure(setting), "Performance profiles with 95 % bands: higher is better."),
            ("knobs", knobs, "Knobs: the learned policy's median and band from 10 % to 90 %; tunings one by one."),
            ("curves", curves_figure(ended, learned, self.config, setting.metric),
             "The log metric over the run: medians, and the learned policy's quartiles."),
            ("samples", self._samples(), "Samples at four moments of one run on a held-out instance."),
        ]  # fmt: skip
        if seeded:
            shown.append(("seeds", seeds_figure(seeded), "Every training, and every tuning, by itself."))
        return [Heading("What the policies do"), *(Picture(name, png(figure), text) for name, figure, text in shown)]

    def _beside(self, *names: str) -> dict[str, Episodes]:
        """The episodes of those that play and have as many decisions as the learned policy."""
        there = {name: self.episodes[name] for name in names if name in self.episodes}
        shape = there[self.learned].coordinates.shape[1:]
        return {name: e for name, e in there.items() if e.coordinates.shape[1:] == shape}

    def _samples(self) -> Figure:
        """Of each policy the first training or tuning."""
        files = sample_files(self.study, HELD_OUT)
        ranked = [name for name in ordered(self.rows) if name in files and not self.rows[name].ablation]
        played = self.parts[self.learned][0]
        return sample_figure(files, ranked, self.learned, played, self.config, self.study.options.instances)

    def _transfers(self) -> list[Block]:
        found: list[Block] = []
        for name, setting in self.study.options.settings.items():
            instances, gan_seeds = self.study.size(name)
            changes = yaml.safe_dump(to_dict(setting)["env"], default_flow_style=True).strip()
            summary = self.summary.settings[name]
            found += [
                Heading(f"Transfer without retraining: {name}"),
                Text(f"What differs: {changes}. The metric is the {summary.metric}; "
                     f"{instances} instances x {gan_seeds} GAN seeds."),
                result_table(summary.rows), self._gains(name),
            ]  # fmt: skip
        return found

    def _ablations(self) -> list[Block]:
        rows = self.summary.ablations
        if not rows:
            return []
        gains = {row.name: row.comparison.gain for row in rows}
        text = "gain over what it is an ablation of (of a single training, intervals leave out its luck)"
        return [Heading("Ablations"), ablation_table(rows), gains_picture("ablations", gains, "", text, tuple(gains))]

    def _failures(self) -> list[Block]:
        found = self.summary.failures
        episodes = {name: self.episodes[name] for name in (self.learned, found.against)}
        figure = failures_figure(episodes, found.worst[:SHOWN_FAILURES], self.study.options.instances, self.config)
        return [
            Heading("Failure cases"),
            Text(f"The instances on which {self.learned} does worst against {found.against}, over all runs."),
            failure_table(found, self.learned),
            Picture("failures", png(figure), f"{self.learned} and {found.against} there: runs thin, medians thick."),
            Text(f"The gain over {found.against} by data set, and what goes with a larger one:"),
            dataset_table(found.datasets), feature_table(found.explained),
        ]  # fmt: skip


def gains_picture(name: str, gains: Mapping[str, Gain], learned: str, title: str, whole: tuple[str, ...]) -> Picture:
    """A picture of gains; see `gains_figure`."""
    caption = f"{title}: right of 0 is better. What is far worse is a number at the edge."
    return Picture(name, png(gains_figure(gains, learned, title.replace(" (", "\n("), whole)), caption)
