"""What a study's oracle chooses from, and that it picks for each instance what is best there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from agents.study import oracle
from agents.study.options import HELD_OUT, StudyOptions, opponent_kind
from agents.study.oracle import best_of_each, oracle_pool, play_oracle, play_part
from agents.study.study import Study
from baselines.search.tuner import Tuned
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.side_by_side import Job
from gan_env.policies.presets import PolicyOptions, load_policy


def test_candidates_are_finalists_of_tuned_schedules_and_the_study_s_schedules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each kind's first tuning all finalists. Rules that react, tuned or not, are none."""
    finalists = {"schedule": 3, "rates": 2, "ada": 5}

    def tuned(study: Study, name: str, seed: int = 0) -> Tuned:
        kind = opponent_kind(name)
        fields = {"kind": "fixed" if kind == "ada" else "rates"}
        found = [fields | {"until": 1 / (10 * seed + i + 1)} for i in range(finalists[kind])]
        return Tuned(policy=found[0], score=0.0, finalists=found, trials=9, gan_updates=1)

    monkeypatch.setattr(Study, "tuning_result", tuned)
    policies = ("fixed", "r3gan", "ada", "random")
    options = StudyOptions(folder=str(tmp_path), tuned={"ada": 2, "rates": 2, "schedule": 2}, policies=policies)
    pool = oracle_pool(Study(options))
    assert [policy.until for policy in pool][:7] == [1, 1 / 2, 1 / 3, 1, 1 / 2, 1 / 11, 1 / 11]
    assert [policy.kind for policy in pool[7:]] == ["schedule", "published"]


def test_an_oracle_of_other_runs_or_candidates_is_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it may be added to a study, or be asked with more runs."""
    cells: list[str] = []
    monkeypatch.setattr(Study, "episodes", lambda self, name, run: cells.append(name))
    for runs, until in ((1, 1.0), (2, 1.0), (1, 0.5), (1, 1.0)):
        monkeypatch.setattr(oracle, "oracle_pool", lambda study, until=until: [PolicyOptions(until=until)])
        play_part(Study(StudyOptions(folder=str(tmp_path), oracle_runs=runs)), range(3))
    assert len(set(cells)) == 3
    assert cells[0] == cells[3]


@pytest.mark.parametrize("instances", [1, 3, 10])
def test_an_oracle_s_parts_are_put_together_in_the_order_of_the_runs(
    instances: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All runs once, and with them the best candidate of their instance, whichever worker asked for it."""
    options = StudyOptions(folder=str(tmp_path), instances=instances, gan_seeds=3, oracle_runs=1)

    def best(env: Any, candidates: Any, mine: range, *_: Any) -> NDArray[np.int64]:
        return np.array(mine) * 10

    def played(env: Any, candidates: Any, jobs: list[Job]) -> Episodes:
        columns = np.array(jobs, np.float32)  # policy, GAN seed, instance
        return Episodes(columns, columns, columns[:, None], columns, columns[:, 0] > 5, {"loss_d": columns}, len(jobs))

    monkeypatch.setattr(Study, "env", lambda self, options: None)
    monkeypatch.setattr(oracle, "oracle_pool", lambda study: [])
    monkeypatch.setattr(oracle, "best_of_each", best)
    monkeypatch.setattr(oracle, "run_jobs", played)
    study = Study(options)
    found = play_oracle(study)
    seeds, met = study.runs(HELD_OUT)
    due = [[10 * instance, seed, instance] for seed, instance in zip(seeds, met, strict=True)]
    assert found.log_metric.tolist() == due == found.extras["loss_d"].tolist()
    assert found.crashed.tolist() == [10 * instance > 5 for instance in met]
    assert found.gan_updates == 3 * instances


BEST = np.array([3, 0, 7, 5, 5])


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[set[tuple[int, int]]]:
    """Candidate c scores (c - best of the instance)^2 plus noise of its own; what is met, by round."""
    rounds = []

    def scored(env: Any, candidates: Any, jobs: list[Job], report: Any) -> Episodes:
        rounds.append({(seed, instance) for _, seed, instance in jobs})
        noise = np.array([np.random.default_rng((seed, c)).normal() for c, seed, _ in jobs])
        final = np.array([(c - BEST[i]) ** 2 for c, _, i in jobs]) + candidates[-1] * noise
        # What is reported must not choose: by it the worst would be the best.
        return Episodes(final[:, None], -final[:, None], final, final, final > np.inf, {}, 0)

    monkeypatch.setattr("agents.study.oracle.run_jobs", scored)
    return rounds


def picks(runs: int, noise: float, instances: Sequence[int] = range(5)) -> list[int]:
    """What is picked of eight candidates; the last one says how large the noise is."""
    return best_of_each(None, [*range(7), noise], instances, seed=50, runs=runs).tolist()  # type: ignore[list-item, arg-type]


def test_each_instance_gets_its_own_best_candidate(met: list[set[tuple[int, int]]]) -> None:
    assert picks(runs=2, noise=0.1) == BEST.tolist()
    seeds = [{seed for seed, _ in rounds} for rounds in met]
    assert len(seeds[0]) == 10 and len(seeds[1]) == 40  # a run is met on one instance alone
    assert not seeds[0] & seeds[1]


def test_too_few_runs_pick_wrongly_and_enough_rightly(met: list[set[tuple[int, int]]]) -> None:
    """Noise of 2 beside a lead of 1: the mean of 100 runs is known to 0.2."""
    assert sum(np.array(picks(runs=1, noise=2)) == BEST) < 5
    assert picks(runs=100, noise=2) == BEST.tolist()


def test_the_second_round_decides_with_more_runs(met: list[set[tuple[int, int]]]) -> None:
    """By three runs each, one instance would get a wrong candidate; twelve others of the best two put it right."""
    assert picks(runs=3, noise=2) == BEST.tolist()
    assert [len(rounds) for rounds in met] == [5 * 3, 5 * 12]


def test_what_is_picked_for_an_instance_does_not_depend_on_the_others(met: list[set[tuple[int, int]]]) -> None:
    """So that an oracle can be asked in parts."""
    assert picks(runs=1, noise=2, instances=[3, 1]) == [picks(runs=1, noise=2)[i] for i in (3, 1)]


def test_it_runs_in_the_environment() -> None:
    small: dict[str, Any] = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, **small)
    candidates = [load_policy(name).make(env) for name in ("fixed", "rising", "cosine", "linear", "plan")]
    picks = best_of_each(env, candidates, range(3), seed=0, runs=1)
    assert picks.shape == (3,)
    assert set(picks) <= set(range(5))
