"""What a method of tuning works on, and what it finds out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from baselines.search.spaces import SPACES, first_guesses
from gan_env import GANVectorEnv
from gan_env.evaluation.side_by_side import run_jobs
from gan_env.policies import PolicyOptions
from gan_env.records import Float64
from gan_env.strict import to_dict

Tried = dict[str, Any]
"""A candidate that was played: `params` (where it is in the search space), `policy` (fields of its `PolicyOptions`),
`value` (its mean final log metric, lower is better) and, in successive halving, `rung`."""


@dataclass(frozen=True)
class Task:
    """What is searched, and how much of it.

    Attributes:
        env: training instances, `AutoresetMode.DISABLED`.
        kind: of the policy, a key of `baselines.search.spaces.SPACES`.
        runs: of a candidate.
        seed: of the first run and of what is drawn.
        batches: that may be played; a batch is one run of every row.
    """

    env: GANVectorEnv
    kind: str
    runs: int
    seed: int
    batches: int

    @property
    def candidates(self) -> int:
        """Candidates that play side by side."""
        return side_by_side(self.env.num_envs, self.runs)

    def ask(
        self, study: optuna.Study, done: int, sampler: Callable[[int], optuna.samplers.BaseSampler]
    ) -> list[tuple[optuna.Trial, PolicyOptions]]:
        """The next batch of candidates after `done` others: the first guesses, then what a sampler draws.

        Args:
            study: of Optuna, which knows of the others.
            done: how many there were.
            sampler: makes a sampler from a seed.

        Returns:
            Trials, which have not been told a value, and the policies that they stand for.
        """
        study.sampler = sampler((self.seed + done) % 2**31)  # so a resumed search draws what an uninterrupted one does
        for guess in first_guesses(self.kind, self.env)[done : done + self.candidates]:
            study.enqueue_trial(guess)
        trials = [study.ask() for _ in range(self.candidates)]
        return [(trial, SPACES[self.kind](trial, self.env)) for trial in trials]

    def try_out(self, params: Sequence[dict[str, Any]], policies: Sequence[PolicyOptions]) -> list[Tried]:
        """Plays some candidates, all on the same runs."""
        values, _ = play(self.env, policies, self.seed, self.runs)
        found = zip(params, policies, values.tolist(), strict=True)
        return [{"params": p, "policy": fields_of(policy), "value": value} for p, policy, value in found]


def side_by_side(rows: int, runs: int) -> int:
    """Candidates that play side by side in so many rows, where each has so many runs."""
    return max(1, rows // runs)


Method = Callable[[Task, Sequence[Tried]], Iterator[list[Tried]]]
"""Plays a batch whenever it is asked for one, and gives what it tried; from what was tried before it goes on as if it
had never stopped. It ends when there is nothing left to try."""


def play(env: GANVectorEnv, candidates: Sequence[PolicyOptions], seed: int, runs: int) -> tuple[Float64, Float64]:
    """Mean final log metric (for choices) and mean final score of each candidate, all on the same runs: [C] both."""
    policies = [candidate.make(env) for candidate in candidates]
    jobs = [(c, run, run % len(env.instances)) for c in range(len(policies)) for run in range(seed, seed + runs)]
    played = run_jobs(env, policies, jobs)
    chosen_by, reported = (x.astype(np.float64).reshape(-1, runs) for x in (played.validation, played.final))
    return chosen_by.mean(axis=1), reported.mean(axis=1)


def fields_of(policy: PolicyOptions) -> dict[str, Any]:
    """A policy's kind and the fields that are not at their defaults."""
    blank = to_dict(PolicyOptions())
    return {name: x for name, x in to_dict(policy).items() if name == "kind" or x != blank[name]}
