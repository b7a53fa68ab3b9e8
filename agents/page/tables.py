"""The tables of a report, and what is to be known to read them."""

from collections.abc import Mapping, Sequence

from agents.page.blocks import Table
from agents.study.options import BEST, StudyOptions
from agents.study.records import Ablation, BreakEven, Correlation, Failures, Gain, Row

RESULT_NOTES = (
    "final IQM: interquartile mean, which is that of the middle half of all runs, of the log metric at the end; best "
    "IQM: of each run's lowest.",
    "gain over X: how much lower the final log metric is than that of X in the mean; above 0 is better. P over X: the "
    "probability that a run ends better than one of X on the same instance. over its replay, or rates_replay: gains, "
    "training by training. Round brackets: the interval with instances drawn anew as well.",
    "spread over seeds: standard deviation of the IQMs of trainings, or of tunings; spread over GAN seeds: of the runs "
    "of one of them on one instance.",
)
COST_NOTES = (
    "Collapsed: the samples' spread ends below half of the data's. Crashed runs are counted apart.",
    "Target: the mean final metric of the tuned schedule on the instance; a run that never reaches it counts with all "
    "of its updates. When training pays off is counted on the way to what the opponent in question ends at.",
    "Roughness of a loss: mean absolute second difference over its standard deviation; white noise has 1.95.",
    "To find: one training, or the tuning. Those that run side by side share the cores. Empty: nothing was trained or "
    "tuned, or it was not measured.",
    "To play: all runs of the setting; peak memory is that of the whole process, which also holds what other policies "
    "play in.",
)


def name_notes(options: StudyOptions) -> list[str]:
    """What the names in the table stand for."""
    maml = [name for name, controller in options.active.items() if controller.script == "maml"]
    return [
        f"{BEST}: the tuned schedule; its best tuning on training instances is shown below. tuned_NAME: another kind "
        "of opponent, tuned likewise. tuned_rates knows the learning rates that a run was started with, and is a "
        "schedule of the rates themselves; others move factors on those.",
        "NAME_replay: a controller's mean knob trajectory over training instances, frozen and played open loop; "
        "NAME_rates_replay: the same with learning rates averaged as such. Anybody can use them without learning.",
        *(
            ["oracle: for each instance by itself the best of many schedules, picked by a few runs there. It is no "
             "upper bound: there may be better ones, a few runs may pick a wrong one, and it doesn't react to a run."]
            if options.oracle_runs else []
        ),
        *(f"{name} trains copies of its GAN further as it plays, towards the held-out data, which is not among the GAN "
          "updates of the run." for name in maml),
    ]  # fmt: skip


def ordered(rows: Mapping[str, Row]) -> list[str]:
    """The policies, the best first."""
    return sorted(rows, key=lambda name: rows[name].iqm.value)


def result_table(rows: Mapping[str, Row]) -> Table:
    """How every policy of a setting ends, the best first, and what it gains over those that it is compared with."""
    rivals = dict.fromkeys([BEST, *(other for row in rows.values() for other in row.against if other != "oracle")])
    suffixes = dict.fromkeys(suffix for row in rows.values() for suffix in row.against_read_out)
    header = ["policy", "seeds", "runs", "final IQM", "best IQM"]
    header += [title for other in rivals for title in (f"gain over {other}", f"P over {other}")]
    header += [f"over its {suffix.removeprefix('_')}" for suffix in suffixes]
    header += ["spread over seeds", "spread over GAN seeds"]
    cells = []
    for name in ordered(rows):
        row = rows[name]
        line = [name, str(row.seeds), str(row.runs)]
        line += [f"{row.iqm.value:.3f} [{row.iqm.ci95[0]:.3f}, {row.iqm.ci95[1]:.3f}]", f"{row.best.value:.3f}"]
        for other in rivals:
            found = row.against.get(other)
            line += [found.gain.text(), found.probability.text()] if found else ["", ""]
        for suffix in suffixes:
            found = row.against_read_out.get(suffix)
            line.append(found.gain.text() if found else "")
        cells.append([*line, _number(row.spread_over_seeds, ".3f"), _number(row.spread_over_gan_seeds, ".3f")])
    return Table(header, cells)


def cost_table(rows: Mapping[str, Row]) -> Table:
    """How steadily every policy's runs go, and what finding and playing it costs."""
    header = ["policy", "crashes", "collapsed", "reach the target", "updates to it", "roughness D", "roughness G",
              "GAN updates to find", "wall s to find", "peak MiB to find", "wall s to play",
              "peak MiB to play"]  # fmt: skip
    cells = [
        [
            name,
            f"{row.crashes} ({row.crashes / row.runs:.1%})",
            f"{row.collapsed:.1%}",
            f"{row.reached_target:.0%}",
            f"{row.updates_to_target:.0f}",
            _number(row.roughness_loss_d, ".2f"),
            _number(row.roughness_loss_g, ".2f"),
            _number(row.found.gan_updates, ",.0f"),
            _number(row.found.wall_s, ",.0f"),
            _number(row.found.peak_mb, ",.0f"),
            _number(row.played.wall_s, ".1f"),
            _number(row.played.peak_mb, ",.0f"),
        ]
        for name, row in ((name, rows[name]) for name in ordered(rows))
    ]
    return Table(header, cells)


def break_even_table(found: Mapping[str, BreakEven]) -> Table:
    """After how many runs training has paid for itself, by opponent."""
    header = ["against", "updates saved a run", "extra updates to find", "paid for after runs", "gain"]
    cells = [
        [name, f"{e.saved_per_run.value:.0f} [{e.saved_per_run.ci95[0]:.0f}, {e.saved_per_run.ci95[1]:.0f}]",
         f"{e.extra_training:,.0f}", "not shown" if e.runs is None else f"{e.runs:,}", e.gain.text()]
        for name, e in found.items()
    ]  # fmt: skip
    return Table(header, cells)


def ablation_table(rows: Sequence[Ablation]) -> Table:
    """Ablations, and controllers beside others."""
    header = ["ablation", "of", "trainings", "IQM", "gain over it", "P(better)"]
    cells = [
        [r.name, r.of, "{} against {}".format(*r.seeds), f"{r.iqm.value:.3f}", r.comparison.gain.text(),
         r.comparison.probability.text()]
        for r in rows
    ]  # fmt: skip
    return Table(header, cells)


def failure_table(failures: Failures, learned: str) -> Table:
    """The instances on which a policy does worst against an opponent."""
    fields = ("dataset", "num_samples", "lr_g", "lr_d", "beta_1", "batch_size", "width")
    header = ["instance", *fields, learned, failures.against, "gain", "standard error", "crashes"]
    cells = [
        [
            str(one.index),
            *(f"{v:.3g}" if isinstance(v, float) else str(v) for v in (one.instance[f] for f in fields)),
            f"{one.learned:.3f}",
            f"{one.opponent:.3f}",
            f"{one.gain:+.3f}",
            _number(one.standard_error, ".3f"),
            str(one.crashes),
        ]
        for one in failures.worst
    ]
    return Table(header, cells)


def dataset_table(datasets: Mapping[str, Gain]) -> Table:
    """The gain over an opponent by data set."""
    return Table(["data set", "gain"], [[name, gain.text()] for name, gain in datasets.items()])


def feature_table(explained: Mapping[str, Correlation]) -> Table:
    """How features of an instance go with the gain."""
    header = ["feature", "rank correlation with the gain", "p"]
    return Table(header, [[name, f"{e.value:+.2f}", f"{e.p:.3f}"] for name, e in explained.items()])


def _number(value: float | None, style: str) -> str:
    return "" if value is None else format(value, style)
