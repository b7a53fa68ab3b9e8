"""Plays a study: does all its cells that are not done."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from agents.learning.costs import metered
from agents.learning.run_folder import RunFolder
from agents.study.options import BASE, BEST, HELD_OUT, StudyOptions
from agents.study.oracle import oracle_parts, play_part
from agents.study.readout import controller_of, suffixes
from agents.study.study import Study
from baselines.options import load
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.files import write_json
from gan_env.policies.presets import load_policy
from gan_env.policies.steering import Policy

MOMENTS = 4
"""Moments of training at which samples are kept for the picture."""


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
    env: dict[str, Any]
    make: Callable[[GANVectorEnv], Policy]

    @property
    def file(self) -> str:
        """The name of its files."""
        return self.name if self.seed is None else f"{self.name}-{self.seed}"

    @property
    def family(self) -> tuple[str, int | None]:
        """The training that it comes of, or belongs to as its base; of others themselves."""
        return controller_of(self.name).removesuffix(BASE), self.seed


def play_study(study: Study) -> None:
    """Trains, tunes, and plays every policy in every setting; `workers` of these side by side."""
    options = study.options
    trainings = [(name, each, seed) for name, each in options.active.items() for seed in range(each.seeds)]
    tunings = [(kind, seed) for kind, times in options.tunings.items() for seed in range(times)]
    with ThreadPoolExecutor(options.workers) as pool:  # each thread waits for a process
        list(pool.map(study.train, *zip(*trainings, strict=True)))
        _ = study.budget  # is settled before the tunings ask for it side by side
        list(pool.map(study.tuned, *zip(*tunings, strict=True)))
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
            episodes(study, setting, entry)
    tunings = [(name, seed) for name in study.schedules for seed in range(study.tunings[name])]
    for name, seed in tunings[share :: study.options.workers]:
        study.on_training(name, seed)  # by these the strongest of them is chosen
    if study.options.oracle_runs:
        for part in oracle_parts(study)[share :: study.options.workers]:
            play_part(study, part)


def _play_apart(study: Study, share: int) -> None:
    """Plays a share in a process of its own, with its share of the cores."""
    study.run(play_alone, [str(study.path), str(share)], study.path / "playing" / str(share))


def play_alone(folder: str, share: str) -> None:
    """Plays a share of the study in a folder, all of whose trainings and tunings are done."""
    config = OmegaConf.load(Path(folder) / "study" / "config.yml")
    assert isinstance(config, DictConfig)
    play_share(Study(load(StudyOptions, config)), int(share))


def entries(study: Study, setting: str) -> list[Entry]:
    """All policies that play in a setting, the oracle left out."""
    options, here = study.options, study.options.setting(setting)
    changes = {**here.env, "split": "test"}
    plain = options.changed_env(changes)
    found = []
    for name, controller in options.active.items():
        if controller.settings and setting not in controller.settings:
            continue
        env = study.controller_env(name, changes)
        for seed in range(controller.seeds):
            if name + BASE in study.bases:
                found.append(Entry(name + BASE, seed, env, study.opponent(name + BASE, seed).make))
            found.append(Entry(name, seed, env, partial(study.load, name, seed)))
            for suffix in suffixes(env.get("knobs", ())) if controller.varies is None else ():
                found.append(Entry(name + suffix, seed, env, partial(study.load_frozen, name, seed, suffix)))
    for name in study.opponents:
        found += [Entry(name, s, plain, study.opponent(name, s).make) for s in range(study.tunings[name])]
    found += [Entry(name, None, plain, load_policy(name).make) for name in options.policies]
    return [entry for entry in found if not here.policies or entry.name in (BEST, *here.policies)]


def episodes(study: Study, setting: str, entry: Entry) -> Episodes:
    """Plays a policy in a setting, on the instances and GAN seeds that all others meet."""
    name, (seeds, instances) = f"{setting}/{entry.file}", study.runs(setting)

    def run() -> Episodes:
        env, costs = study.env(entry.env, len(seeds)), study.costs_file(f"{setting}-{entry.file}")
        with metered() as measured:
            played = evaluate(name, entry.make(env), env, seeds, study.folder, instances)
        if not costs.exists():  # of the first time
            write_json(costs, measured)
        return played

    return study.folder.cached_episodes(name, run)


def evaluate(
    name: str,
    policy: Policy,
    env: GANVectorEnv,
    seeds: range,
    folder: RunFolder,
    instances: Sequence[int] | None = None,
) -> Episodes:
    """Runs a policy on the test instances (see `run_episodes`); keeps samples at four moments of the first batch."""
    decisions = env.config.num_decisions
    moments = np.linspace(0, decisions - 1, MOMENTS + 1).round().astype(int)[1:].tolist()
    batches = -(-len(seeds) // env.num_envs)
    pictures = []
    with tqdm(total=batches * decisions, desc=f"test: {name}", unit="decision", leave=False) as bar:

        def watch(batch: int, decision: int) -> None:
            bar.update()
            if batch == 0 and decision in moments:
                shown = env.samples(256 if len(env.bank.sample_shape) == 1 else 16)[:8]
                pictures.extend([shown] * moments.count(decision))  # of few decisions one stands for several moments

        episodes = run_episodes(policy, env, seeds, instances, watch)
    samples = np.stack(pictures, axis=1)  # [8, moments, count, *shape]
    folder.write(f"samples/{name}.npy", lambda path: _save(path, samples))
    return episodes


def _save(path: Path, array: Any) -> None:
    with path.open("wb") as file:
        np.save(file, array)
