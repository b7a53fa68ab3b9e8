"""What a study's oracle chooses from; test_compare.py plays it."""

from pathlib import Path

import pytest

from agents.study import Study
from agents.study_options import StudyOptions
from agents.study_oracle import oracle_pool
from baselines.tune import Tuned


def test_candidates_are_finalists_of_tuned_schedules_and_the_study_s_schedules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules that react, tuned or not, are none."""
    finalists = {"schedule": 3, "rates": 2, "ada": 5}

    def tuned(study: Study, kind: str) -> Tuned:
        found = [{"kind": "fixed" if kind == "ada" else "rates", "hold": i + 1} for i in range(finalists[kind])]
        return Tuned(policy=found[0], score=0.0, finalists=found, trials=9, gan_updates=1)

    monkeypatch.setattr(Study, "tuned", tuned)
    policies = ("fixed", "r3gan", "ada", "random")
    pool = oracle_pool(Study(StudyOptions(folder=str(tmp_path), tuned=("ada", "rates", "schedule"), policies=policies)))
    assert [policy.hold for policy in pool][:5] == [1, 2, 3, 1, 2]
    assert [policy.kind for policy in pool[5:]] == ["schedule", "published"]
