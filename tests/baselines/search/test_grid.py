"""The grid of schedules, and the search for the best."""

from collections import Counter

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from baselines.search.grid import KINDS, candidates, describe, ends_of, kinds_of, search, to_mapping
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.side_by_side import Job
from gan_env.mdp.knobs import knob_table
from gan_env.policies.tables import Anneal, TablePolicy, schedule_table


def make(rows: int = 8) -> GANVectorEnv:
    return GANVectorEnv(
        rows,
        autoreset_mode=AutoresetMode.DISABLED,
        num_decisions=3,
        updates_per_decision=1,
        metric_samples=32,
        compile=False,
    )


def test_every_knob_is_constant_falls_and_rises() -> None:
    for knob in ("r1", "instance_noise", "augment"):
        signs = Counter(
            np.sign(s[knob].final - s[knob].initial) * (s[knob].kind != "fixed") for s in candidates((knob,))
        )
        assert set(signs) == {-1.0, 0.0, 1.0}


def test_candidates_are_valid_and_distinct() -> None:
    env = make()
    pool = candidates(env.config.knobs)
    assert len({describe(s) for s in pool}) == len(pool) > 50
    for schedule in pool:
        schedule_table(env, schedule)  # raises where a value is out of bounds


def test_moving_knobs_take_every_kind() -> None:
    env = make()
    schedule = {"r1": Anneal("exponential", 0.3, 10.0), "instance_noise": Anneal("linear", 0.3, 0.0)}
    kinds = list(kinds_of(schedule))
    assert [s["r1"].kind for s in kinds] == list(KINDS)
    for kind in kinds:
        schedule_table(env, kind)


def test_the_search_finds_the_best_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """With runs replaced by a known score, the search must find the schedule with the lowest."""
    env = make()

    def scored(env: object, policies: list[TablePolicy], jobs: list[Job], report: object) -> Episodes:
        table = np.stack([policies[owner].table for owner, _, _ in jobs])
        noise = np.array([np.random.default_rng(seed).normal() for _, seed, _ in jobs])
        final = ((table[:, 0, 2] - 0.5) ** 2 + (table[:, -1, 2] - 0.88) ** 2 + table[:, :, :2].mean(axis=(1, 2))) * 10
        return Episodes((final + 0.01 * noise)[:, None], table, table[:, :, 0], final > np.inf, {}, 0)

    monkeypatch.setattr("baselines.search.grid.run_jobs", scored)
    best = search(env, seed=0, episodes=2).best
    assert (best["r1"].initial, best["r1"].final) == (0.3, 10)  # coordinates 0.50 -> 0.88
    assert best["instance_noise"].initial == best["instance_noise"].final == 0
    assert best["augment"].initial == best["augment"].final == 0


def test_the_search_runs_in_the_environment_and_counts_its_updates() -> None:
    env = make(rows=64)
    seen = []
    found = search(env, seed=0, episodes=1, report=lambda *args: seen.append(args))
    assert found.gan_updates == env.gan_updates > 0
    assert {stage for stage, *_ in seen} == {"grid", "half", "kinds", "final"}
    assert found.scores[0][2] == min(score for _, runs, score in found.scores if runs == found.scores[0][1])
    assert describe(found.best) == found.scores[0][0]


def test_a_schedule_goes_to_plain_data_and_back() -> None:
    schedule = {"r1": Anneal("power", 3.0, 0.1, 4.0, until=0.5), "augment": Anneal("fixed", 0.2)}
    assert {name: Anneal(**fields) for name, fields in to_mapping(schedule).items()} == schedule


@pytest.mark.parametrize("name", sorted(knob_table()))
def test_every_knob_has_candidates_within_its_bounds_both_ways(name: str) -> None:
    low, high = knob_table()[name].bounds
    ends = ends_of(name)
    assert all(low <= value <= high for pair in ends for value in pair)
    assert any(a < b for a, b in ends) and any(a > b for a, b in ends) and any(a == b for a, b in ends)
