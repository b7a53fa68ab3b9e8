"""The tables of a report, and what is to be known to read them."""

from typing import Any

from agents.page.blocks import Table
from agents.page.conclusions import picked
from agents.page.wording import shown
from agents.study.options import BASE, BEST, HELD_OUT
from agents.study.study import Study

RESULT_NOTES = [
    "final IQM: interquartile mean, which is that of the middle half of all runs, of the log metric at the end; best "
    "IQM: of each run's lowest.",
    "gain over X: how much lower the final log metric is than that of X in the mean; above 0 is better. P over X: the "
    "probability that a run ends better than one of X on the same instance. over its replay, rates_replay or base: "
    "gains, training by training.",
    "spread over seeds: standard deviation of the IQMs of trainings, or of tunings; spread over GAN seeds: of the runs "
    "of one of them on one instance.",
]
COST_NOTES = [
    "Collapsed: the samples' spread ends below half of the data's. Crashed runs are counted apart.",
    "Target: the mean final metric of the tuned schedule on the instance; a run that never reaches it counts with its "
    "whole budget. When training pays off is counted on the way to what the opponent in question ends at.",
    "Roughness of a loss: mean absolute second difference over its standard deviation; white noise has 1.95.",
    "To find: one training, or the tuning. Those that run side by side share the cores. Empty: nothing was trained or "
    "tuned, or it was not measured.",
    "To play: all runs of the setting; peak memory is that of the whole process, which also holds what other policies "
    "play in.",
]


def name_notes(study: Study, summary: dict[str, Any]) -> list[str]:
    """What the names in the table stand for."""
    trials = summary["best_schedule"]["trials"]
    tried = f"the best of {trials} candidates on {study.options.tune_runs} runs each, the best few on more"
    again = study.tunings[BEST] > 1
    tried += f"; {study.tunings[BEST]} tunings" if again else ""
    active = study.options.active
    corrected = [name for name, controller in active.items() if controller.base]
    return [
        f"{BEST}: the tuned schedule, {tried}; {'the best of them' if again else 'it'} is shown below.",
        "tuned_NAME: another kind of opponent, tuned likewise. tuned_rates is a schedule of learning rates themselves, "
        "by what the run was started with; others move factors on those.",
        "NAME_replay: a controller's mean knob trajectory over training instances, frozen and played open loop; "
        "NAME_rates_replay: the same with learning rates averaged as such. Anybody can use them without learning.",
        *([oracle_note(summary["oracle"])] if study.options.oracle_runs else []),
        *(
            f"{name} corrects {name + BASE}, which was tuned for it alone, anew for every training: actions are added."
            for name in corrected
        ),
        *(
            f"{name} adapts within a run by training copies of its GAN further, which is not among the GAN updates of "
            "the run, towards the held-out data that also judges it."
            for name, controller in active.items()
            if controller.script == "maml"
        ),
    ]


def oracle_note(oracle: dict[str, int]) -> str:
    """What the oracle is, and what it isn't."""
    return (
        f"oracle: for each instance by itself {picked(oracle)}. Candidates are the finalists of tuning schedules, what "
        "controllers correct, and the study's own schedules. It is no upper bound: there may be better schedules, a "
        "few runs may pick a wrong candidate, and it doesn't react to what happens in a run, as feedback does."
    )


def chance(found: dict[str, Any]) -> str:
    """A probability and its interval."""
    return f"{found['value']:.2f} [{found['ci95'][0]:.2f}, {found['ci95'][1]:.2f}]"


