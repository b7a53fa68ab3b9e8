"""What every training script ends with: the learned policy against all schedules, paired, and one table.

Stages: find the best schedule on training instances; play the policy on training instances for its mean knob
trajectory (the replay); run every policy on the same test instances and GAN seeds; sum up. Each stage is saved when it
is done and not done again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from tqdm import tqdm

from agents.learning.run_folder import RunFolder
from baselines.search.grid import describe, search, to_mapping
from gan_env import GANVectorEnv
from gan_env.config import CONFIGS, EnvConfig, env_config
from gan_env.errors import ConfigError, require
from gan_env.evaluation.intervals import paired_gain, summarize
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.policies.presets import load_policy
from gan_env.policies.tables import Anneal, Policy, TablePolicy, schedule_policy, start_of

SEARCH_SEED, REPLAY_SEED, TEST_SEED = 1_000_000, 2_000_000, 3_000_000  # apart from what seeds below 1,000 train on
MOMENTS = 4
"""Moments of training at which samples are kept for the picture."""


@dataclass(frozen=True)
class ComparisonOptions:
    """How the comparison is made.

    Attributes:
        episodes: test episodes a policy.
        rows: GANs that run side by side.
        search_episodes: runs a candidate in the grid's first round.
        search_thin: every how many-th candidate of the grid is tried.
        policies: names in configs/policy/ that are compared.
    """

    episodes: int = 192
    rows: int = 96
    search_episodes: int = 4
    search_thin: int = 1
    policies: tuple[str, ...] = (
        "fixed", "linear", "exponential", "cosine", "power", "step", "rising", "random", "random_held",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name in ("episodes", "rows", "search_episodes", "search_thin"):
            require(getattr(self, name) >= 1, f"comparison.{name}", getattr(self, name), "at least 1")
        known = sorted(p.stem for p in (CONFIGS / "policy").glob("*.yaml"))
        for name in self.policies:
            require(name in known, "comparison.policies", name, f"one of {known}")


def compare(
    name: str,
    policy: Policy | Callable[[GANVectorEnv], Policy],
    env_options: dict[str, Any],
    folder: RunFolder,
    options: ComparisonOptions,
    trained: int,
) -> dict[str, Any]:
    """Compares a learned policy with all schedules.

    Args:
        name: what the policy is called.
        policy: the learned policy, or what makes it for the environment that it will act in.
        env_options: preset and fields of `EnvConfig`.
        folder: where results go and earlier ones are found.
        options: sizes.
        trained: GAN updates that the policy was trained on.

    Returns:
        The summary: per policy `n`, `iqm`, `ci95`, `crashes` and `gan_updates` (what finding the policy took);
        `best_schedule`; `paired` differences.
    """

    @cache
    def make_env(split: str, observation: tuple[str, ...]) -> GANVectorEnv:
        changed = {**env_options, "split": split, "observation": observation}
        return GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **changed)

    own = env_config(**env_options).observation
    everything = EnvConfig().observation  # schedules need the time and the knobs' places
    training, testing, test = make_env("train", own), make_env("test", own), make_env("test", everything)
    on_training, learned = (policy(env) if callable(policy) else policy for env in (training, testing))
    best, search_updates = best_schedule(make_env("train", everything), folder, options)
    seeds = range(REPLAY_SEED, REPLAY_SEED + options.rows)
    played = folder.cached_episodes(f"{name}-on-training", lambda: run_episodes(on_training, training, seeds))
    replay = played.coordinates.mean(axis=0)  # [T, K]

    seeds = range(TEST_SEED, TEST_SEED + options.episodes)
    results = {name: folder.cached_episodes(name, partial(evaluate, name, learned, testing, seeds, folder))}
    policies: dict[str, Policy] = {
        "replay": TablePolicy(test, replay, start_of(learned)),
        "best_schedule": schedule_policy(test, best),
        **fitting(options.policies, test),
    }
    for other, candidate in policies.items():
        results[other] = folder.cached_episodes(other, partial(evaluate, other, candidate, test, seeds, folder))
    found = {name: trained, "replay": trained + played.gan_updates, "best_schedule": search_updates}
    summary = summarize_all(name, results, found)
    summary |= {"metric": test.judge.metric_name, "best_schedule": {"knobs": to_mapping(best), "text": describe(best)}}
    return summary


def fitting(names: Sequence[str], env: GANVectorEnv) -> dict[str, Policy]:
    """The policies of configs/policy/ that can act in an environment; why others can't is printed."""
    found = {}
    for name in names:
        try:
            found[name] = load_policy(name).make(env)
        except ConfigError as error:
            print(f"left out of the comparison: {name} ({error})")
    return found


