"""Plays a study: does all its cells that are not done."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from agents.learning.costs import metered
from agents.study.options import HELD_OUT, StudyOptions
from agents.study.oracle import oracle_parts, play_oracle, play_part
from agents.study.readout import controller_of, suffixes
from agents.study.study import Study
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.files import write_json
from gan_env.policies.presets import load_policy
from gan_env.policies.steering import Policy

MOMENTS = 4
"""Moments of a run at which samples are kept for the picture."""


@dataclass(frozen=True)
class Entry:
    """A policy of one training or tuning (or of none) in one setting.

    Attributes:
        name: of the policy.
        seed: number of the training or tuning; None where there was none.
        env: options of the environment that it acts in.
        make: the policy, ready to act in an environment.
    """

    name: str
    seed: int | None
    env: Mapping[str, Any]
    make: Callable[[GANVectorEnv], Policy]

    @property
    def file(self) -> str:
        """The name of its files."""
        return self.name if self.seed is None else f"{self.name}-{self.seed}"

    @property
    def family(self) -> tuple[str, int | None]:
        """The training that it comes of; of others themselves."""
        return controller_of(self.name), self.seed


def play_study(study: Study) -> None:
    """Trains, tunes, and plays every policy in every setting; `workers` of these side by side."""
    options = study.options
    study.write_env()
    trainings = [(name, seed) for name, each in options.active.items() for seed in range(each.seeds)]
    tunings = [(k, seed) for k, times in options.tunings.items() if k not in study.committed for seed in range(times)]
    with ThreadPoolExecutor(options.workers) as pool:  # each thread waits for a process
        list(pool.map(lambda training: study.train(*training), trainings))
        if tunings:
            _ = study.budget  # is settled before the tunings ask for it side by side
            list(pool.map(lambda tuning: study.tune(*tuning), tunings))
        if options.workers == 1:
            play_share(study, 0)
        else:
            list(pool.map(partial(_play_apart, study), range(options.workers)))


def play_share(study: Study, share: int) -> None:
    """Plays a worker's share of the families (with their runs on training instances) and of the oracle's parts."""
    families: dict[tuple[str, int | None], list[tuple[str, Entry]]] = {}
    for setting in (HELD_OUT, *study.options.settings):
        for entry in entries(study, setting):
            families.setdefault(entry.family, []).append((setting, entry))
    dealt = sorted(families.values(), key=len, reverse=True)  # as cards are, so that hands are alike
    for family in dealt[share :: study.options.workers]:
        for setting, entry in family:
            play(study, setting, entry)
    tunings = [(name, seed) for name in study.schedules for seed in range(study.tunings[name])]
    for name, seed in tunings[share :: study.options.workers]:
        study.on_training(name, seed)  # by these the strongest of them is chosen
    if study.options.oracle_runs:
        for part in oracle_parts(study)[share :: study.options.workers]:
            play_part(study, part)


def _play_apart(study: Study, share: int) -> None:
    """Plays a share in a process of its own, with its share of the cores."""
    study.run(play_alone, (study.options, share), study.path / "playing" / str(share))


def play_alone(options: StudyOptions, share: int) -> None:
    """Plays a share of a study all of whose trainings and tunings are done."""
    play_share(Study(options), share)


def entries(study: Study, setting: str) -> list[Entry]:
    """All policies that play in a setting, the oracle left out."""
    options, here = study.options, study.options.setting(setting)
    changes = {**here.env, "split": "test"}
    plain = options.changed_env(changes)
    found = []
    for name, controller in options.active.items():
        if not controller.plays_in(setting):
            continue
        env = study.controller_env(name, changes)
        for seed in range(controller.seeds):
            found.append(Entry(name, seed, env, partial(study.load, name, seed)))
            for suffix in suffixes(env.get("knobs", ())) if controller.varies is None else ():
                found.append(Entry(name + suffix, seed, env, partial(study.load_frozen, name, seed, suffix)))
    for name, times in study.tunings.items():
        found += [Entry(name, seed, plain, study.opponent(name, seed).make) for seed in range(times)]
    found += [Entry(name, None, plain, load_policy(name).make) for name in options.policies]
    return [entry for entry in found if here.lets_in(entry.name)]


def gather(study: Study, setting: str) -> dict[str, list[Episodes]]:
    """Every policy's episodes in a setting, a list entry a training or tuning."""
    found: dict[str, list[Episodes]] = {}
    for entry in entries(study, setting):
        found.setdefault(entry.name, []).append(play(study, setting, entry))
    if setting == HELD_OUT and study.options.oracle_runs:
        found["oracle"] = [play_oracle(study)]
    return found


def play(study: Study, setting: str, entry: Entry) -> Episodes:
    """Plays a policy in a setting, on the instances and GAN seeds that all others meet; or reads what it did there."""
    name = f"{setting}/{entry.file}"

    def run() -> Episodes:
        env = study.env(entry.env, len(study.runs(setting)[0]))
        with metered() as measured:
            played = _watched(study, setting, name, entry.make(env), env)
        costs = study.costs_file(f"{setting}-{entry.file}")
        if not costs.exists():  # of the first time
            write_json(costs, measured)
        return played

    return study.folder.cached_episodes(name, run)


def _watched(study: Study, setting: str, name: str, policy: Policy, env: GANVectorEnv) -> Episodes:
    """Runs a policy on the test instances; keeps samples at four moments of the first batch."""
    seeds, instances = study.runs(setting)
    decisions = env.config.num_decisions
    moments = np.linspace(0, decisions - 1, MOMENTS + 1).round().astype(int)[1:].tolist()
    pictures = []
    with tqdm(total=-(-len(seeds) // env.num_envs) * decisions, desc=name, unit="decision", leave=False) as bar:

        def watch(batch: int, decision: int) -> None:
            bar.update()
            if batch == 0 and decision in moments:
                shown = env.samples(256 if len(env.bank.sample_shape) == 1 else 16)[:8]
                pictures.extend([shown] * moments.count(decision))  # of few decisions one stands for several moments

        episodes = run_episodes(policy, env, seeds, instances, watch)
    samples = np.stack(pictures, axis=1)  # [8, moments, count, *shape]
    study.folder.write(f"samples/{name}.npy", partial(_save_array, array=samples))
    return episodes


def sample_files(study: Study, setting: str) -> dict[str, Path]:
    """Where samples of policies are saved: of each the first training or tuning."""
    folder = study.path / "samples" / setting
    return {entry.name: folder / f"{entry.file}.npy" for entry in reversed(entries(study, setting))}


def _save_array(path: Path, array: Any) -> None:
    with path.open("wb") as file:  # an open file: numpy appends .npy to a bare name
        np.save(file, array)
