"""What controllers, rules and optimisers do in these loops: `python examples/loops/compare.py run`, then `report`.

Each loop trains on each data set at learning rates that are a decade apart, as it is and by each method, from the same
networks. A method with its own learning rates is played once for all of them. `run` takes hours; it may be stopped at
any moment, goes on where it was, and after each seed all methods have been played alike. `report` writes the page. It
needs `pip install "gan_env[loops,study]"`.
"""

import argparse
import json
import multiprocessing
import os
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from one_run import (
    DATA,
    LOOPS,
    OPTIMISERS,
    PUBLISHED,
    RANDOM,
    RANDOM_RATES,
    WITHOUT_RATE,
    Run,
    Settings,
    play,
    updates_of,
)
from page import write_page

from gan_env.errors import ConfigError, errors_in_one_line, needs, require
from gan_env.files import require_writable, write_text
from gan_env.policies.presets import shipped_controllers
from gan_env.saved_controller import DESCRIPTION, SavedController

METHODS = ("cosine_rates", "step_size", "ada", *WITHOUT_RATE, RANDOM)
RATES = (1e-5, 1e-4, 1e-3, 1e-2)


class Stopped(Exception):
    """A trial has seen enough."""


def command_line(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter, description=__doc__)
    parser.add_argument("step", choices=["run", "report"])
    methods = f"beside the loop as it is: policies' names, controllers' folders, {RANDOM}, {', '.join(WITHOUT_RATE)}"
    parser.add_argument("--methods", nargs="+", default=list(METHODS), help=methods)
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=list(LOOPS), help="which loops")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA), help="which data sets")
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES), help="learning rates of both players")
    parser.add_argument("--seeds", type=int, default=20, help="seeds 0, 1, ...")
    parser.add_argument("--draws", type=int, default=4, help=f"{RANDOM} settings of a loop and data set in each seed")
    parser.add_argument("--updates", type=int, default=Settings.updates, help="steps of the discriminator in a run")
    parser.add_argument("--samples", type=int, default=Settings.samples, help="generated images that are judged")
    parser.add_argument("--width", type=int, help="of all networks, in the place of the study's")
    parser.add_argument("--workers", type=int, default=1, help="runs at the same time, a thread each")
    parser.add_argument("--runs", type=Path, default=Path("outputs/loops/runs.jsonl"), help="where runs are written")
    parser.add_argument(
        "--page",
        type=Path,
        default=Path("docs/results/loops.md"),
        help="what `report` writes, a picture and the runs beside it",
    )
    return parser.parse_args(arguments)


def checked(options: argparse.Namespace) -> Settings:
    """What all runs share.

    Raises:
        ConfigError: an option can't be used.
    """
    for name, least in {"seeds": 1, "draws": 1, "updates": 15, "samples": 100, "workers": 1}.items():
        require(getattr(options, name) >= least, f"--{name}", getattr(options, name), f"at least {least}")
    require(options.width is None or options.width > 0, "--width", options.width, "a width above 0")
    require(all(0 < rate < 1 for rate in options.rates), "--rates", options.rates, "learning rates between 0 and 1")
    require_writable(options.runs.parent, "--runs")
    return Settings(options.updates, options.samples, options.width)


def refusals(methods: Sequence[str], loops: Sequence[str], steps: int) -> dict[tuple[str, str], str]:
    """Why a method can't be played in a loop, by both: each controller gets one update of small networks.

    Raises:
        ConfigError: a method can be played in none of the loops.
        PackageError: an optimiser is not installed.
    """
    found: dict[tuple[str, str], str] = {}
    for method in methods:
        if method in OPTIMISERS:
            with needs("loops"):
                import_module(method.replace("schedule_free", "schedulefree").replace("prodigy", "prodigyopt"))
        elif method not in (RANDOM, PUBLISHED):
            for loop in loops:
                few, updates = torch.rand(8, 1, 28, 28), updates_of(loop, steps)
                try:
                    import_module(loop).train(few, 1e-4, updates, method, 2, 8, watch=stop)
                except ConfigError as error:
                    found[method, loop] = str(error)
                except Stopped:
                    pass
            if all((method, loop) in found for loop in loops):
                raise ConfigError(found[method, loops[0]])
    return found


