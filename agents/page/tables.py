"""The tables of a report, and notes on how to read them."""

from collections.abc import Callable, Mapping, Sequence

from agents.page.markdown_page import table
from agents.study.options import BEST, StudyOptions
from agents.study.readout import SUFFIXES
from agents.study.records import Failure, Row
from gan_env.instance_lists import NUMBERS

RESULT_NOTES = (
    "final IQM: interquartile mean (the mean of the middle half of all runs) of the log metric at the end; best IQM: "
    "that of each run's lowest.",
    "gain over X: how much lower the final log metric is than that of X on average; above 0 is better. P over X: the "
    "probability that a run ends better than one of X on the same instance. over its replay, or rates_replay: gains, "
    "training by training. Round brackets: the interval for new instances.",
    "spread over seeds: standard deviation of the IQMs of trainings, or of tunings; spread over GAN seeds: of the runs "
    "of one of them on one instance.",
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
    maml = [name for name, controller in options.active.items() if controller.script == "maml"]
    return [
        f"{BEST}: the tuned schedule. tuned_NAME: another kind of opponent, tuned alike. tuned_by_METHOD: a schedule "
        "found with as much tuning by random search, successive halving, CMA-ES or population-based training in place "
        "of TPE. tuned_rates is a schedule of the learning rates themselves, not of factors on them, so it has to be "
        "told those that a run starts with; those of tuned_linear_rates also depend on these, found by CMA-ES. "
        "tuned_ada and tuned_diffusion: a rule on top of tuned schedules of the other knobs. "
        "(told ...): what a policy is told that the learned one has to find out.",
        "NAME_replay: a controller's mean knob trajectory over training instances, frozen and played open loop; "
        "NAME_rates_replay: the same with learning rates themselves averaged. They can be played without learning.",
        *(
            ["oracle: the best of many schedules for each instance, picked by a few runs there. It is no upper bound: "
             "there may be better ones, a few runs may pick a wrong one, and it doesn't react to a run."]
            if options.oracle_runs else []
        ),
        *(f"{name} trains copies of its GAN further as it plays, towards the held-out data, which is not among the GAN "
          "updates of the run." for name in maml),
    ]  # fmt: skip


def ordered(rows: Mapping[str, Row]) -> list[str]:
    """The policies, the best first."""
    return sorted(rows, key=lambda name: rows[name].iqm.value)


def result_table(rows: Mapping[str, Row], schedules: Sequence[str]) -> str:
    """How every policy of a setting ends, the best first, and its gains over tuned schedules and its own read-outs."""
    rivals = [name for name in schedules if name in rows]
    suffixes = [suffix for suffix in SUFFIXES if any(name + suffix in rows for name in rows)]
    header = ["policy", "seeds", "runs", "final IQM", "best IQM"]
    header += [title for rival in rivals for title in (f"gain over {rival}", f"P over {rival}")]
    header += [f"over its {suffix.removeprefix('_')}" for suffix in suffixes]
    header += ["spread over seeds", "spread over GAN seeds"]
    cells = []
    for name in ordered(rows):
        row = rows[name]
        line = [row.title(name), str(row.seeds), str(row.runs), row.iqm.text(".3f"), f"{row.best.value:.3f}"]
        for rival in rivals:
            found = row.against.get(rival)
            line += [found.gain.text(), found.probability.text()] if found else ["", ""]
        for suffix in suffixes:
            found = row.against.get(name + suffix)
            line.append(found.gain.text() if found else "")
        cells.append([*line, _number(row.spread_over_seeds, ".3f"), _number(row.spread_over_gan_seeds, ".3f")])
    return table(header, cells)


def cost_table(rows: Mapping[str, Row]) -> str:
    """How steadily every policy's runs go, and what finding and playing it costs."""
    columns: dict[str, Callable[[Row], str]] = {
        "crashes": lambda row: f"{row.crashes} ({row.crashes / row.runs:.1%})",
        "collapsed": lambda row: f"{row.collapsed:.1%}",
        "reach the target": lambda row: f"{row.reached_target:.0%}",
        "updates to it": lambda row: f"{row.updates_to_target:.0f}",
        "GAN updates to find": lambda row: _number(row.found.gan_updates, ",.0f"),
        "wall s to find": lambda row: _number(row.found.wall_s, ",.0f"),
        "peak MiB to find": lambda row: _number(row.found.peak_mb, ",.0f"),
        "wall s to play": lambda row: _number(row.played.wall_s, ".1f"),
        "peak MiB to play": lambda row: _number(row.played.peak_mb, ",.0f"),
    }
    cells = ([name, *(show(rows[name]) for show in columns.values())] for name in ordered(rows))
    return table(["policy", *columns], cells)


def controller_table(rows: Mapping[str, Row], originals: Mapping[str, str]) -> str:
    """Controllers against others, over all trainings of both.

    Args:
        rows: of all policies.
        originals: for each of the controllers, the other one.
    """
    header = ["controller", "against", "trainings", "IQM", "gain over it", "P(better)"]
    cells = []
    for name, original in originals.items():
        row, found = rows[name], rows[name].against[original]
        trainings = f"{row.seeds} against {rows[original].seeds}"
        cells.append([name, original, trainings, f"{row.iqm.value:.3f}", found.gain.text(), found.probability.text()])
    return table(header, cells)


def failure_table(failures: Sequence[Failure], learned: str, opponent: str) -> str:
    """The instances on which a policy does worst against an opponent."""
    fields = ("dataset", "loss", *NUMBERS)
    header = ["instance", *fields, learned, opponent, "gain", "standard error", "crashes"]
    cells = []
    for one in failures:
        instance = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in (one.instance[f] for f in fields)]
        scores = [f"{one.learned:.3f}", f"{one.opponent:.3f}", f"{one.gain:+.3f}", _number(one.standard_error, ".3f")]
        cells.append([str(one.index), *instance, *scores, str(one.crashes)])
    return table(header, cells)


def _number(value: float | None, style: str) -> str:
    return "" if value is None else format(value, style)