def _ordered(rows: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(rows, key=lambda name: float(rows[name]["iqm"]))


def result_table(rows: dict[str, dict[str, Any]]) -> Table:
    """How every policy of a setting ends, the best first, and what it gains over those that it is compared with."""
    comparisons = {"over its replay": "feedback", "over its rates_replay": "feedback_beyond_rates",
                   "over its base": "over_base"}  # fmt: skip
    there = {title: key for title, key in comparisons.items() if any(key in row for row in rows.values())}
    rivals = dict.fromkeys(other for row in rows.values() for other in row["against"])
    over = [title for other in rivals for title in (f"gain over {other}", f"P over {other}")]
    header = ["policy", "seeds", "runs", "final IQM", "best IQM", f"gain over {BEST}", f"P over {BEST}", *over, *there,
              "spread over seeds", "spread over GAN seeds"]  # fmt: skip
    cells = []
    for name in _ordered(rows):
        row = rows[name]
        spreads = (row["spread_over_seeds"], row["spread_over_gan_seeds"])
        cells.append(
            [
                name,
                str(row["seeds"]),
                str(row["n"]),
                f"{row['iqm']:.3f} [{row['ci95'][0]:.3f}, {row['ci95'][1]:.3f}]",
                f"{row['best']['value']:.3f}",
                "" if name == BEST else shown(row["gain"]),
                "" if name == BEST else chance(row["probability"]),
                *(text for other in rivals for text in _against(row["against"].get(other))),
                *(shown(row[key]["gain"]) if key in row else "" for key in there.values()),
                *("" if spread is None else f"{spread:.3f}" for spread in spreads),
            ]
        )
    return Table(header, cells)


def _against(found: dict[str, Any] | None) -> tuple[str, str]:
    """Gain over a rival, and the probability to be better."""
    return (shown(found["gain"]), chance(found["probability"])) if found else ("", "")


def cost_table(rows: dict[str, dict[str, Any]]) -> Table:
    """How steadily every policy's runs go, and what finding and playing it costs."""
    header = ["policy", "crashes", "collapsed", "reach the target", "updates to it", "roughness D", "roughness G",
              "GAN updates to find", "wall s to find", "peak MiB to find", "wall s to play",
              "peak MiB to play"]  # fmt: skip

    def number(value: float | None, style: str) -> str:
        return "" if value is None else format(value, style)

    cells = [
        [
            name,
            f"{row['crashes']} ({row['crash_rate']:.1%})",
            f"{row['collapse_rate']:.1%}",
            f"{row['reached_target']:.0%}",
            f"{row['updates_to_target']:.0f}",
            number(row.get("roughness_loss_d"), ".2f"),
            number(row.get("roughness_loss_g"), ".2f"),
            number(row["found_gan_updates"], ",.0f"),
            number(row["found_wall_s"], ",.0f"),
            number(row["found_peak_mb"], ",.0f"),
            number(row["play_wall_s"], ".1f"),
            number(row["play_peak_mb"], ",.0f"),
        ]
        for name, row in ((name, rows[name]) for name in _ordered(rows))
    ]
    return Table(header, cells)


def failure_table(worst: list[dict[str, Any]], learned: str, opponent: str) -> Table:
    """The instances on which a policy does worst against an opponent."""
    fields = ("dataset", "num_samples", "lr_g", "lr_d", "beta_1", "batch_size", "width")
    header = ["instance", *fields, learned, opponent, "gain", "standard error", "crashes"]
    cells = [
        [
            str(row["instance"]),
            *(f"{row[f]:.3g}" if isinstance(row[f], float) else str(row[f]) for f in fields),
            *(f"{row[key]:.3f}" for key in ("learned", "opponent")),
            f"{row['gain']:+.3f}",
            "" if row["standard_error"] is None else f"{row['standard_error']:.3f}",
            str(row["crashes"]),
        ]
        for row in worst
    ]
    return Table(header, cells)


def dataset_table(datasets: dict[str, dict[str, Any]]) -> Table:
    """The gain over an opponent by data set, and how it is with the instances drawn anew as well."""
    cells = []
    for name, found in datasets.items():
        others = found["gain"].get("over_instances")
        anew = f"[{others[0]:+.3f}, {others[1]:+.3f}]" if others else ""
        cells.append([name, str(found["instances"]), shown(found["gain"]), anew])
    return Table(["data set", "instances", "gain", "with instances drawn anew"], cells)


def closing_table(summary: dict[str, Any]) -> str:
    """The held-out setting as text, best policy first."""
    rows = summary["settings"][HELD_OUT]["policies"]
    lines = [
        f"Final log of the {summary['metric']} on held-out instances (lower is better); 95 % stratified bootstrap;",
        f"gain and probability of improvement: against the tuned schedule; learned: {summary['learned']}.",
        "",
        f"{'policy':<22} {'seeds':>5} {'n':>5} {'IQM':>7} {'95 % interval':>18} {'gain':>7} {'95 % interval':>18} "
        f"{'P(better)':>9} {'95 % interval':>14} {'crashes':>7}",
    ]
    for name in sorted(rows, key=lambda n: rows[n]["iqm"]):
        row = rows[name]
        gain, chance = row["gain"], row["probability"]
        lines.append(
            f"{name:<22} {row['seeds']:>5} {row['n']:>5} {row['iqm']:>7.3f} "
            f"[{row['ci95'][0]:>7.3f}, {row['ci95'][1]:>7.3f}] {gain['value']:>7.3f} "
            f"[{gain['ci95'][0]:>7.3f}, {gain['ci95'][1]:>7.3f}] {chance['value']:>9.2f} "
            f"[{chance['ci95'][0]:>5.2f}, {chance['ci95'][1]:>5.2f}] {row['crashes']:>7}"
        )
    return "\n".join(lines)
