"""The page of the study in compare.py: the verdict, then each method cell by cell, failures first."""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from one_run import BATCH, LOOPS, RANDOM, RANDOM_RATES, WITHOUT_RATE
from PIL import Image

from gan_env.errors import needs, require
from gan_env.evaluation.best_of import best_of, worth
from gan_env.evaluation.intervals import RESAMPLES, bootstrap_interval
from gan_env.files import write_atomically

Floats = NDArray[np.float64]
Record = dict[str, Any]
PLAIN = "fixed"
"""The loop as it is."""
ABOUT = {
    ("cosine_rates",): "cosine_rates lets both rates fall to a hundredth, by a cosine.",
    ("step_size", "step_size_images"): "step_size and step_size_images are [the rule](../step_size.md).",
    ("rates_images",): "rates_images sets [learning rates themselves](../step_size.md#or-learning-rates-themselves), "
    "whatever a loop begins with: its runs of a loop and data set differ by rounding alone. Its numbers were fixed "
    "after a look at nineteen runs of such schedules in loops other than r3gan, so this flatters it.",
    ("learned/family",): "family is [the controller that comes with gan_env]"
    "(../your_own_gan.md#the-controller-that-comes-with-it). Tiles of the same photos, of 8x8 pixels and grey, were "
    "among its training data.",
    ("ada",): "ada moves augmentation, and plays where a logit's sign says what the discriminator believes.",
    WITHOUT_RATE: "prodigy and schedule_free are optimisers for both players with the rates that their authors give: "
    "they have none to choose, and meet the loop at each one.",
}
"""Methods -> what is said of them."""
RANKS = {
    "all rates": lambda cells: cells,
    "at the best rate": lambda cells: cells[:1],
    "at the two worst rates": lambda cells: cells[1:][-2:],
}
"""Which cells of a loop and data set count, best rate first; the best is never among the worst."""
ALL, BEST, WORST = RANKS


class Cell(NamedTuple):
    """What a seed is repeated in."""

    loop: str
    data: str
    lr: float


class Results:
    """Runs by method, cell and seed.

    Attributes:
        records: all runs at a rate, or without one, by method, loop, data set, rate and seed.
        random, drawn: runs with random rates, and the loops and data sets where there are some.
        methods: but the loop as it is and random rates, in the order in which they first appear.
        cells: those in which the loop was played as it is, best rate of a loop and data set first.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.random = [record for record in records if record["method"] == RANDOM]
        self.drawn = {(record["loop"], record["data"]) for record in self.random}
        others = [record for record in records if record["method"] != RANDOM]
        self.records = {(r["method"], r["loop"], r["data"], r["lr_g"], r["seed"]): r for r in others}
        self.methods = [method for method in dict.fromkeys(r["method"] for r in others) if method != PLAIN]
        plain = [r for r in others if r["method"] == PLAIN]
        require(bool(plain), "runs", sorted({r["method"] for r in records}), f"some of {PLAIN!r}, too")
        cells = dict.fromkeys(Cell(r["loop"], r["data"], r["lr_g"]) for r in plain)
        self.cells = sorted(cells, key=lambda cell: (cell[:2], self.scores(PLAIN, cell).mean()))

    def pairs(self, method: str, cell: Cell) -> list[tuple[Record, Record]]:
        """Runs of the loop as it is and of the method, seed by seed; a method without a rate is in all cells alike."""
        rate = None if method in WITHOUT_RATE else cell.lr
        found = []
        for (name, *place, seed), plain in self.records.items():
            if (name, *place) == (PLAIN, *cell):
                other = self.records.get((method, cell.loop, cell.data, rate, seed))
                found += [(plain, other)] if other is not None else []
        return found

    def scores(self, method: str, cell: Cell, third: int = -1) -> Floats:
        """Final distances, or those at another third, of each seed: [S]."""
        return np.array([other["score"][third] for _, other in self.pairs(method, cell)])

    def gains(self, method: str, cell: Cell, third: int = -1) -> Floats:
        """How much lower a method's distance is than that of the loop as it is, seed by seed: [S]."""
        return np.array([plain["score"][third] - other["score"][third] for plain, other in self.pairs(method, cell)])

    def played(self, method: str, rank: str = ALL) -> list[Cell]:
        """Cells of `RANKS` in which both were played; rates are ranked by how the loop as it is does with them."""
        of_pair: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            of_pair.setdefault(cell[:2], []).append(cell)
        return [cell for cells in of_pair.values() for cell in RANKS[rank](cells) if self.pairs(method, cell)]

    def gaps(self) -> dict[tuple[str, str], str]:
        """(loop, data set) -> at which rates it was not played as it is, as " at 0.01"; "" where at none."""
        loops, data, rates = (sorted({cell[place] for cell in self.cells}) for place in range(3))
        found = {}
        for pair in product(loops, data):
            lacking = [rate for rate in rates if Cell(*pair, rate) not in self.cells]
            if lacking:
                found[pair] = "" if lacking == rates else f" at {', '.join(f'{rate:g}' for rate in lacking)}"
        return found

    def count(self, method: str, what: str) -> str:
        """How many runs of a method `crashed`, or ended `worse` than their untrained generator."""
        runs = [record for (name, *_), record in self.records.items() if name == method]
        bad = [r["crashed"] if what == "crashed" else r["score"][-1] > r["untrained"] for r in runs]
        return f"{sum(bad)} of {len(bad)}"

    def worth(self, method: str) -> str:
        """The best of how many random runs one run is worth whose rate is any of the four, see `Worth.describe`."""
        pools: dict[tuple[str, str], list[Record]] = {}
        for record in self.random:
            pools.setdefault((record["loop"], record["data"]), []).append(record)
        pools = {pair: pool for pair, pool in pools.items() if any(c[:2] == pair for c in self.played(method))}
        if len(pools) < 2:
            return ""
        most, curves, controlled = min(map(len, pools.values())), [], []
        for pair, pool in pools.items():
            final = np.array([[r["log_metric"][-1], r["score"][-1]] for r in pool])  # [n, 2]
            curves.append(best_of(final[:, 0], final[:, 1])[:most])
            cells = [cell for cell in self.played(method) if cell[:2] == pair]
            controlled.append(np.mean([self.scores(method, cell).mean() for cell in cells]))
        return worth(np.array(curves), np.array(controlled)).describe()


