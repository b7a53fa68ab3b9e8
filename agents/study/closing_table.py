"""The table that a training script or a study ends with: the controller and its opponents on held-out instances."""

from agents.study.names import plain
from agents.study.options import BEST, HELD_OUT
from agents.study.records import Summary
from agents.study.verdict import verdict
from gan_env.evaluation.intervals import few_warning


def closing_table(summary: Summary, instances: int) -> str:
    """The held-out setting, of so many instances, as text, best policy first, and the verdict."""
    setting = summary.settings[HELD_OUT]
    header = ["policy", "seeds", "runs", "IQM", "gain", "P(better)", "crashes", "GAN updates"]
    cells = [header]
    for name in sorted(setting.rows, key=lambda n: setting.rows[n].iqm.value):
        row = setting.rows[name]
        found = row.against.get(BEST)
        compared = [e.with_one_interval().text() for e in (found.gain, found.probability)] if found else ["", ""]
        taken = "" if row.found.gan_updates is None else f"{row.found.gan_updates:,.0f}"
        cells.append(
            [row.title(name), str(row.seeds), str(row.runs), row.iqm.text(".3f"), *compared, str(row.crashes), taken]
        )
    once = all(row.spread_over_gan_seeds is None for row in setting.rows.values())  # then instances are resampled
    first, *widths = (max(map(len, column)) for column in zip(*cells, strict=True))
    lines = [
        f"Final log of the {setting.metric} on held-out instances (lower is better), with 95 % intervals;",
        "gain and P(better): against the tuned schedule, with intervals for new instances; "
        f"IQM: {'likewise' if once else 'for these instances'};",
        f"learned: {summary.learned}; GAN updates: what finding the policy took, by training or by tuning;",
        f"(told ...): what a policy is told that {summary.learned} has to find out.",
        "",
        *("  ".join([n.ljust(first), *map(str.rjust, others, widths)]).rstrip() for n, *others in cells),
        "",
        *verdict(summary),
        *_elsewhere(summary),
        *few_warning(instances),
    ]
    return "\n".join(lines)


def _elsewhere(summary: Summary) -> list[str]:
    """A line for each other setting, with the controller's gains; in a training the members of its family, if any."""
    others = {name: setting.rows for name, setting in summary.settings.items() if name != HELD_OUT}
    others = {name: rows for name, rows in others.items() if summary.learned in rows}  # which may not play everywhere
    if not others:
        return []
    lines = ["", f"Gains of {plain(summary.learned)} on held-out instances elsewhere:"]
    for name, rows in others.items():
        found = rows[summary.learned].against
        gains = (
            f"over {plain(other)} {found[other].gain.with_one_interval().text()}" for other in rows if other in found
        )
        lines.append(f"{plain(name)}: {', '.join(gains)}")
    return lines
