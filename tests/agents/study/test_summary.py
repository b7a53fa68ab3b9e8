"""What a study chooses and compares, against values worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import Stub, episodes, row

from agents.study.options import StudyOptions, study_options
from agents.study.records import Cost
from agents.study.study import Study
from agents.study.summary import (
    ablations,
    best_on_training,
    best_tuning,
    cost_of_finding,
    cost_of_playing,
    paid_back_by,
    strongest_schedule,
    summarize_setting,
)
from gan_env.policies.presets import PolicyOptions


def test_the_learned_policy_is_the_best_on_training_of_those_with_the_most_trainings() -> None:
    """By the log metric: scores, which here say the opposite, choose nothing."""
    study: Any = Stub({"few": [-9.0], "worse": [-1.0, -2.0], "better": [-1.0, -3.0]})
    assert best_on_training(study) == "better"


def test_the_strongest_of_the_tuned_schedules_is_the_best_on_training() -> None:
    """In the mean over its tunings. A rule that reacts is none of them."""
    finals = {"best_schedule": [-1.0, -4.8], "tuned_rates": [-3.0, -3.0], "tuned_ada": [-9.0]}
    study: Any = Stub(finals, list(finals)[:2])
    assert strongest_schedule(study) == "tuned_rates"
    assert best_tuning(study, "best_schedule") == 1


@pytest.mark.parametrize(
    ("script", "opponents"), [("ppo", ["fixed", "best_schedule"]), ("meta", ["fixed", "best_schedule"]), ("maml", [])]
)
def test_nothing_pays_back_the_training_of_what_trains_gans_ahead_as_it_plays(
    script: str, opponents: list[str]
) -> None:
    """Of the others those that play are said, the strongest once."""
    study: Any = Stub({})
    study.options = study_options(controllers={"learned": {"script": script, "seeds": 1}})
    assert paid_back_by(study, "learned", "best_schedule", ["learned", "best_schedule", "ada", "fixed"]) == opponents


def test_a_controller_is_compared_with_what_it_varies_or_stands_beside() -> None:
    """Over all trainings of both: here PPO's two, which end at -5 in the mean."""
    study: Any = Stub({})
    pair = {"ppo": {"seeds": 2}, "lstm": {"seeds": 1, "beside": "ppo"}, "blind": {"seeds": 1, "varies": "ppo"}}
    study.options = study_options(controllers=pair, instances=3, gan_seeds=1)
    played = {"ppo": [episodes([[0.0, -1.0]] * 3), episodes([[0.0, -9.0]] * 3)]}
    played |= {name: [episodes([[0.0, end]] * 3)] for name, end in (("lstm", -2.0), ("blind", 0.0))}
    found = ablations(study, {name: row() for name in played}, played)
    assert [(one.name, one.of, one.seeds, one.comparison.gain.value) for one in found] == [
        ("lstm", "ppo", (1, 2), -3.0),
        ("blind", "ppo", (1, 2), -5.0),
    ]


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study of two instances that nothing has been found or played in."""
    monkeypatch.setattr("agents.study.summary.cost_of_finding", lambda *_: Cost())
    env = {"preset": "points", "num_decisions": 2, "updates_per_decision": 50, "compile": False, "metric_samples": 32}
    return Study(study_options(env=env, folder=str(tmp_path), instances=2, gan_seeds=2, rows=2))


def test_rows_by_hand(setting: Study) -> None:
    """Target -1: run 0 gets there after 50 of 100 updates, run 1 never, run 2 collapses, run 3 crashes at once.

    Choices are made by the log metric; everything that is reported is the score.
    """
    e = episodes(
        [[0, -1, -2], [0, 0, 0], [0, -0.5, -1], [0, 4, 4]],
        collapse=[[0, 0], [0, 0], [0, -2], [-np.inf, np.nan]],
        crashed=[False, False, False, True],
        metric=[[0, 0, 7]] * 4,
    )
    e.extras["loss_d"] = np.array([[1.0, 0, 1, 0], [1, 2, 3, 4], *[[1, np.nan, np.nan, np.nan]] * 2], np.float32)
    e.extras["loss_g"] = np.ones((4, 4), np.float32)
    ends = episodes([[0.0, -1.0, -1.0]] * 4)
    found = summarize_setting(setting, "held_out", {"ppo": [e], "best_schedule": [ends]}, ("ppo", "best_schedule"))
    mine = found.rows["ppo"]
    assert (mine.trained, mine.ablation, mine.seeds, mine.runs, mine.validation) == (True, False, 1, 4, 7.0)
    assert (mine.crashes, mine.collapsed, mine.reached_target) == (1, 0.25, 0.5)  # the crashed run is counted once
    assert mine.updates_to_target == pytest.approx((50 + 100 + 100 + 100) / 4)
    assert mine.against["best_schedule"].gain.value == pytest.approx(-1.0 - 0.25)
    assert mine.roughness_loss_d == pytest.approx((2 / 0.5 + 0) / 2)  # of a run that crashed too soon none is known
    assert mine.roughness_loss_g == 0


def test_spreads_are_those_of_trainings_and_of_runs_within_an_instance(setting: Study) -> None:
    """Two instances, two GAN seeds: runs differ by 2 and by 4 within them; the second training ends 1 higher."""
    parts = [episodes([[9.0, end + more, end + more] for end in (0, 10, 2, 14)]) for more in (0, 1)]
    found = summarize_setting(setting, "held_out", {"best_schedule": parts}, ("best_schedule", "best_schedule"))
    both = found.rows["best_schedule"]
    assert both.spread_over_gan_seeds == pytest.approx(np.sqrt((2 + 8) / 2))
    assert both.spread_over_seeds == pytest.approx(np.sqrt(1 / 2))
    alone = summarize_setting(setting, "held_out", {"best_schedule": parts[:1]}, ("best_schedule", "best_schedule"))
    assert alone.rows["best_schedule"].spread_over_seeds is None


def test_costs_are_means_over_trainings_and_nothing_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constant knobs were not found by any work; what was not measured is not known."""
    taken = [{"gan_updates": 10, "wall_s": 4.0, "peak_mb": 100.0}, {"gan_updates": 30, "wall_s": 6.0}]
    measured = {f"held_out-ppo-{s}": {"wall_s": 1.0 + s, "peak_mb": 200.0 + 100 * s} for s in range(2)}
    monkeypatch.setattr(Study, "train", lambda self, name, seed: taken[seed])
    monkeypatch.setattr(Study, "costs", lambda self, cell: measured.get(cell, {}))
    study = Study(study_options(folder=str(tmp_path), controllers={"ppo": {"seeds": 2}}))
    assert cost_of_finding(study, "ppo", 2) == cost_of_finding(study, "ppo_replay", 2) == Cost(20, 5, 100)
    assert cost_of_playing(study, "held_out", "ppo", 2) == Cost(None, 1.5, 250)
    assert cost_of_finding(study, "fixed", 1) == Cost()


def test_committed_opponents_were_found_elsewhere(tmp_path: Path) -> None:
    study = Study(StudyOptions(folder=str(tmp_path)), committed={"schedule": [PolicyOptions()]})
    assert cost_of_finding(study, "best_schedule", 1) == Cost()
