"""Plays a study: computes all cells that are missing."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from agents.learning.costs import metered
from agents.study.options import HELD_OUT, StudyOptions
from agents.study.oracle import oracle_parts, play_oracle, play_part
from agents.study.readout import YOKED_SUFFIX, Yoked, controller_of, suffixes
from agents.study.study import Study
from baselines.jobs.job import Job
from gan_env.config import env_config
from gan_env.evaluation.rollout import Episodes, run_batches, run_episodes
from gan_env.files import write_atomically, write_json

MOMENTS = 4
"""Moments of a run at which samples are kept for the picture."""
Entry = tuple[str, int | None]
"""A policy that plays: its name, and the number of its training or tuning; None where there was none."""


def file_name(name: str, seed: int | None) -> str:
    """The name of an entry's files."""
    return name if seed is None else f"{name}-{seed}"


def play_study(study: Study) -> None:
    """Trains, tunes, and plays every policy in every setting; `workers` of these at a time."""
    options = study.options
    study.write_env()
    with options.executor.start(options.workers, study.path) as run:
        run(study.trainings_due())
        run(study.tunings_due())
        study.write_opponents()
        if options.workers == 1 and options.executor.kind == "local":
            options.executor.use_here()
            play_share(study, 0)
        else:
            shares = range(options.workers)
            run([Job(play_alone, (options, share), study.path / f"playing/{share}") for share in shares])


def play_alone(options: StudyOptions, share: int) -> None:
    """Plays a share in another process; all trainings and tunings of the study must be done."""
    play_share(Study(options), share)


def play_share(study: Study, share: int) -> None:
    """Plays a worker's share of all policies and of the oracle.

    A controller and its read-outs are played by the same worker, since they need the same runs on training instances.
    """
    mine = slice(share, None, study.options.workers)
    families: dict[Entry, list[tuple[str, str]]] = defaultdict(list)
    for setting in (HELD_OUT, *study.options.settings):
        for name, seed in entries(study, setting):
            families[controller_of(name), seed].append((setting, name))
    largest_first = sorted(families.items(), key=lambda family: len(family[1]), reverse=True)
    for (_, seed), cells in largest_first[mine]:
        for setting, name in cells:
            play(study, setting, name, seed)
    tunings = [(name, seed) for name in study.rivals for seed in range(study.tunings[name])]
    for name, seed in tunings[mine]:
        study.training_episodes(name, seed)  # to choose the strongest of them
    for part in oracle_parts(study)[mine] if study.options.oracle_runs else []:
        play_part(study, part)


def entries(study: Study, setting: str) -> list[Entry]:
    """All policies that play in a setting, without the oracle."""
    options, found = study.options, list[Entry]()
    for name, controller in options.active.items():
        read_outs = suffixes(env_config(**study.env_options(name))) if controller.varies is None else ()
        if study.size(setting)[1] == 1:  # no other run of an instance
            read_outs = tuple(suffix for suffix in read_outs if suffix != YOKED_SUFFIX)
        found += [(name + suffix, seed) for seed in range(controller.seeds) for suffix in ("", *read_outs)]
    found += [(name, seed) for name, times in study.tunings.items() for seed in range(times)]
    found += [(name, None) for name in options.named]
    return [entry for entry in found if options.plays(entry[0], setting)]


def gather(study: Study, setting: str) -> dict[str, list[Episodes]]:
    """Episodes of every policy in a setting; the list has one item for each training or tuning."""
    found: dict[str, list[Episodes]] = defaultdict(list)
    for name, seed in entries(study, setting):
        found[name].append(play(study, setting, name, seed))
    if setting == HELD_OUT and study.options.oracle_runs:
        found["oracle"] = [play_oracle(study)]
    return dict(found)


def play(study: Study, setting: str, name: str, seed: int | None) -> Episodes:
    """Plays a policy in a setting, on the same instances and GAN seeds as all others, or reads the saved episodes."""
    file = file_name(name, seed)

    def run() -> Episodes:
        with metered() as measured:
            episodes = _play(study, setting, name, seed)
        costs = study.costs_file(f"{setting}-{file}")
        if not costs.exists():  # the first measurement is kept
            write_json(costs, measured)
        return episodes

    return study.episodes(f"{setting}/{file}", run)


def _play(study: Study, setting: str, name: str, seed: int | None) -> Episodes:
    """Runs a policy on the test instances; saves samples at four moments of the first batch."""
    env, (seeds, instances), file = study.test_env(setting, name), study.runs(setting), file_name(name, seed)
    decisions = env.config.num_decisions
    moments = moments_of(decisions)
    pictures = []
    with tqdm(total=-(-len(seeds) // env.num_envs) * decisions, desc=file, unit="decision", leave=False) as bar:

        def watch(batch: int, decision: int) -> None:
            bar.update()
            if batch == 0 and decision in moments:
                shown = env.samples(256 if len(env.bank.sample_shape) == 1 else 16)[:8]
                pictures.extend([shown] * moments.count(decision))

        if name.endswith(YOKED_SUFFIX):
            led = play(study, setting, controller_of(name), seed).coordinates
            other_seed = np.roll(led, study.size(setting)[0], axis=0)  # runs go through all instances once a GAN seed
            episodes = run_batches(lambda rows: Yoked(env, other_seed[rows]), env, seeds, instances, watch)
        else:
            episodes = run_episodes(study.policy(name, seed, env), env, seeds, instances, watch)
    samples = np.stack(pictures, axis=1)  # [8, moments, count, *shape]
    write_atomically(study.path / f"samples/{setting}/{file}.npy", lambda part: np.save(part, samples))
    return episodes


def moments_of(decisions: int) -> list[int]:
    """The numbers of the decisions after which samples are kept; with few decisions, some coincide."""
    return [int(place) for place in np.linspace(0, decisions - 1, MOMENTS + 1).round()[1:]]


def sample_files(study: Study, setting: str) -> dict[str, Path]:
    """Where samples of policies are saved, those of the first training or tuning."""
    folder = study.path / "samples" / setting
    return {name: folder / f"{file_name(name, seed)}.npy" for name, seed in reversed(entries(study, setting))}
