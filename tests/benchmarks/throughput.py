"""GAN updates a second: our environment beside what a user would write instead, in one run.

    python tests/benchmarks/throughput.py [--rows 96] [--rounds 5] [--device cpu|cuda|auto] [--json FILE]

Compared, in turn and round after round (medians are reported, since a shared machine is noisy):
  environment   `GANVectorEnv.step`: updates, samples, metric, observation, reward, everything
  core          the same N GANs without metric and observation
  one row       the core with one GAN: what a single environment runs
  plain loop    one GAN in eager PyTorch: nn.Module, torch.optim.Adam, the same networks, losses and batch; with one
                thread and with all, and the faster counts
  subprocesses  stable-baselines3's SubprocVecEnv with one single environment a core (points)
Then convolutions in other layouts and precisions, the Frechet distance beside torch-fidelity's, and how the cost of an
update grows.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rivals import plain_loop, subprocess_envs
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d
from torch.utils.flop_counter import FlopCounterMode
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from gan_env import GANVectorEnv
from gan_env.config import find_device
from gan_env.data.bank import IMAGE_SETS
from gan_env.gan.population import Population
from gan_env.metrics.frechet import FrechetDistance
from gan_env.records import Dataset


def noise(count: int, channels: int, data_root: str, image_size: int) -> Dataset:
    """Images of noise: for speed it doesn't matter what they show, and nothing has to be downloaded."""
    shape = (count, channels, image_size, image_size)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Dataset(images, images[:1024])


IMAGE_SETS |= {"grey_noise": partial(noise, 60_000, 1), "colour_noise": partial(noise, 2048, 3)}
GREY: dict[str, Any] = {"preset": "fashion_mnist", "datasets": ["grey_noise"]}
PROBLEMS: dict[str, dict[str, Any]] = {
    "points": {"preset": "points"},
    "8x8, mlp of 64 units": {**GREY, "preset": "fashion_mnist_8"},
    "8x8, 16 channels": {**GREY, "preset": "fashion_mnist_8_dcgan"},
    "16x16, 16 channels": {**GREY, "image_size": 16},
    "28x28, 16 channels": GREY,
    "32x32x3, 32 channels": {
        **GREY, "datasets": ["colour_noise"], "image_size": 32, "instances": {"width_g": [32, 32], "width_d": [32, 32]},
    },
}  # fmt: skip
GROWTH: dict[str, list[tuple[str, int, dict[str, Any]]]] = {
    "N on points": [(str(n), n, PROBLEMS["points"]) for n in (8, 32, 96, 256)],
    "batch on points, N = 96": [
        (str(b), 96, {"preset": "points", "instances": {"batch_size": [b, b]}}) for b in (16, 32, 64, 128)
    ],
    "side of an image, 16 channels, N = 16": [
        (str(side), 16, {**GREY, "image_size": side}) for side in (8, 16, 28, 32)
    ],
    "updates from one with gradient penalties to the next, 16x16, 16 channels, N = 16": [
        (str(every), 16, {**GREY, "image_size": 16, "penalty_every": every}) for every in (1, 5, 20)
    ],
}


class Timer:
    """Measures competitors in turn."""

    def __init__(self, rounds: int, seconds: float, device: torch.device) -> None:
        self.rounds, self.seconds, self.device = rounds, seconds, device

    def rates(self, competitors: dict[str, tuple[Callable[[], object], float]]) -> dict[str, float]:
        """Median work a second of each competitor: (call, work that one call does)."""
        found: dict[str, list[float]] = {name: [] for name in competitors}
        for call, _ in competitors.values():
            call()
        for _ in range(self.rounds):
            for name, (call, work) in competitors.items():
                found[name].append(self._rate(call, work))
        return {name: statistics.median(values) for name, values in found.items()}

    def _rate(self, call: Callable[[], object], work: float) -> float:
        started, done = time.perf_counter(), 0.0
        while (elapsed := time.perf_counter() - started) < self.seconds:
            call()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            done += work
        return done / elapsed


