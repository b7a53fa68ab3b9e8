"""Headroom of an instance set: how much better is the best schedule of each kind of run than the best single one?

    python baselines/headroom.py [env=points] [runs=4] [instances=96]

Feedback can only pay where no single schedule is near best everywhere. Every candidate of a grid of constants, falls
and rises plays the same `instances` training instances, `runs` times with different GAN seeds. The schedules are chosen
on one half of the runs and scored on the other half, so luck is no headroom.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from omegaconf import DictConfig
from tqdm import tqdm

from baselines.options import load, register_presets, script
from baselines.search.grid import candidates, describe
from gan_env import GANVectorEnv, Instance
from gan_env.errors import require
from gan_env.evaluation.intervals import bootstrap_interval
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.policies.tables import schedule_policy

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeadroomOptions:
    """Options of this script.

    Attributes:
        env: preset and fields of `EnvConfig`.
        instances: training instances that are measured.
        runs: runs of each candidate on each instance, an even number.
        rows: GANs that run side by side.
        thin: every how many-th candidate of the grid is taken.
        seed: seed of the first run.
    """

    env: dict[str, Any] = field(default_factory=dict)
    instances: int = 96
    runs: int = 4
    rows: int = 96
    thin: int = 6
    seed: int = 5_000_000

    def __post_init__(self) -> None:
        require(self.instances >= 2, "instances", self.instances, "at least 2")
        require(self.runs >= 2 and self.runs % 2 == 0, "runs", self.runs, "an even number, at least 2")
        require(self.thin >= 1, "thin", self.thin, "at least 1")


def measure(env: GANVectorEnv, options: HeadroomOptions) -> tuple[list[str], Floats]:
    """Final log metric of every candidate: names [C], finals [C, instances, runs].

    Raises:
        ConfigError: there are fewer instances.
    """
    there = len(env.instances)
    require(options.instances <= there, "instances", options.instances, f"at most {there}, the env's train_size")
    schedules = candidates(env.config.knobs)[:: options.thin]
    policies = [schedule_policy(env, schedule) for schedule in schedules]
    shape = (len(policies), options.instances, options.runs)
    jobs = [(c, options.seed + i * options.runs + r, i) for c, i, r in np.ndindex(*shape)]
    with tqdm(total=len(jobs), unit="run") as bar:
        played = run_jobs(env, policies, jobs, lambda done, _: bar.update(done - bar.n))
    return [describe(s) for s in schedules], played.final.astype(np.float64).reshape(shape)


def groups(instances: list[Instance]) -> dict[str, NDArray[np.int64]]:
    """Three ways to sort instances into kinds: [instances] labels each."""
    balance = np.array([np.log10(i.lr_g / i.lr_d) for i in instances])
    samples = np.array([i.num_samples for i in instances])
    kinds = np.digitize(balance, [-0.5, 0.5])
    return {
        "balance of learning rates (3 kinds)": kinds,
        "balance and number of samples (6 kinds)": kinds * 2 + (samples > np.median(samples)),
        "each instance by itself": np.arange(len(instances)),
    }


def headroom(finals: Floats, labels: NDArray[np.int64]) -> Floats:
    """Gain of a schedule a kind over the best single one, [instances]; chosen on half of the runs, scored on the rest.

    Args:
        finals: [C, instances, runs].
        labels: kind of each instance.
    """
    halves = np.split(finals, 2, axis=2)
    gains = []
    for chosen_on, scored_on in (halves, halves[::-1]):
        choose, score = chosen_on.mean(axis=2), scored_on.mean(axis=2)  # [C, instances]
        single = score[choose.mean(axis=1).argmin()]
        adapted = np.empty_like(single)
        for label in np.unique(labels):
            members = labels == label
            adapted[members] = score[choose[:, members].mean(axis=1).argmin()][members]
        gains.append(single - adapted)
    mean: Floats = np.mean(gains, axis=0)
    return mean


@script("headroom")
def main(config: DictConfig) -> None:
    """Entry point."""
    options = load(HeadroomOptions, config)
    env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **{**options.env, "split": "train"})
    names, finals = measure(env, options)
    order = finals.mean(axis=(1, 2)).argsort()
    print(f"\n{len(names)} schedules, {options.instances} instances, {options.runs} runs each; mean final log metric")
    for index in order[:5]:
        print(f"  {finals[index].mean():7.3f}  {names[index]}")
    print(f"standard deviation between runs of one schedule on one instance: {finals.std(axis=2, ddof=1).mean():.3f}")
    print("headroom: gain over the best single schedule, chosen and scored on different runs")
    for name, labels in groups(env.instances.instances[: options.instances]).items():
        gain = headroom(finals, labels)
        low, high = bootstrap_interval(gain, lambda x: np.asarray(x.mean(axis=-1)))
        print(f"  schedule chosen by {name:<42} {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    register_presets()
    main()
