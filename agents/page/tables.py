"""The tables of a report, and notes on how to read them."""

from collections.abc import Callable, Mapping, Sequence

from agents.page.markdown_page import table
from agents.study.names import plain
from agents.study.options import BEST, CONSTANTS, StudyOptions
from agents.study.readout import REPLAY_SUFFIX, YOKED_SUFFIX
from agents.study.records import Failure, Row
from gan_env.evaluation.comparison import Comparison
from gan_env.instance_lists import HYPERPARAMETERS

RESULT_NOTES = (
    "Final: interquartile mean (the mean of the middle half of all runs) of the logarithm of the metric at the end, "
    "with its interval; lower is better.",
    "Gain: how much lower the logarithm is on average; above 0 is better. In per cent: of the metric itself. "
    "P(better): the probability that a run ends better than one of the other on the same instance.",
    "Square brackets: 95 % intervals over GAN seeds and trainings or tunings on these instances; round brackets: for "
    "new instances, as all intervals in per cent are.",
    "Spread: standard deviation of the final logarithm between trainings or tunings, and between the GAN seeds of one "
    "of them on one instance.",
)
COST_NOTES = (
    "Collapsed: the samples' spread ends below half of the data's. Crashed runs are counted apart.",
    "Target: the mean final metric of the tuned schedule on the instance; a run that never reaches it counts with all "
    "of its updates.",
    "To find: one training, or the tuning. Those that run in parallel share the cores. Empty: nothing was trained or "
    "tuned, or it was not measured.",
    "To play: all runs of the setting; peak memory is that of the whole process, with the environments of other "
    "policies.",
)


def name_notes(options: StudyOptions) -> list[str]:
    """What the names in the tables stand for."""
    same = "as many GAN updates as the costliest training"
    updates = same if options.budget is None else f"{options.budget:,} GAN updates, whatever a training takes"
    maml = [name for name, controller in options.active.items() if controller.script == "maml"]
    return [
        f"Tuned: found by a search on training instances, with {updates}: by TPE, or by the method that is named. "
        "Tuned rates are schedules of the learning rates themselves, not of factors on "
        "them, so they have to be told those that a run starts with; linear rates also depend on these. Tuned ADA and "
        "Diffusion-GAN: the rule on top of tuned schedules of the other knobs. "
        "(told ...): what a policy is told that the learned one has to find out.",
        "Mean trajectory, open loop: a learner's mean knobs over training instances, frozen and played without "
        "looking; mean rates: the same with learning rates themselves averaged. Yoked: what the learner did on the "
        "same instance with another GAN seed, played without looking.",
        *(
            ["Best of many for each instance: of many schedules the one that a few runs on the instance pick. It is no "
             "upper bound: there may be better ones, a few runs may pick a wrong one, and it doesn't react to a run."]
            if options.oracle_runs else []
        ),
        *(f"{plain(name)} trains copies of its GAN further as it plays, towards the held-out data, which is not among "
          "the GAN updates of the run." for name in maml),
    ]  # fmt: skip


def ordered(rows: Mapping[str, Row]) -> list[str]:
    """The policies, the best first."""
    return sorted(rows, key=lambda name: rows[name].iqm.value)


def rivals_table(rows: Mapping[str, Row], learned: str) -> str:
    """The learned policy against everything that is not learned, the best first."""
    against = rows[learned].against
    header = ["opponent", f"{plain(learned)}'s metric is", "P(better)", "gain over it", "final", "runs"]
    cells = [
        [rows[name].title(name), *_compared(against[name]), *_ends(rows[name])]
        for name in ordered(rows)
        if name in against
    ]
    return table(header, cells)


def learners_table(rows: Mapping[str, Row], learners: Sequence[str], strongest: str) -> str:
    """The learned policies against the best opponent, and each against its own trajectories: mean and yoked."""
    header = ["learner", "its metric is", "P(better)", f"gain over {plain(strongest)}", "final", "runs"]
    header += ["gain over its mean trajectory", "by finding out the instance", "by reacting", "trainings"]
    header += ["spread of trainings", "spread of GAN seeds"]
    cells = []
    for name in (name for name in ordered(rows) if name in learners):
        row, mean, yoked = rows[name], name + REPLAY_SUFFIX, name + YOKED_SUFFIX
        parts = [(name, mean), (yoked, mean), (name, yoked)]
        feedback = [rows[one].against.get(other) if one in rows else None for one, other in parts]
        spread = [_number(row.spread_over_seeds, ".3f"), _number(row.spread_over_gan_seeds, ".3f")]
        cells.append([row.title(name), *_compared(row.against[strongest]), *_ends(row)])
        cells[-1] += [*(found.gain.text() if found else "" for found in feedback), str(row.seeds), *spread]
    return table(header, cells)


