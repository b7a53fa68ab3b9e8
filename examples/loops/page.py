"""The page of the study in compare.py: the verdict, then each method cell by cell, failures first."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from one_run import BATCH, LOOPS, OPTIMISERS, PUBLISHED, RANDOM, RANDOM_RATES, WITHOUT_RATE
from PIL import Image
from results import BEST, PLAIN, RANKS, WORST, Record, Results, mean_and_interval

from gan_env.errors import needs
from gan_env.evaluation.intervals import bootstrap_interval
from gan_env.files import write_atomically, write_text

ABOUT = {
    ("cosine_rates",): "cosine_rates lets both rates fall to a hundredth, by a cosine.",
    ("steady_walk",): "steady_walk is [a rule](../step_size.md) that sets learning rates themselves, whatever a loop "
    "begins with: its runs of a loop and data set begin alike but for rounding, and part by chance. Its numbers "
    "were fixed after a look at sixty-one runs of such rules, its formula after some sixty more, mostly with DCGAN and "
    "hinge and all with the first seed: that flatters it there. The second was played after everything was fixed.",
    ("timed_walk",): "timed_walk is [steady_walk times a schedule]"
    "(../step_size.md#what-a-trained-controller-makes-of-it), the one that family makes of it. Its numbers are from "
    "runs of the environment, not of these loops.",
    ("limited_walk",): "limited_walk is [that rule with a limit](../step_size.md#limited_walk) on its first "
    "steps, for networks that they break. The limit was chosen among three after a look at some thirty runs here.",
    ("rates_images",): "rates_images sets [learning rates themselves](../learning_rates.md#a-fixed-schedule-of-rates), "
    "whatever a loop begins with: its runs of a loop and data set begin alike as well. Its numbers were fixed "
    "after a look at nineteen runs of such schedules in loops other than r3gan, so this flatters it.",
    ("learned/family",): "family is [the controller that comes with gan_env]"
    "(../your_own_gan.md#the-controller-that-comes-with-it), which scales the rates of steady_walk: its runs, too, "
    "hardly depend on a loop's own rate. Grey tiles of the same photos, of 8x8 to 28x28 pixels, were among its "
    "training data.",
    ("ada",): "ada moves augmentation, and plays where a logit's sign says what the discriminator believes.",
    (PUBLISHED,): "published is the loop at its paper's learning rate (wgan_gp 1e-4, others 2e-4) and momentum; r3gan "
    "also has the paper's schedules. Networks and runs are smaller than the papers'.",
    OPTIMISERS: "prodigy and schedule_free are optimisers for both players with the rates that their authors give: "
    "they have none to choose, and meet the loop at each one.",
}
"""Methods -> what is said of them."""


def write_page(path: Path, records: Sequence[Record]) -> None:
    """Writes the page and its picture beside it.

    Raises:
        ConfigError: the loop as it is was not played.
    """
    results, picture = Results(records), path.with_suffix(".png")
    parts = [*beginning(results, records, path), *(cell_by_cell(results, method) for method in results.methods)]
    write_text(path, "\n\n".join(parts) + "\n")
    draw(picture, results)
    print(f"wrote {path}", file=sys.stderr)


def beginning(results: Results, records: Sequence[Record], page: Path) -> list[str]:
    """Title, verdict, table of all methods, picture, and what was done."""
    verdict, rows = [], []
    for method in (PLAIN, *results.methods):
        gains = [mean_and_interval(results.gains_at(method, rank)) for rank in RANKS]
        equal, counts = results.worth(method), [results.count(method, what) for what in ("crashed", "worse")]
        cells = len(results.played(method))
        rows.append((named(method), cells, *(gains if method != PLAIN else "000"), equal, *counts))
        if method != PLAIN:
            most = f"; a run is worth the best of {equal} with random rates" if equal else ""
            verdict.append(f"- **{named(method)}**: {gains[0]}; {BEST} {gains[1]}, {WORST} {gains[2]}{most}.")
    head = ("method", "cells", *RANKS, "worth the best of", "crashed", "ends worse than untrained")
    fewer = ", over the seeds that all methods of a cell have" if len(results.seeds()) > 1 else ""
    used = [place for place, name in enumerate(head) if results.random or name != "worth the best of"]
    return [
        "# Policies in plain training loops",
        "Gain: the final log Frechet distance to held-out images in the plain loop, which has no policy, less that "
        "with the method; above 0 the method is better. A *cell* is a loop, a data set and a learning rate. Shown are "
        "the mean and a 95 % interval by Student's t over pairs of a loop and a data set.",
        "\n".join(verdict),
        table([head[place] for place in used], [[row[place] for place in used] for row in rows]),
        f"Mean final log distance by the learning rate that a loop is given{fewer}{left_out(results)}:",
        by_rate(results),
        f"![Final distance by learning rate]({page.with_suffix('.png').name})",
        *explained(results, records, page.with_suffix(".jsonl")),
    ]


def left_out(results: Results) -> str:
    """Which methods have no row, and which loops do not count, as some method with a row was not played there."""
    (methods, common), pairs = results.common(), dict.fromkeys(cell[:2] for cell in results.cells)
    few = [named(method) for method in results.methods if method not in methods]
    left = [f"{loop} on {data}" for loop, data in pairs if (loop, data) not in common]
    told = f". Without {', '.join(few)}, played in at most half of the loops" if few else ""
    return told + (f". Left out: {', '.join(left)}, which not all methods played" if left else "")


def by_rate(results: Results) -> str:
    """A table of where methods end on average, lower is better, by the rate that both players are given."""
    rates, (methods, common), rows = sorted({cell.lr for cell in results.cells}), results.common(), []
    for method in (PLAIN, *methods):
        there = [cell for cell in results.played(method) if cell[:2] in common]
        played = [[cell for cell in there if cell.lr == rate] for rate in rates]
        means = [[results.end(method, cell) for cell in cells] for cells in played]
        rows.append((named(method), *(f"{np.mean(ends):.2f}" if ends else "" for ends in means)))
    return table(("method", *(f"{rate:g}" for rate in rates)), rows)


def explained(results: Results, records: Sequence[Record], runs: Path) -> list[str]:
    """What was done, and how the page is made again."""
    rates = ", ".join(f"{rate:g}" for rate in sorted({cell.lr for cell in results.cells}))
    first = records[0]
    loops = dict.fromkeys(cell.loop for cell in results.cells)
    widths = ", ".join(f"{loop} {first['width'] or LOOPS[loop]}" for loop in loops)
    low, high = RANDOM_RATES
    other = [name for name in LOOPS if name not in loops]
    gone = [f"{loop} on {data}{where}" for (loop, data), where in results.gaps().items()]
    if results.drawn:
        pairs = dict.fromkeys(cell[:2] for cell in results.cells)
        gone += [f"random rates in {loop} on {data}" for loop, data in pairs if (loop, data) not in results.drawn]
    missing = [*gone, *(f"all of {name}" for name in other)]
    choice = (
        "Worth: a run at one of the rates, whichever, ends on average as the best of so many runs of the loop whose "
        f"two rates are drawn from {low:g} to {high:g}. Half of the held-out images choose the best; all distances "
        "shown are to the other half. Counted where random rates were played."
    )
    lines = [
        "A cell is a loop of [examples/loops](../your_own_gan.md#whole-loops), a data set and a learning rate of both "
        f"players ({rates}). For each seed, rates are ranked by how the plain loop ends with them in the other seeds; "
        "where there is no other seed, in this one, which flatters the plain loop. Methods of a seed begin with the "
        f"same networks. {seeds_shown(results)}",
        f"A run has {first['updates']:,} steps of the discriminator (wgan_gp: 5 to one of the generator), batches of "
        f"{BATCH} and small networks (widths: {widths}). A run that diverges has crashed, and counts as its untrained "
        "generator.",
        f"The distance is that of the generator itself, not of an average (schedule_free: of its averaged weights), on "
        f"{first['samples']:,} images and features of the classifiers of this package. It is not FID.",
        choice if results.random else "All distances are to one half of the held-out images.",
        *(text for names, text in ABOUT.items() if set(names) & {*results.methods}),
        *(
            f"{named(method)} has its own learning rates: one run counts at each rate."
            for method in results.methods
            if method not in WITHOUT_RATE and results.has_one_run(method)
        ),
        *([f"Not played: {', '.join(missing)}."] if missing else []),
    ]
    return [
        "\n".join(f"- {line}" for line in lines),
        f"```sh\n{asked(results)}\npython examples/loops/compare.py report --page {runs.with_suffix('.md')}\n```",
        f"`run` also plays what is missing. All runs shown are in [{runs.name}]({runs.name}): "
        f"`--runs {runs}` lets `report` write this page again, and `run` add to them.",
    ]


def seeds_shown(results: Results) -> str:
    """How many seeds there are, and what that means."""
    (fewest, _), *more = results.seeds().items()
    caveat = ": of one seed the interval says nothing of others" if fewest == 1 else ""
    if not more:
        return f"Seeds of each: {fewest}{caveat}."
    of_some = []
    for number, of_data in more:
        for data, (loops, methods) in of_data.items():
            others = {cell.loop for cell in results.cells if cell.data == data} - {*loops}
            where = f"{data} but {', '.join(sorted(others))}" if others else data
            of_some.append(f"at least {number} on {where} of {', '.join(map(named, methods))}")
    return f"Seeds: {'; '.join(of_some)}; {fewest} elsewhere{caveat}. A gain compares two runs of one seed."


def asked(results: Results) -> str:
    """The commands that make such runs: one for the seeds that all have, then those for further seeds."""
    (fewest, _), *more = results.seeds().items()
    loops, data, rates = (dict.fromkeys(cell[place] for cell in results.cells) for place in range(3))
    each = Counter((record["loop"], record["data"], record["seed"]) for record in results.random)
    draws = [RANDOM, "--draws", str(max(each.values()))] if each else []
    wanted = [(fewest, data, loops, [PLAIN, *results.methods, *draws])]
    for number, of_data in more:
        for name, (of_cells, methods) in of_data.items():
            drawn = any(record["data"] == name and record["seed"] >= number - 1 for record in results.random)
            wanted.append((number, {name: None}, of_cells, [*methods, *(draws if drawn else [])]))
    at = " ".join(f"{rate:g}" for rate in sorted(rates))
    return "\n".join(
        f"python examples/loops/compare.py run --seeds {seeds} --loops {' '.join(names)} --data {' '.join(sets)} "
        f"--rates {at} --methods {' '.join(methods)}"
        for seeds, sets, names, methods in wanted
    )


def cell_by_cell(results: Results, method: str) -> str:
    """A section with all cells of a method, the lowest gain first; crashes of the plain loop / with it."""
    rows = []
    for cell in sorted(results.played(method), key=lambda cell: results.gains(method, cell).mean()):
        pairs, gains = results.pairs(method, cell), results.gains(method, cell)
        early = [f"{results.gains(method, cell, third).mean():+.2f}" for third in (0, 1)]
        ends = [f"{np.mean([pair[side]['score'][-1] for pair in pairs]):.2f}" for side in (0, 1)]
        low, high = bootstrap_interval(gains, lambda drawn: drawn.mean(axis=-1))
        interval = f" [{low:+.2f}, {high:+.2f}]" if len(gains) > 1 else ""
        crashes = " / ".join(str(sum(pair[side]["crashed"] for pair in pairs)) for side in (0, 1))
        gain = f"{gains.mean():+.2f}{interval}"
        rows.append((cell.loop, cell.data, f"{cell.lr:g}", len(pairs), *ends, gain, *early, crashes))
    head = (
        "loop",
        "data",
        "rate",
        "seeds",
        "plain loop ends at",
        "with it",
        "gain",
        "gain at 1/3 of the run",
        "at 2/3",
        "crashes: plain / with it",
    )
    return f"## {named(method)}\n\n{table(head, rows)}"


def named(method: str) -> str:
    """For people."""
    return "the loop as it is" if method == PLAIN else Path(method).name


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def draw(path: Path, results: Results) -> None:
    """Final distance by learning rate, a panel a loop and data set; what has no rate is a level line."""
    with needs("study"):
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    loops, data = (list(dict.fromkeys(cell[place] for cell in results.cells)) for place in (0, 1))
    colours = [*(f"C{number}" for number in (0, 1, 2, 3, 4, 5, 6, 8, 9)), "navy", "lime", "gold"]  # without grey
    size = (2.2 * len(loops) + 1, 2.1 * len(data) + 0.6)
    figure, axes = plt.subplots(len(data), len(loops), figsize=size, layout="constrained", squeeze=False, dpi=80)
    for (row, column), axis in np.ndenumerate(axes):
        axis.set_visible(any(cell[:2] == (loops[column], data[row]) for cell in results.cells))
        for index, method in enumerate((PLAIN, *results.methods)):
            cells = [c for c in results.played(method) if c[:2] == (loops[column], data[row])]
            cells.sort(key=lambda cell: cell.lr)
            ends = [results.end(method, cell) for cell in cells]
            colour = "black" if method == PLAIN else colours[(index - 1) % len(colours)]
            style = "--" if results.has_one_run(method) else "-"
            axis.plot([cell.lr for cell in cells], ends, style, color=colour, label=named(method), linewidth=1.2)
        axis.set_xscale("log")
        axis.set_title(f"{loops[column]}, {data[row]}", fontsize=8)
        axis.tick_params(labelsize=7)
    figure.supxlabel("learning rate of both players", fontsize=8)
    figure.supylabel("log Frechet distance at the end", fontsize=8)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", fontsize=7)
    write_atomically(path, lambda part: figure.savefig(part, format="png"))
    plt.close(figure)
    write_atomically(path, lambda part: Image.open(path).quantize(32).save(part, format="png", optimize=True))