def mean_and_interval(gains: Sequence[Floats], seed: int = 0) -> str:
    """Mean over cells of the mean over seeds, [S] each, and its 95 % bootstrap interval.

    Cells are drawn anew, and in each of them seeds.
    """
    if not gains:
        return ""
    rng = np.random.default_rng(seed)
    means = np.array([[rng.choice(cell, (RESAMPLES, len(cell))).mean(axis=1)] for cell in gains])[:, 0]  # [C, B]
    picks = rng.integers(len(gains), size=(len(gains), RESAMPLES))
    low, high = np.quantile(np.take_along_axis(means, picks, 0).mean(axis=0), [0.025, 0.975])
    return f"{np.mean([cell.mean() for cell in gains]):+.2f} [{low:+.2f}, {high:+.2f}]"


def write_page(path: Path, records: Sequence[Record]) -> None:
    """Writes the page and its picture beside it.

    Raises:
        ConfigError: the loop as it is was not played.
    """
    results, picture = Results(records), path.with_suffix(".png")
    parts = [*beginning(results, records, path), *(cell_by_cell(results, method) for method in results.methods)]
    write_atomically(path, lambda part: part.write_text("\n\n".join(parts) + "\n"))
    draw(picture, results)
    print(f"wrote {path}", file=sys.stderr)


def beginning(results: Results, records: Sequence[Record], page: Path) -> list[str]:
    """Title, verdict, table of all methods, picture, and what was done."""
    verdict, rows = [], []
    for method in (PLAIN, *results.methods):
        cells = {rank: results.played(method, rank) for rank in RANKS}
        gains = [mean_and_interval([results.gains(method, cell) for cell in cells[rank]]) for rank in RANKS]
        equal, counts = results.worth(method), [results.count(method, what) for what in ("crashed", "worse")]
        rows.append((named(method), len(cells[ALL]), *(gains if method != PLAIN else "000"), equal, *counts))
        if method != PLAIN:
            most = f"; a run is worth the best of {equal} with random rates" if equal else ""
            verdict.append(f"- **{named(method)}**: {gains[0]}; {BEST} {gains[1]}, {WORST} {gains[2]}{most}.")
    head = ("method", "cells", *RANKS, "worth the best of", "crashed", "ends worse than untrained")
    used = [place for place, name in enumerate(head) if results.random or name != "worth the best of"]
    return [
        "# Policies in plain training loops",
        "Gain: how much lower the log Frechet distance to held-out images ends than in the plain loop, the loop as it "
        "is. Mean over cells, and a 95 % interval by drawing cells anew, and seeds in them.",
        "\n".join(verdict),
        table([head[place] for place in used], [[row[place] for place in used] for row in rows]),
        "Mean final log distance by the learning rate that a loop is given:",
        by_rate(results),
        f"![Final distance by learning rate]({page.with_suffix('.png').name})",
        *explained(results, records, page.with_suffix(".jsonl")),
    ]


def by_rate(results: Results) -> str:
    """A table of where methods end on average, lower is better, by the rate that both players are given."""
    rates, rows = sorted({cell.lr for cell in results.cells}), []
    for method in (PLAIN, *results.methods):
        played = [[cell for cell in results.played(method) if cell.lr == rate] for rate in rates]
        means = [[results.scores(method, cell).mean() for cell in cells] for cells in played]
        rows.append((named(method), *(f"{np.mean(ends):.2f}" if ends else "" for ends in means)))
    return table(("method", *(f"{rate:g}" for rate in rates)), rows)