def setting_table(rows: Mapping[str, Row], learned: str) -> str:
    """All policies of a setting against the tuned schedule, constants and the learned policy, the best first."""
    header = ["policy", "its metric is", "P(better)", f"gain over {plain(BEST)}", f"gain over {plain(CONSTANTS)}"]
    header += [f"{plain(learned)}'s gain over it", "final", "runs", "crashes"]
    cells = []
    for name in ordered(rows):
        row = rows[name]
        gains = (row.against.get(CONSTANTS), rows[learned].against.get(name) if learned in rows else None)
        texts = [found.gain.text() if found else "" for found in gains]
        cells.append([row.title(name), *_compared(row.against.get(BEST)), *texts, *_ends(row), str(row.crashes)])
    return table(header, cells)


def ablation_table(rows: Mapping[str, Row], originals: Mapping[str, str]) -> str:
    """Variants of learners against what they vary, over all trainings of both.

    Args:
        rows: of all policies.
        originals: for each of the variants, the learner.
    """
    header = ["variant", "of", "its metric is", "P(better)", "gain over it", "final", "trainings"]
    cells = []
    for name, original in originals.items():
        row, trainings = rows[name], f"{rows[name].seeds} against {rows[original].seeds}"
        cells.append([plain(name), plain(original), *_compared(row.against[original]), _ends(row)[0], trainings])
    return table(header, cells)


def cost_table(rows: Mapping[str, Row]) -> str:
    """How steadily every policy's runs go, and what finding and playing it costs."""
    columns: dict[str, Callable[[Row], str]] = {
        "crashes": lambda row: f"{row.crashes} ({row.crashes / row.runs:.1%})",
        "collapsed": lambda row: f"{row.collapsed:.1%}",
        "reach the target": lambda row: f"{row.reached_target:.0%}",
        "updates to it": lambda row: f"{row.updates_to_target:.0f}",
        "GAN updates to find": lambda row: _number(row.found.gan_updates, ",.0f"),
        "seconds to find": lambda row: _number(row.found.wall_s, ",.0f"),
        "peak MiB to find": lambda row: _number(row.found.peak_mb, ",.0f"),
        "seconds to play": lambda row: _number(row.played.wall_s, ".1f"),
        "peak MiB to play": lambda row: _number(row.played.peak_mb, ",.0f"),
    }
    cells = ([plain(name), *(show(rows[name]) for show in columns.values())] for name in ordered(rows))
    return table(["policy", *columns], cells)


def failure_table(failures: Sequence[Failure], learned: str, opponent: str) -> str:
    """The instances on which a policy does worst against an opponent."""
    fields = ("dataset", "loss", *HYPERPARAMETERS)
    header = ["instance", *map(plain, fields), plain(learned), plain(opponent), "gain", "standard error", "crashes"]
    cells = []
    for one in failures:
        instance = [f"{v:.3g}" if isinstance(v, float) else plain(str(v)) for v in (one.instance[f] for f in fields)]
        scores = [f"{one.learned:.3f}", f"{one.opponent:.3f}", f"{one.gain:+.3f}", _number(one.standard_error, ".3f")]
        cells.append([str(one.index), *instance, *scores, str(one.crashes)])
    return table(header, cells)


def _ends(row: Row) -> list[str]:
    """How runs end, and how many there were."""
    return [row.iqm.text(".3f"), str(row.runs)]


def _compared(found: Comparison | None) -> list[str]:
    """A comparison in per cent, as a probability and in the logarithm; three empty cells where there is none."""
    return [found.gain.in_percent(), found.probability.text(), found.gain.text()] if found else ["", "", ""]


def _number(value: float | None, style: str) -> str:
    return "" if value is None else format(value, style)
