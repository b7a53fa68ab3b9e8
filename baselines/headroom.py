"""Headroom of an instance set: how much better is the best schedule of each kind of run than the best single one?

    python baselines/headroom.py [env=points] [schedules=200] [instances=48] [runs=4]

A schedule for each run pays only where no single one is near the best everywhere. Constants, that is knobs that stay
where a run starts, and random schedules of every controlled knob play the same training instances, `runs` times with
different GAN seeds. The best are chosen on one half of the runs and scored on the other half, so that chance is not
counted. With `env.rates=steady_walk` that rule sets the learning rates in all of these runs.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from tqdm import tqdm

from baselines.options import errors_about_env, script
from baselines.search.spaces import random_schedules
from gan_env import GANVectorEnv, Instance
from gan_env.config import require_training
from gan_env.errors import require, require_at_least
from gan_env.evaluation.intervals import bootstrap_interval
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.seeds import HEADROOM
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.policies import PolicyOptions
from gan_env.policies.schedules import Anneal
from gan_env.records import Float64
from gan_env.strict import replace

Kinds = NDArray[np.int64]  # a label for the kind of each instance, [instances]


@dataclass(frozen=True)
class HeadroomOptions:
    """Options of this script.

    Attributes:
        env: preset and fields of `EnvConfig`.
        schedules: those that are tried: constants, all others random.
        instances: training instances that are measured.
        runs: of each schedule on each instance, an even number.
        rows: GANs that run side by side.
        seed: of the first run, and of the schedules.
    """

    env: dict[str, Any] = field(default_factory=dict)
    schedules: int = 200
    instances: int = 48
    runs: int = 4
    rows: int = 96
    seed: int = HEADROOM

    def __post_init__(self) -> None:
        require_training(self.env)
        require_at_least(self, schedules=2, instances=2, rows=1, seed=0)
        require(self.runs >= 2 and self.runs % 2 == 0, "runs", self.runs, "an even number, at least 2")


def measure(env: GANVectorEnv, schedules: list[PolicyOptions], options: HeadroomOptions) -> Episodes:
    """Every schedule on every instance: episodes in the order [schedules, instances, runs].

    Raises:
        ConfigError: there are fewer instances.
    """
    there = len(env.instances)
    require(options.instances <= there, "instances", options.instances, f"at most {there}, the env's train_size")
    policies = [schedule.make(env) for schedule in schedules]
    shape = (len(policies), options.instances, options.runs)
    jobs = [(c, options.seed + i * options.runs + r, i) for c, i, r in np.ndindex(*shape)]
    with tqdm(total=len(jobs), unit="run") as bar:
        return run_jobs(env, policies, jobs, lambda done, _: bar.update(done - bar.n))


def describe(schedule: PolicyOptions) -> str:
    """A schedule in one line."""
    if not schedule.knobs:
        return "constants"
    return ", ".join(f"{name} {Anneal(**fields)}" for name, fields in schedule.knobs.items())


def groups(instances: list[Instance]) -> dict[str, Kinds]:
    """Ways to sort instances into kinds."""
    balance = np.array([np.log10(i.lr_g / i.lr_d) for i in instances])
    samples = np.array([i.num_samples for i in instances])
    kinds = np.digitize(balance, [-0.5, 0.5])
    return {
        "balance of learning rates (3 kinds)": kinds,
        "number of samples (2 kinds)": (samples > np.median(samples)).astype(np.int64),
        "balance and number of samples (6 kinds)": kinds * 2 + (samples > np.median(samples)),
        "each instance by itself": np.arange(len(instances)),
    }


def headroom(choosing: Float64, reported: Float64, kinds: Kinds) -> Float64:
    """Gain of a schedule for each kind over the best single one, [instances]; chosen and scored on different runs.

    Args:
        choosing: final log metric of each run, by which schedules are chosen, [C, instances, runs].
        reported: final score of each run, [C, instances, runs].
        kinds: of the instances.
    """
    halves = [[half.mean(axis=2) for half in np.split(x, 2, axis=2)] for x in (choosing, reported)]  # [C, instances]
    gains = []
    for choose, score in zip(halves[0], halves[1][::-1], strict=True):
        single = score[choose.mean(axis=1).argmin()]
        best = np.array([choose[:, kinds == kind].mean(axis=1).argmin() for kind in kinds])
        gains.append(single - score[best, np.arange(len(kinds))])
    return np.asarray(np.mean(gains, axis=0))


@script("headroom", HeadroomOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    options = replace(HeadroomOptions(), fields)
    with errors_about_env():
        env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **options.env)
    schedules = [PolicyOptions(), *random_schedules(env, options.schedules - 1, options.seed)]
    played = measure(env, schedules, options)
    shape = (len(schedules), options.instances, options.runs)
    choosing, reported = (x.astype(np.float64).reshape(shape) for x in (played.validation, played.final))
    print(f"\n{shape[0]} schedules, {shape[1]} instances, {shape[2]} runs each; mean final score (log)")
    for index in [0, *choosing.mean(axis=(1, 2)).argsort()[:5]]:
        print(f"  {reported[index].mean():7.3f}  {describe(schedules[index])}")
    spread = reported.std(axis=2, ddof=1).mean()
    print(f"standard deviation between runs of one schedule on one instance: {spread:.3f}")
    print("headroom: gain over the best single schedule, chosen and scored on different runs")
    for name, labels in groups(env.instances.instances[: options.instances]).items():
        gain = headroom(choosing, reported, labels)
        low, high = bootstrap_interval(gain, lambda x: np.asarray(x.mean(axis=-1)))
        print(f"  schedule chosen by {name:<42} {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    main()
