"""The page of a study in Markdown: verdict and main pictures first, then sections, which an HTML page folds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import yaml
from matplotlib.figure import Figure

from agents.page.figures import failures_figure, png, settings_figure, with_knobs
from agents.page.markdown_page import bullets, code, picture
from agents.page.publish import TITLE, commands
from agents.page.single_runs import single_runs_figure
from agents.page.tables import (
    COST_NOTES,
    RESULT_NOTES,
    ablation_table,
    cost_table,
    failure_table,
    learners_table,
    name_notes,
    rivals_table,
    setting_table,
)
from agents.study.names import plain
from agents.study.options import BEST, HELD_OUT
from agents.study.pictures import MOST, gains_figure, in_words, study_pictures
from agents.study.play import gather
from agents.study.records import Summary
from agents.study.study import Study
from agents.study.verdict import verdict
from gan_env.config import env_config
from gan_env.data.points import POINT_SETS
from gan_env.evaluation.rollout import Episodes

SHOWN_FAILURES = 3
ABLATIONS = ("What it sees", "What it turns", "How it is trained")


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
        self.rows, self.metric = summary.settings[HELD_OUT].rows, in_words(summary.settings[HELD_OUT].metric)
        self.config = env_config(**study.env_options(self.learned))
        self.parts = {name: [self._shown(name, e) for e in parts] for name, parts in gather(study, HELD_OUT).items()}
        self.pictures: dict[str, bytes] = {}
        self._main = study_pictures(study, summary, self.parts)
        sections = {
            "Results on held-out instances": self._results(),
            "Single runs": self._single_runs(),
            "Elsewhere, without training anew": self._elsewhere(),
            "Ablations": self._ablations(),
            "Where it loses": self._failures(),
            "Cost and stability": [cost_table(self.rows), bullets(COST_NOTES)],
            "How it was measured": self._measured(),
            "How to make it again": [code(commands(study, self.learned))],
        }
        parts = [TITLE + summary.name, *self._first_screen()]
        for title, content in sections.items():
            if content:
                parts += [f"## {title}", *content]
        self.text = "\n\n".join(parts) + "\n"

    def _shown(self, name: str, episodes: Episodes) -> Episodes:
        """Episodes of a policy with the knobs that the learned one moves."""
        return with_knobs(episodes, env_config(**self.study.env_options(name)).knobs, self.config.knobs)

    def _picture(self, name: str, figure: Figure, caption: str) -> str:
        self.pictures[name] = png(figure)
        return picture(name, caption)

    def _first_screen(self) -> list[str]:
        """What was compared, the verdict in five lines, and the three main pictures."""
        options, updates = self.study.options, self.config.updates
        seeds, name = self.rows[self.learned].seeds, plain(self.learned)
        trainings = "one training; another could differ" if seeds == 1 else f"{seeds} trainings"
        lines = [line.partition(":") for line in verdict(self.summary)]
        return [
            f"{name} ({trainings}) steers {updates} GAN updates on each of {options.instances} held-out instances x "
            f"{options.gan_seeds} GAN seeds. Per cent: of the final {self.metric}, lower is better. Brackets: 95 %, "
            "for new instances.",
            bullets(f"**{lead}:**{rest}" for lead, _, rest in lines),
            self._picture(
                "gains",
                self._main["gains"],
                f"Gain of {name} over opponents. Orange: better; blue: worse; grey: not told apart.",
            ),
            self._picture(
                "knobs",
                self._main["knobs"],
                f"What {name} does to the knobs: its median, and 10 % to 90 % of its runs.",
            ),
            self._picture("metric", self._main["metric"], f"Quality over the run: medians; {name}'s quartiles."),
        ]

    def _results(self) -> list[str]:
        others = [name for name, c in self.study.options.active.items() if c.varies is None]
        found = Counter(gain.verdict for gain in self.summary.by_tuning)  # 1, 0 or -1: how many tunings
        taken_singly = (
            "The best opponent on training instances, of the schedules that know no more, is the "
            f"{plain(self.summary.strongest)}. Of its {found.total()} tunings, one by one, {plain(self.learned)} is "
            f"better than {found[1]}, not told apart from {found[0]} and worse than {found[-1]}."
        )
        parts = [rivals_table(self.rows, self.learned), taken_singly]
        parts += ["### Learners", learners_table(self.rows, others, self.summary.strongest)]
        return [*parts, "### How to read the tables", bullets([*RESULT_NOTES, *name_notes(self.study.options)])]

    def _single_runs(self) -> list[str]:
        """Three runs that are followed, and samples of one."""
        follow = (
            f"Three runs of {plain(self.learned)}, with slow, middling and fast learning rates, which it is not shown: "
            "quality, statistics that it sees, and how its knobs answer."
        )
        samples = (
            f"Samples at four moments of one run on a held-out instance; the number is the {self.metric} then."
            + (" Grey: real data." if set(self.config.datasets) <= set(POINT_SETS) else "")
        )
        if "context" in self.config.observation:
            follow = follow.replace(", which it is not shown", "")
        return [
            self._picture("single_runs", single_runs_figure(self.study, self.learned), follow),
            self._picture("samples", self._main["samples"], samples),
        ]

    def _elsewhere(self) -> list[str]:
        if not self.study.options.settings:
            return []
        caption = f"Gain over the {plain(BEST)} in per cent, in every setting. Right of 0 is better."
        parts = [self._picture("settings", settings_figure(self.summary), caption)]
        for name, setting in self.study.options.settings.items():
            instances, gan_seeds = self.study.size(name)
            changes = yaml.safe_dump(setting.env, default_flow_style=True).strip()
            found = self.summary.settings[name]
            parts += [
                f"### In {plain(name)}",
                f"{instances} instances x {gan_seeds} GAN seeds; {found.metric}. What differs: `{changes}`.",
                setting_table(found.rows, self.learned),
            ]
        return parts

    def _ablations(self) -> list[str]:
        """Variants of learners against what they vary: pictures by what is varied, and a table."""
        active = self.study.options.active
        originals = {name: c.varies for name, c in active.items() if c.varies in self.rows}
        if not originals:
            return []
        parts = [
            "Each variant differs from its learner in one thing. With a single training, intervals leave out its luck."
        ]
        for number, (kind, names) in enumerate(self._by_kind(originals)):
            gains = {plain(name): self.rows[name].against[originals[name]].gain for name in names}
            label = "final metric lower than what it varies by … %"
            figure = gains_figure(gains, label, 1.0 + 0.5 * len(gains))
            parts.append(
                self._picture(f"ablations_{number}", figure, f"{kind}. Left of 0 is worse; grey: not told apart.")
            )
        return [*parts, ablation_table(self.rows, originals)]

    def _by_kind(self, originals: Mapping[str, str]) -> Iterator[tuple[str, Sequence[str]]]:
        """Variants by what they vary, at most `MOST` at a time, the best first."""
        groups: dict[str, list[str]] = {kind: [] for kind in ABLATIONS}
        for name in sorted(originals, key=lambda name: self.rows[name].iqm.value):
            mine, theirs = (env_config(**self.study.env_options(n)) for n in (name, originals[name]))
            differs = (mine.observation != theirs.observation, mine.knobs != theirs.knobs, True)
            groups[ABLATIONS[differs.index(True)]].append(name)
        for kind, names in groups.items():
            for first in range(0, len(names), MOST):
                yield kind, names[first : first + MOST]

    def _failures(self) -> list[str]:
        opponent, failures = self.summary.strongest, self.summary.failures
        episodes = {name: Episodes.join(self.parts[name], 0) for name in (self.learned, opponent)}
        figure = failures_figure(episodes, failures[:SHOWN_FAILURES], self.study.options.instances, self.config)
        caption = "The worst of them: medians, and the band from 10 % to 90 % of the runs there."
        return [
            f"The instances on which {plain(self.learned)} does worst against the {plain(opponent)}, over all runs; "
            "the logarithm of the metric.",
            failure_table(failures, self.learned, opponent),
            self._picture("failures", figure, caption),
        ]

    def _measured(self) -> list[str]:
        options = self.study.options
        changes = yaml.safe_dump(options.changes_of_preset(), sort_keys=False, default_flow_style=None)
        return [
            f"The metric is the {self.summary.settings[HELD_OUT].metric}, the same instances and GAN seeds for every "
            "policy. Intervals of 95 % are bootstraps stratified by instance, over GAN seeds and trainings or tunings "
            "(arXiv:2108.13264). A policy is called better or worse only where that interval, the one for new "
            "instances and a t-test of trainings and tunings agree. The page is about "
            f"{plain(self.learned)}: of the controllers with the most trainings the best on training instances.",
            *([bullets(options.notes)] if options.notes else []),
            f"The environment is the preset {options.env.get('preset', 'points')}, changed:",
            code(changes.strip()),
        ]
