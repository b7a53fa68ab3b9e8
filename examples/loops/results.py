"""The runs of the study in compare.py, sorted: gains over the loop as it is by method, cell and seed."""

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from one_run import RANDOM

from gan_env.errors import needs, require
from gan_env.evaluation.best_of import best_of, worth
from gan_env.records import Float64

Record = dict[str, Any]
PLAIN = "fixed"
"""The loop as it is."""
RANKS = {
    "all rates": lambda cells: cells,
    "at the best rate": lambda cells: cells[:1],
    "at the two worst rates": lambda cells: cells[1:][-2:],
}
"""Which cells of a loop and data set count, ranked from the best rate; the best is never among the worst."""
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
        plain: the runs of the loop as it is, by cell and seed.
        cells: those in which it was played.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.random = [record for record in records if record["method"] == RANDOM]
        self.drawn = {(record["loop"], record["data"]) for record in self.random}
        others = [record for record in records if record["method"] != RANDOM]
        self.records = {(r["method"], r["loop"], r["data"], r["lr_g"], r["seed"]): r for r in others}
        self.methods = [method for method in dict.fromkeys(r["method"] for r in others) if method != PLAIN]
        plain = [r for r in others if r["method"] == PLAIN]
        require(bool(plain), "runs", sorted({r["method"] for r in records}), f"some of {PLAIN!r}, too")
        self.plain: dict[Cell, dict[int, Record]] = {}
        for run in sorted(plain, key=lambda run: (run["loop"], run["data"], run["lr_g"])):
            self.plain.setdefault(Cell(run["loop"], run["data"], run["lr_g"]), {})[run["seed"]] = run
        self.cells = list(self.plain)

    def pairs(self, method: str, cell: Cell) -> list[tuple[Record, Record]]:
        """Runs of the loop as it is and of the method, seed by seed; a run without a rate counts at every rate."""
        found = []
        for seed, plain in self.plain[cell].items():
            keys = [(method, cell.loop, cell.data, rate, seed) for rate in (cell.lr, None)]
            found += [(plain, self.records[key]) for key in keys if key in self.records][:1]
        return found

    def gains(self, method: str, cell: Cell, third: int = -1) -> Float64:
        """How much lower a method's distance is than that of the loop as it is, seed by seed: [S]."""
        return np.array([plain["score"][third] - other["score"][third] for plain, other in self.pairs(method, cell)])

    def gains_at(self, method: str, rank: str) -> list[Float64]:
        """Mean gain over some rates of a loop and data set, seed by seed: [S] for each loop and data set.

        For each seed, rates are ranked by how the loop as it is ends with them in the other seeds; where there is no
        other, in this one. Ranked by the runs that are compared, the best rate looks better than it is.
        """
        found = []
        for loop_and_data in dict.fromkeys(cell[:2] for cell in self.cells):
            cells, gains = [cell for cell in self.cells if cell[:2] == loop_and_data], []
            seeds = set.intersection(*({*self.plain[cell]} for cell in cells))
            for seed in sorted(seeds):
                ends = {cell: [self.plain[cell][s]["score"][-1] for s in seeds - {seed} or {seed}] for cell in cells}
                ranked = RANKS[rank](sorted(cells, key=lambda cell: np.mean(ends[cell])))
                played = [pairs for cell in ranked if (pairs := self.pairs(method, cell))]
                pairs = [pair for of_cell in played for pair in of_cell if pair[0]["seed"] == seed]
                if 0 < len(played) == len(pairs):  # a stop may have left a seed that has some of the rates alone
                    gains.append(np.mean([plain["score"][-1] - other["score"][-1] for plain, other in pairs]))
            found += [np.array(gains)] if gains else []
        return found

    def has_one_run(self, method: str) -> bool:
        """Whether a method has no learning rate, or its own, so that one run counts at every rate."""
        return all(rate is None for name, _, _, rate, _ in self.records if name == method)

    def end(self, method: str, cell: Cell) -> float:
        """Where a method ends on average, over the seeds that all methods of the cell have."""
        runs = {name: [run for _, run in self.pairs(name, cell)] for name in (PLAIN, *self.methods)}
        shared = set.intersection(*({run["seed"] for run in some} for some in runs.values() if some))
        return float(np.mean([run["score"][-1] for run in runs[method] if run["seed"] in shared or not shared]))

    def seeds(self) -> dict[int, dict[str, tuple[list[str], list[str]]]]:
        """How many seeds there are, fewest first -> data sets -> loops and methods that have so many there or more.

        The loops are those that have so many as they are; a method has so many in each of them that it plays.
        """
        counts: dict[tuple[str, str, str], int] = {}
        for method in (PLAIN, *self.methods):
            for cell in self.played(method):
                key, number = (method, cell.loop, cell.data), len(self.pairs(method, cell))
                counts[key] = min(number, counts.get(key, number))
        found: dict[int, dict[str, tuple[list[str], list[str]]]] = {}
        for number, data in product(sorted({*counts.values()}), sorted({cell.data for cell in self.cells})):
            pairs = dict.fromkeys(cell[:2] for cell in self.cells if cell.data == data)
            loops = [loop for loop, _ in pairs if counts[PLAIN, loop, data] >= number]
            of = {
                m: [counts[m, loop, data] for loop in loops if (m, loop, data) in counts]
                for m in (PLAIN, *self.methods)
            }
            methods = [method for method, some in of.items() if some and min(some) >= number]
            if methods:
                found.setdefault(number, {})[data] = (loops, methods)
        return found

    def played(self, method: str) -> list[Cell]:
        """Cells in which both were played."""
        return [cell for cell in self.cells if self.pairs(method, cell)]

    def common(self) -> tuple[list[str], list[tuple[str, str]]]:
        """The methods that play more than half of the loops and data sets, and those where all of these play."""
        pairs = dict.fromkeys(cell[:2] for cell in self.cells)
        played = {method: {cell[:2] for cell in self.played(method)} for method in self.methods}
        methods = [method for method, there in played.items() if 2 * len(there) > len(pairs)]
        return methods, [pair for pair in pairs if all(pair in played[method] for method in methods)]

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
        """How many runs at random rates have a best that ends like one run at a rate of the study, on average.

        Over the seeds of the random runs, as `Worth.describe` writes it; "" for fewer than two loops and data sets.
        """
        pools: dict[tuple[str, str], list[Record]] = {}
        for record in self.random:
            pools.setdefault((record["loop"], record["data"]), []).append(record)
        curves, controlled = [], []
        for pair, pool in pools.items():
            seeds = {record["seed"] for record in pool}
            cells = [
                [run["score"][-1] for _, run in self.pairs(method, cell) if run["seed"] in seeds]
                for cell in self.played(method)
                if cell[:2] == pair
            ]
            if any(cells):
                final = np.array([[r["log_metric"][-1], r["score"][-1]] for r in pool])  # [n, 2]
                curves.append(best_of(final[:, 0], final[:, 1]))
                controlled.append(np.mean([np.mean(ends) for ends in cells if ends]))
        if len(curves) < 2:
            return ""
        most = min(map(len, curves))
        return worth(np.array([curve[:most] for curve in curves]), np.array(controlled)).describe()


def mean_and_interval(gains: Sequence[Float64]) -> str:
    """Mean over loops and data sets of the mean over seeds, [S] each, and its 95 % interval by Student's t.

    It takes loops and data sets for independent; of one there is no interval.
    """
    if not gains:
        return ""
    means = np.array([of_seeds.mean() for of_seeds in gains])
    if len(means) == 1:
        return f"{means[0]:+.2f}"
    with needs("study"):
        from scipy.stats import t as student
    reach = student.ppf(0.975, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    return f"{means.mean():+.2f} [{means.mean() - reach:+.2f}, {means.mean() + reach:+.2f}]"