def make_env(rows: int, device: torch.device, options: dict[str, Any]) -> GANVectorEnv:
    """An environment whose episodes don't end while it is measured."""
    env = GANVectorEnv(rows, device=str(device), **{"num_decisions": 1_000_000, **options})
    env.reset(seed=0)
    return env


def knob_values(env: GANVectorEnv) -> dict[str, Tensor]:
    """The knobs at their initial values."""
    return env.knobs.values(env.knobs.initial.repeat(env.num_envs, 1))


def measure(problem: str, rows: int, timer: Timer) -> dict[str, float]:
    """Median updates a second of each competitor, and what follows from them."""
    options, started = PROBLEMS[problem], time.perf_counter()
    env = make_env(rows, timer.device, options)
    action = np.zeros(env.action_space.shape, np.float32)  # type: ignore[arg-type]
    env.step(action)
    first = time.perf_counter() - started
    per_step, knobs = env.config.updates_per_decision, knob_values(env)
    plain, single = plain_loop(env.population), make_env(1, timer.device, options)
    one_knobs = knob_values(single)
    competitors: dict[str, tuple[Callable[[], object], float]] = {
        "environment": (lambda: env.step(action), rows * per_step),
        "core": (lambda: env.population.update(knobs, 25), rows * 25),
        "one row": (lambda: single.population.update(one_knobs, 20), 20),
        "plain loop, all threads": (lambda: plain(20), 20),
        "plain loop, one thread": (lambda: on_one_thread(lambda: plain(20)), 20),
        "large matrix product, FLOP/s": peak(timer.device),
    }
    subprocesses = None
    if problem == "points":
        cores = torch.get_num_threads()
        subprocesses, step = subprocess_envs(cores, options)
        competitors["subprocesses"] = (step, cores * per_step)
    result = timer.rates(competitors)
    fastest = max(result["plain loop, all threads"], result["plain loop, one thread"])
    result["environment over plain loop"] = result["environment"] / fastest
    result["one row over plain loop"] = result["one row"] / fastest
    if subprocesses:
        subprocesses.close()
        result["environment over subprocesses"] = result["environment"] / result["subprocesses"]
    work = flops_of_an_update(options, timer.device)
    state = sum(tensor.numel() * tensor.element_size() for tensor in env.population.state.tensors())
    return result | {
        "share of a decision outside updates": 1 - result["environment"] / result["core"],
        "FLOP of an update": work,
        "share of the machine's peak": result["core"] * work / result["large matrix product, FLOP/s"],
        "memory a row, KiB": state / rows / 1024,
        # Making the environment and the first decision, less the time that a decision's updates take.
        "seconds of set-up and compilation": first - rows * per_step / result["environment"],
    }