def explained(results: Results, records: Sequence[Record], runs: Path) -> list[str]:
    """What was done, and how the page is made again."""
    rates = ", ".join(f"{rate:g}" for rate in sorted({cell.lr for cell in results.cells}))
    seeds, first = len({record["seed"] for record in records}), records[0]
    loops = dict.fromkeys(cell.loop for cell in results.cells)
    widths = ", ".join(f"{loop} {first['width'] or LOOPS[loop]}" for loop in loops)
    low, high = RANDOM_RATES
    other = [name for name in LOOPS if name not in loops]
    gone = [f"{loop} on {data}{where}" for (loop, data), where in results.gaps().items()]
    if results.drawn:
        pairs = dict.fromkeys(cell[:2] for cell in results.cells)
        gone += [f"random rates in {loop} on {data}" for loop, data in pairs if (loop, data) not in results.drawn]
    few = " One seed of each: the interval says nothing of other seeds." if seeds == 1 else ""
    missing = [*gone, *(f"all of {name}" for name in other)]
    choice = (
        "Worth: a run at one of the rates, whichever, ends on average as the best of so many runs of the loop whose "
        f"two rates are drawn from {low:g} to {high:g}. Half of the held-out images choose the best; all distances "
        "shown are to the other half. Counted where random rates were played."
    )
    lines = [
        "A cell is a loop of [examples/loops](../your_own_gan.md#whole-loops), a data set and a learning rate of both "
        f"players ({rates}). Rates are ranked by how the plain loop ends with them. Methods of a seed begin with "
        f"the same networks.{few}",
        f"A run has {first['updates']:,} steps of the discriminator (wgan_gp: 5 to one of the generator), batches of "
        f"{BATCH} and small networks (widths: {widths}). A run that diverges has crashed, and counts as its untrained "
        "generator.",
        f"The distance is that of the generator itself, not of an average (schedule_free: of its averaged weights), on "
        f"{first['samples']:,} images and features of the classifiers of this package. It is not FID.",
        choice if results.random else "All distances are to one half of the held-out images.",
        *(text for names, text in ABOUT.items() if set(names) & {*results.methods}),
        *([f"Not played: {', '.join(missing)}."] if missing else []),
    ]
    return [
        "\n".join(f"- {line}" for line in lines),
        f"```sh\npython examples/loops/compare.py run {asked(results, seeds)}\n"
        f"python examples/loops/compare.py report --page {runs.with_suffix('.md')}\n```",
        f"The first command also plays what is missing. All runs shown are in [{runs.name}]({runs.name}): "
        f"`--runs {runs}` lets `report` write this page again, and `run` add to them.",
    ]


def asked(results: Results, seeds: int) -> str:
    """The options that make such runs."""
    loops, data, rates = (dict.fromkeys(cell[place] for cell in results.cells) for place in range(3))
    methods = [*results.methods, *([RANDOM] if results.random else [])]
    given = {"loops": loops, "data": data, "rates": [f"{rate:g}" for rate in sorted(rates)], "methods": methods}
    words = [f"--seeds {seeds}", *(f"--{name} {' '.join(values)}" for name, values in given.items() if values)]
    if results.random:
        words.append(f"--draws {len(results.random) // (seeds * len(results.drawn))}")
    return " ".join(words)


def cell_by_cell(results: Results, method: str) -> str:
    """A section with all cells of a method, the lowest gain first; crashes of the loop as it is, and so."""
    rows = []
    for cell in sorted(results.played(method), key=lambda cell: results.gains(method, cell).mean()):
        pairs, gains = results.pairs(method, cell), results.gains(method, cell)
        early = [f"{results.gains(method, cell, third).mean():+.2f}" for third in (0, 1)]
        ends = [f"{results.scores(name, cell).mean():.2f}" for name in (PLAIN, method)]
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
    size = (2.2 * len(loops) + 1, 2.1 * len(data) + 0.6)
    figure, axes = plt.subplots(len(data), len(loops), figsize=size, layout="constrained", squeeze=False, dpi=80)
    for (row, column), axis in np.ndenumerate(axes):
        axis.set_visible(any(cell[:2] == (loops[column], data[row]) for cell in results.cells))
        for index, method in enumerate((PLAIN, *results.methods)):
            cells = [c for c in results.played(method) if c[:2] == (loops[column], data[row])]
            cells.sort(key=lambda cell: cell.lr)
            ends = [results.scores(method, cell).mean() for cell in cells]
            colour, style = (
                ("black", "-") if method == PLAIN else (f"C{index - 1}", "--" if method in WITHOUT_RATE else "-")
            )
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