def best_schedule(env: GANVectorEnv, folder: RunFolder, options: ComparisonOptions) -> tuple[dict[str, Anneal], int]:
    """The best schedule of the grid and the GAN updates that finding it took."""
    path = folder.path / "schedule.json"
    if not path.exists():
        with tqdm(desc="schedule grid", unit="run") as bar:

            def show(stage: str, done: int, total: int) -> None:
                bar.set_description(f"schedule grid: {stage}")
                bar.total, bar.n = total, done
                bar.refresh()

            found = search(env, SEARCH_SEED, options.search_episodes, options.search_thin, show)
        folder.write_json("schedule.json", {**asdict(found), "best": to_mapping(found.best)})
    saved = json.loads(path.read_text())
    return {knob: Anneal(**fields) for knob, fields in saved["best"].items()}, saved["gan_updates"]


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


def summarize_all(name: str, results: dict[str, Episodes], found: dict[str, int]) -> dict[str, Any]:
    """Scores of every policy, and the paired gains of policy `name` over each other one.

    Args:
        name: the learned policy.
        results: test episodes by policy.
        found: GAN updates that finding a policy took, where it took any.
    """
    policies = {
        other: {**summarize(e.final), "crashes": int(e.crashed.sum()), "gan_updates": found.get(other, 0)}
        for other, e in results.items()
    }
    mine = results[name].final
    gains = {other: paired_gain(mine, e.final) for other, e in results.items() if other != name}
    for other, e in results.items():
        if other != "best_schedule":
            policies[other]["gain_over_best_schedule"] = paired_gain(e.final, results["best_schedule"].final)
    return {"learned": name, "policies": policies, "paired": gains["best_schedule"], "paired_with": gains}


def table(summary: dict[str, Any]) -> str:
    """The closing table as text, best policy first."""
    lines = [
        f"Final log of the {summary['metric']} (lower is better), IQM with 95 % bootstrap interval;",
        f"gain: mean paired difference to the best schedule of the grid ({summary['best_schedule']['text']});",
        "GAN updates: what finding the policy took, by training or by search.",
        "",
        f"{'policy':<14} {'n':>4} {'IQM':>7} {'95 % interval':>18} {'gain':>7} {'95 % interval':>18} "
        f"{'crashes':>7} {'GAN updates':>12}",
    ]
    rows = summary["policies"]
    for name in sorted(rows, key=lambda n: rows[n]["iqm"]):
        row = rows[name]
        low, high = row["ci95"]
        gain = row.get("gain_over_best_schedule")
        shown = f"{gain['mean']:>7.3f} [{gain['ci95'][0]:>7.3f}, {gain['ci95'][1]:>7.3f}]" if gain else " " * 26
        lines.append(
            f"{name:<14} {row['n']:>4} {row['iqm']:>7.3f} [{low:>7.3f}, {high:>7.3f}] {shown} "
            f"{row['crashes']:>7} {row['gan_updates']:>12,}"
        )
    against = {
        "best_schedule": "the best schedule",
        "replay": "its own replay (what feedback adds)",
        "fixed": "constant knobs",
        "random": "random moves",
    }
    gains = summary["paired_with"]
    lines.append("")
    lines += [f"{summary['learned']} against {who}: {_gain(gains[k])}" for k, who in against.items() if k in gains]
    return "\n".join(lines)


def _gain(gain: dict[str, Any]) -> str:
    low, high = gain["ci95"]
    share = gain["probability_of_improvement"]
    return f"{gain['mean']:+.3f} [{low:+.3f}, {high:+.3f}], better in {share:.0%} of the runs"


def _save(path: Path, array: Any) -> None:
    with path.open("wb") as file:
        np.save(file, array)