def on_one_thread(work: Callable[[], object]) -> None:
    """Small operations are faster without a barrier after each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    work()
    torch.set_num_threads(before)


def peak(device: torch.device, side: int = 2048) -> tuple[Callable[[], object], float]:
    """A large float32 matrix product: what the machine can do at best."""
    a, b = torch.randn(2, side, side, device=device)
    return (lambda: a @ b), 2.0 * side**3


def flops_of_an_update(options: dict[str, Any], device: torch.device) -> float:
    """FLOP of the matrix products in one update of one GAN, counted while it runs uncompiled."""
    env = make_env(1, device, {**options, "compile": False})
    population: Population = env.population
    with FlopCounterMode(display=False) as counter:
        population.update(knob_values(env), 1)
    return float(counter.get_total_flops())


def growth(timer: Timer) -> dict[str, dict[str, float]]:
    """Microseconds of one update of one row, as one size grows."""
    results = {}
    for name, cases in GROWTH.items():
        calls: dict[str, tuple[Callable[[], object], float]] = {}
        for label, rows, options in cases:
            env = make_env(rows, timer.device, options)
            population, knobs = env.population, knob_values(env)
            calls[label] = (lambda p=population, k=knobs: p.update(k, 20)), 20.0 * rows
        results[name] = {label: 1e6 / rate for label, rate in timer.rates(calls).items()}
    return results


def convolutions(timer: Timer) -> dict[str, float]:
    """Speed of D's second convolution (32 x 16 x 14 x 14) and its adjoint, relative to float32 in torch's layout."""
    results = {}
    layouts = {"": torch.contiguous_format, ", channels last": torch.channels_last}
    kinds = {f"{str(t)[6:]}{name}": (t, f) for t in (torch.float32, torch.bfloat16) for name, f in layouts.items()}
    for name, function in (("down", conv2d), ("up", conv_transpose2d)):
        calls: dict[str, tuple[Callable[[], object], float]] = {}
        for kind, (dtype, layout) in kinds.items():
            x = torch.randn(32, *((16, 14, 14) if name == "down" else (32, 7, 7)), device=timer.device)
            x = x.to(dtype, memory_format=layout)
            w = torch.randn(32, 16, 4, 4, device=timer.device).to(dtype, memory_format=layout)
            calls[kind] = (lambda f=function, x=x, w=w: on_one_thread(lambda: f(x, w, stride=2, padding=1)), 1)
        rates = timer.rates(calls)
        results |= {f"{name}, {kind}": rate / rates["float32"] for kind, rate in rates.items()}
    return results


def frechet(timer: Timer, rows: int = 64, dims: int = 64, samples: int = 512) -> dict[str, float]:
    """Our Frechet distances of all rows at once beside torch-fidelity's functions row by row."""
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(4096, dims, generator=generator)
    features = torch.randn(rows, samples, dims, generator=generator) * 1.2 + 0.1
    distance = FrechetDistance([reference.to(timer.device)])
    dataset, on_device = torch.zeros(rows, dtype=torch.int64, device=timer.device), features.to(timer.device)
    theirs_reference = fid_features_to_statistics(reference)

    def theirs() -> list[float]:
        parts = [fid_features_to_statistics(row) for row in features]
        return [
            fid_statistics_to_metric(s, theirs_reference, verbose=False)["frechet_inception_distance"] for s in parts
        ]

    ours = distance(on_device, dataset).cpu().double()
    difference = (ours / torch.tensor(theirs(), dtype=torch.float64) - 1).abs().max().item()
    rates = timer.rates({"ours": (lambda: distance(on_device, dataset), rows), "torch-fidelity": (theirs, rows)})
    return rates | {"ours over torch-fidelity": rates["ours"] / rates["torch-fidelity"], "difference": difference}


def show(title: str, numbers: dict[str, float]) -> None:
    """Prints a heading, and one number per line."""
    print(f"\n{title}")
    for name, value in numbers.items():
        print(f"  {name:<38} {value:>16,.2f}" if value >= 0.01 else f"  {name:<38} {value:>16.1e}", flush=True)


def main() -> None:
    """Prints tables and writes the numbers to --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows",
        type=int,
        default=96,
        help="GANs side by side on points; half as many on 8x8 images, a sixth on larger",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="least time of each measurement")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    device = find_device(options.device)
    timer = Timer(options.rounds, options.seconds, device)
    card = f"GPU {torch.cuda.get_device_name(device)}" if device.type == "cuda" else f"{torch.get_num_threads()} cores"
    print(f"updates a second on {card}, torch {torch.__version__}")
    results: dict[str, Any] = {}
    for problem in PROBLEMS:
        part = 1 if problem == "points" else 2 if problem.startswith("8x8") else 6
        rows = max(1, options.rows // part)
        results[problem] = measure(problem, rows, timer)
        show(f"{problem}, N = {rows}", results[problem])
    results["convolutions"] = convolutions(timer)
    show("a convolution and its adjoint, speed relative to float32", results["convolutions"])
    results["Frechet distance"] = frechet(timer)
    show("Frechet distance, 64 rows x 512 samples x 64 dimensions, rows a second", results["Frechet distance"])
    for name, costs in growth(timer).items():
        results[name] = costs
        show(f"microseconds of one update of one row, by {name}", costs)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
