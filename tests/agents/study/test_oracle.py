"""What a study's oracle chooses from; test_compare.py plays it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.learning.run_folder import RunFolder
from agents.study import oracle
from agents.study.options import HELD_OUT, StudyOptions, opponent_kind
from agents.study.oracle import oracle_pool, play_oracle, play_part
from agents.study.study import Study
from baselines.search.tuner import Tuned
from gan_env.evaluation.rollout import Episodes
from gan_env.evaluation.side_by_side import Job
from gan_env.policies.presets import PolicyOptions


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

    monkeypatch.setattr(Study, "tuned", tuned)
    policies = ("fixed", "r3gan", "ada", "random")
    options = StudyOptions(folder=str(tmp_path), tuned={"ada": 2, "rates": 2, "schedule": 2}, policies=policies)
    pool = oracle_pool(Study(options))
    assert [policy.until for policy in pool][:7] == [1, 1 / 2, 1 / 3, 1, 1 / 2, 1 / 11, 1 / 11]
    assert [policy.kind for policy in pool[7:]] == ["schedule", "published"]


def test_an_oracle_of_other_runs_or_candidates_is_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it may be added to a study, or be asked with more runs."""
    cells: list[str] = []
    monkeypatch.setattr(RunFolder, "cached_episodes", lambda self, name, run: cells.append(name))
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