def stop(_: Any) -> None:
    """Ends a trial after its first update."""
    raise Stopped


def planned(options: argparse.Namespace, refused: dict[tuple[str, str], str]) -> Iterator[Run]:
    """All runs, seed by seed, and in a seed cell by cell."""
    methods = dict.fromkeys(["fixed", *options.methods])
    without = [method for method in methods if has_own_rates(method)]
    at_rates = [method for method in methods if method not in (RANDOM, *without)]
    for seed in range(options.seeds):
        for loop in options.loops:
            for data in options.data:
                playable = [method for method in at_rates if (method, loop) not in refused]
                yield from (Run(loop, data, m, seed, rate, rate) for rate in options.rates for m in playable)
                yield from (Run(loop, data, m, seed, None, None) for m in without if (m, loop) not in refused)
                if RANDOM in methods:
                    rng = np.random.default_rng([seed, zlib.crc32(f"{loop} {data}".encode())])
                    low, high = np.log10(RANDOM_RATES)
                    drawn = (10 ** rng.uniform(low, high, (options.draws, 2))).tolist()
                    yield from (Run(loop, data, RANDOM, seed, lr_g, lr_d) for lr_g, lr_d in drawn)


def has_own_rates(method: str) -> bool:
    """Whether one run stands for all learning rates: of an optimiser without, a controller or paper with its own.

    Schedules of learning rates, such as rates_images, are played at each.
    """
    if method in WITHOUT_RATE:
        return True
    folder = shipped_controllers().get(method, Path(method))
    return (folder / DESCRIPTION).is_file() and len(SavedController.load(folder).starting_rates) == 2


def read_runs(path: Path, settings: Settings) -> list[dict[str, Any]]:
    """The runs of a file, each once; a last line that a kill has cut off is taken away.

    Raises:
        ConfigError: it is damaged, or holds runs with other settings.
    """
    text = path.read_text() if path.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(path, whole)
    try:
        runs = [json.loads(line) for line in whole.splitlines()]
        others = [run for run in runs if any(run[name] != value for name, value in asdict(settings).items())]
        once = {identity(run): run for run in runs}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error!r}): mend it, or give another file with --runs") from error
    found = {name: others[0][name] for name in asdict(settings)} if others else None
    require(not others, f"{path}, which has runs of", found, f"those of {asdict(settings)}: give another file, --runs")
    return list(once.values())


def identity(record: dict[str, Any]) -> Run:
    """The run that a record is of."""
    return Run(**{field.name: record[field.name] for field in fields(Run)})


def run_all(runs: Sequence[Run], settings: Settings, path: Path, workers: int) -> None:
    """Plays runs, and writes each as it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), alone)
    with path.open("a") as file:
        try:
            for count, future in enumerate(as_completed([pool.submit(play, run, settings) for run in runs]), 1):
                record = future.result()
                file.write(json.dumps(record) + "\n")
                file.flush()
                names = " ".join(str(record[name]) for name in ("loop", "data", "method", "lr_g", "lr_d", "seed"))
                fate = "crashed" if record["crashed"] else f"{record['score'][-1]:.3f}"
                print(f"{count} of {len(runs)}: {names}: {fate}, {record['seconds']} s", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)


def alone() -> None:
    """A worker has one thread, and ends with the program, however that ends."""
    torch.set_num_threads(1)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Waits for the end of the process that started this one, then ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs, or reports."""
    options = command_line(arguments)
    settings = checked(options)
    done = read_runs(options.runs, settings)
    if options.step == "report":
        require(bool(done), "--runs", str(options.runs), "a file with runs: `python examples/loops/compare.py run`")
        write_page(options.page, done)
        beside = options.page.with_suffix(".jsonl")
        if beside.resolve() != options.runs.resolve():  # which `run` may be writing to
            write_text(beside, "".join(json.dumps(run) + "\n" for run in done))
        return
    refused = refusals(options.methods, options.loops, settings.updates)
    for (method, loop), why in refused.items():
        print(f"{method} is not played in {loop}: {why}", file=sys.stderr)
    there = set(map(identity, done))
    run_all([run for run in planned(options, refused) if run not in there], settings, options.runs, options.workers)


if __name__ == "__main__":
    with errors_in_one_line():
        main()
