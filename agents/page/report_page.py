"""The page of a study in Markdown: verdict, results, pictures, cost, transfers, ablations, failures."""

from collections.abc import Mapping, Sequence

import yaml
from matplotlib.figure import Figure

from agents.page.figures import failures_figure, gains_figure, png, with_knobs
from agents.page.markdown_page import bullets, code, picture
from agents.page.publish import TITLE, commands
from agents.page.tables import (
    COST_NOTES,
    RESULT_NOTES,
    controller_table,
    cost_table,
    failure_table,
    name_notes,
    result_table,
)
from agents.study.options import BEST, HELD_OUT
from agents.study.pictures import study_pictures
from agents.study.play import gather
from agents.study.records import Gain, Summary
from agents.study.study import Study
from agents.study.verdict import verdict
from gan_env.config import env_config
from gan_env.evaluation.rollout import Episodes

SHOWN_FAILURES = 3


class ReportPage:
    """The page of a study.

    Args:
        study: its cells must be done.
        summary: its numbers.

    Attributes:
        text: the page in Markdown.
        pictures: its PNG files by name.
    """

    def __init__(self, study: Study, summary: Summary) -> None:
        self.study, self.summary, self.learned = study, summary, summary.learned
        self.rows = summary.settings[HELD_OUT].rows
        self.config = env_config(**study.env_options(self.learned))
        self.parts = {name: [self._shown(name, e) for e in parts] for name, parts in gather(study, HELD_OUT).items()}
        self.pictures: dict[str, bytes] = {}
        sections = [
            *self._results(),
            *self._behaviour(),
            *["## Cost and stability", cost_table(self.rows), bullets(COST_NOTES)],
            *self._transfers(),
            *self._ablations(),
            *self._failures(),
            *["## How to make it again", code(commands(study, self.learned))],
        ]
        self.text = "\n\n".join([TITLE + summary.name, *sections]) + "\n"

    def _shown(self, name: str, episodes: Episodes) -> Episodes:
        """Episodes of a policy with the knobs that the learned one moves."""
        return with_knobs(episodes, env_config(**self.study.env_options(name)).knobs, self.config.knobs)

    def _picture(self, name: str, figure: Figure, caption: str) -> str:
        self.pictures[name] = png(figure)
        return picture(name, caption)

    def _gains(self, name: str, gains: Mapping[str, Gain], title: str, whole: Sequence[str]) -> str:
        """A picture of gains; see `gains_figure`."""
        figure = gains_figure(gains, self.learned, title.replace(" (", "\n("), whole)
        return self._picture(name, figure, f"{title}: right of 0 is better. What is far worse is a number at the edge.")

    def _setting(self, setting: str) -> list[str]:
        """Table and picture of a setting, with gains over the strongest tuned opponent, where it plays."""
        rows, strongest = self.summary.settings[setting].rows, self.summary.strongest
        whom = strongest if strongest in rows else BEST
        gains = {name: row.against[whom].gain for name, row in rows.items() if whom in row.against}
        whole = (self.learned, *self.study.rivals)
        return [
            result_table(rows, self.study.rivals),
            self._gains(f"gains_{setting}", gains, f"{setting}: gain over {whom}", whole),
        ]

    def _results(self) -> list[str]:
        options, metric = self.study.options, self.summary.settings[HELD_OUT].metric
        updates = self.config.num_decisions * self.config.updates_per_decision
        changes = yaml.safe_dump(options.changes_of_preset(), sort_keys=False, default_flow_style=None)
        return [
            f"Final log of the {metric} (lower is better) after {updates} GAN updates, {options.instances} held-out "
            f"instances x {options.gan_seeds} GAN seeds, the same for every policy. Intervals of 95 % are bootstraps "
            "stratified by instance, over GAN seeds and trainings or tunings (arXiv:2108.13264); in round brackets "
            "those for new instances. A policy is called better or worse only where both, and a t-test of "
            f"trainings and tunings, agree. The page is about {self.learned}: of the controllers with the most "
            "trainings the best on training instances.",
            f"The environment is the preset {options.env.get('preset', 'points')}, changed:",
            code(changes.strip()),
            *["## Verdict", bullets(verdict(self.summary))],
            *(["## Notes", bullets(options.notes)] if options.notes else []),
            *["## Results on held-out instances", *self._setting(HELD_OUT)],
            bullets([*RESULT_NOTES, *name_notes(options)]),
        ]

    def _behaviour(self) -> list[str]:
        """What policies do, and how runs end."""
        captions = {
            "knobs": "Knobs: the learned policy's median and band from 10 % to 90 %; tunings one by one.",
            "metric": "The log metric over the run: medians, and the learned policy's quartiles.",
            "samples": "Samples at four moments of one run on a held-out instance.",
        }
        figures = study_pictures(self.study, self.summary, self.parts)
        return ["## What the policies do", *(self._picture(n, figures[n], text) for n, text in captions.items())]

    def _transfers(self) -> list[str]:
        found: list[str] = []
        for name, setting in self.study.options.settings.items():
            instances, gan_seeds = self.study.size(name)
            changes = yaml.safe_dump(setting.env, default_flow_style=True).strip()
            found += [
                f"## Transfer without retraining: {name}",
                f"What differs: {changes}. The metric is the {self.summary.settings[name].metric}; {instances} "
                f"instances x {gan_seeds} GAN seeds.",
                *self._setting(name),
            ]
        return found

    def _ablations(self) -> list[str]:
        """Ablations, and other controllers, against what they vary or the learned one, over all trainings of both."""
        active = self.study.options.active
        originals = {name: c.varies or self.learned for name, c in active.items() if name != self.learned}
        originals = {name: other for name, other in originals.items() if other in self.rows}
        if not originals:
            return []
        gains = {name: self.rows[name].against[other].gain for name, other in originals.items()}
        title = "gain over what it varies (with a single training, intervals leave out its luck)"
        figure = self._gains("ablations", gains, title, tuple(gains))
        return ["## Ablations and other controllers", controller_table(self.rows, originals), figure]

    def _failures(self) -> list[str]:
        opponent, failures = self.summary.strongest, self.summary.failures
        episodes = {name: Episodes.join(self.parts[name], 0) for name in (self.learned, opponent)}
        figure = failures_figure(episodes, failures[:SHOWN_FAILURES], self.study.options.instances, self.config)
        caption = f"{self.learned} and {opponent} there: runs thin, medians thick."
        return [
            "## Failure cases",
            f"The instances on which {self.learned} does worst against {opponent}, over all runs.",
            failure_table(failures, self.learned, opponent),
            self._picture("failures", figure, caption),
        ]
