"""What a study chooses and compares, against values worked out by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from studies import Stub, episodes

from agents.study.options import StudyOptions, study_options
from agents.study.records import Cost
from agents.study.study import Study
from agents.study.summary import (
    arranged,
    best_on_training,
    cost_of_finding,
    cost_of_playing,
    failures,
    saved_over,
    strongest_rival,
    summarize_setting,
    told,
    updates_needed,
)
from gan_env.config import env_config
from gan_env.policies.presets import PolicyOptions, observing


def test_the_learned_policy_is_the_best_on_training_of_those_with_the_most_trainings() -> None:
    """By the log metric: scores, which here say the opposite, choose nothing."""
    study: Any = Stub({"few": [-9.0], "worse": [-1.0, -2.0], "better": [-1.0, -3.0]})
    assert best_on_training(study) == "better"


def test_the_strongest_of_the_tuned_opponents_is_the_best_on_training() -> None:
    """In the mean over its tunings. ADA is none of them, nor is what is told more."""
    finals = {"best_schedule": [-1.0, -4.8], "tuned_r3gan": [-3.0, -3.0], "tuned_rates": [-8.0]}
    finals |= {"tuned_step_size": [-9.0], "tuned_ada": [-9.5]}
    study: Any = Stub(finals, list(finals)[:4])
    assert strongest_rival(study, "ppo") == "tuned_step_size"
    study.rivals.remove("tuned_step_size")
    assert strongest_rival(study, "ppo") == "tuned_r3gan"
    study.options = replace(study.options, env=observing({"preset": "points"}, ["context"]))
    assert strongest_rival(study, "ppo") == "tuned_rates"


def test_what_a_policy_is_told_is_what_the_learned_one_has_to_find_out(tmp_path: Path) -> None:
    """Schedules see no more than progress, but those of rates, which a controller's read-out of rates is as well.

    Rules see what they react to.
    """
    informed, blind = {"observation": ["progress", "knobs", "context"]}, {"observation": ["progress", "knobs"]}
    controllers = {"ppo": {"seeds": 1}, "informed": {"seeds": 1, "env": informed}, "blind": {"seeds": 1, "env": blind}}
    policies = ["fixed", "falling_rates", "step_size", "steady_walk"]
    study = Study(study_options(controllers=controllers, policies=policies, folder=str(tmp_path)))
    names = ("ppo", "blind", "informed", "ppo_replay", "ppo_rates_replay", "informed_replay", "informed_rates_replay")
    rates = dict.fromkeys(("ppo_rates_replay", "informed_rates_replay", "tuned_rates", "falling_rates"), "the rates")
    names += ("best_schedule", "tuned_rates", "tuned_ada", "tuned_step_size", "fixed", "falling_rates")
    assert {name: told(study, name, "ppo") for name in names} == dict.fromkeys(names, "") | {
        "informed": "context"
    } | rates
    assert {told(study, name, "informed") for name in (*rates, "best_schedule")} == {""}
    assert told(study, "tuned_step_size", "blind") == "steps"
    assert told(study, "tuned_ada", "blind") == "logits"
    assert told(study, "step_size", "blind") == "steps"
    assert told(study, "steady_walk", "blind") == "balanced, balance"
    assert told(study, "ppo", "blind") == "logits, validation, losses, gradients, slope, steps, quality"


def test_only_what_is_told_the_rates_plays_where_they_are_observed(tmp_path: Path) -> None:
    study = Study(study_options(folder=str(tmp_path)))
    for name, there in (("best_schedule", False), ("ppo", False), ("tuned_rates", True), ("ppo_rates_replay", True)):
        for options in (study.env_options(name), study.env_options(name, {"datasets": ["ring"]})):
            assert ("context" in env_config(**options).observation) == there


def test_a_controller_is_compared_with_what_it_varies_or_the_learned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over all trainings of both: here PPO's two, which end at -5 in the mean. It is compared with all opponents."""
    monkeypatch.setattr("agents.study.summary.cost_of_finding", lambda *_: Cost())
    pair = {"ppo": {"seeds": 2}, "lstm": {"seeds": 1}, "blind": {"seeds": 1, "varies": "ppo"}}
    env = {"preset": "points", "compile": False, "metric_samples": 32}
    study = Study(study_options(env=env, controllers=pair, instances=3, gan_seeds=1, rows=3, folder=str(tmp_path)))
    played = {"ppo": [episodes([[0.0, -1.0]] * 3), episodes([[0.0, -9.0]] * 3)]}
    played |= {name: [episodes([[0.0, end]] * 3)] for name, end in (("lstm", -2.0), ("blind", 0.0))}
    played |= {name: [episodes([[0.0, 0.0]] * 3)] for name in ("best_schedule", "fixed", "lstm_replay")}
    rows = summarize_setting(study, "held_out", played, "ppo").rows
    assert [rows[name].against["ppo"].gain.value for name in ("lstm", "blind")] == [-3.0, -5.0]
    assert set(rows["ppo"].against) == {"best_schedule", "fixed"}
    assert set(rows["fixed"].against) == {"best_schedule"}
    assert set(rows["lstm_replay"].against) == {"best_schedule", "fixed"}


def test_failures_are_the_instances_with_the_least_gain_over_all_trainings() -> None:
    """Three instances, two GAN seeds; the gains by instance are 1, -2 and 0."""
    study: Any = Stub({})
    against = [episodes([[0.0, end] for end in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)])]
    learned = [episodes([[0.0, end] for end in (-1.0, 1.0, 1.0, -1.0, 3.0, -1.0)], crashed=[False] * 5 + [True])]
    found = failures(study, learned, against)
    assert [(one.index, one.gain) for one in found] == [(1, -2.0), (2, 0.0), (0, 1.0)]
    assert [one.crashes for one in found] == [0, 1, 0]
    assert found[1].standard_error == pytest.approx(1.0)
    assert found[0].instance["dataset"]


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
    ends = episodes([[0.0, -1.0, -1.0]] * 4)
    found = summarize_setting(setting, "held_out", {"ppo": [e], "best_schedule": [ends]}, "ppo")
    mine = found.rows["ppo"]
    assert (mine.seeds, mine.runs) == (1, 4)
    assert (mine.crashes, mine.collapsed, mine.reached_target) == (1, 0.25, 0.5)  # the crashed run is counted once
    assert mine.updates_to_target == pytest.approx((50 + 100 + 100 + 100) / 4)
    assert mine.against["best_schedule"].gain.value == pytest.approx(-1.0 - 0.25)


def test_a_yoked_read_out_may_play_without_the_mean_trajectory(setting: Study) -> None:
    e = episodes([[0.0, -1.0, -1.0]] * 4)
    found = summarize_setting(setting, "held_out", {"ppo": [e], "ppo_yoked": [e], "best_schedule": [e]}, "ppo")
    assert list(found.rows["ppo_yoked"].against) == ["best_schedule"]


def test_spreads_are_those_of_trainings_and_of_runs_within_an_instance(setting: Study) -> None:
    """Two instances, two GAN seeds: runs differ by 2 and by 4 within them; the second training ends 1 higher."""
    parts = [episodes([[9.0, end + more, end + more] for end in (0, 10, 2, 14)]) for more in (0, 1)]
    found = summarize_setting(setting, "held_out", {"best_schedule": parts}, "ppo")
    both = found.rows["best_schedule"]
    assert both.spread_over_gan_seeds == pytest.approx(np.sqrt((2 + 8) / 2))
    assert both.spread_over_seeds == pytest.approx(np.sqrt(1 / 2))
    alone = summarize_setting(setting, "held_out", {"best_schedule": parts[:1]}, "ppo")
    assert alone.rows["best_schedule"].spread_over_seeds is None


def test_costs_are_means_over_trainings_and_nothing_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constant knobs were not found by any work; what was not measured is not known."""
    taken = [{"gan_updates": 10, "wall_s": 4.0, "peak_mb": 100.0}, {"gan_updates": 30, "wall_s": 6.0}]
    measured = {f"held_out-ppo-{s}": {"wall_s": 1.0 + s, "peak_mb": 200.0 + 100 * s} for s in range(2)}
    monkeypatch.setattr(Study, "training_costs", lambda self, name, seed: taken[seed])
    monkeypatch.setattr(Study, "costs", lambda self, cell: measured.get(cell, {}))
    study = Study(study_options(folder=str(tmp_path), controllers={"ppo": {"seeds": 2}}))
    assert cost_of_finding(study, "ppo", 2) == cost_of_finding(study, "ppo_replay", 2) == Cost(20, 5, 100)
    assert cost_of_playing(study, "held_out", "ppo", 2) == Cost(None, 1.5, 250)
    assert cost_of_finding(study, "fixed", 1) == Cost()


def test_committed_opponents_were_found_elsewhere(tmp_path: Path) -> None:
    study = Study(StudyOptions(folder=str(tmp_path)), committed={"best_schedule": [PolicyOptions()]})
    assert cost_of_finding(study, "best_schedule", 1) == Cost()


# --- scores ---


def test_episodes_are_arranged_by_training_seed_instance_and_gan_seed() -> None:
    """Episodes go through all instances once a GAN seed: here ten times the GAN seed plus the instance."""
    column = np.array([0, 1, 2, 10, 11, 12])
    found = arranged([column, column + 100], 3)
    assert found.shape == (2, 3, 2)
    assert found[0].tolist() == [[0, 10], [1, 11], [2, 12]]
    assert found[1, 2, 1] == 112


def test_updates_to_the_target_by_hand() -> None:
    """Run 0 reaches -1 after 50 of 100 updates, run 1 never, run 2 at the end. The log metric doesn't matter."""
    e = episodes([[0, -1, -2], [0, 0, 0], [0, -0.5, -1]], metric=[[-9, -9, -9]] * 3)
    assert updates_needed([e], np.full(3, -1.0), budget=100).tolist() == [50, np.inf, 100]


def test_updates_are_saved_from_where_the_mean_curve_is_as_good_as_the_opponent_ends() -> None:
    """Two instances and two GAN seeds; the curves' mean falls by 1 a decision, the opponent's ends at -1."""
    mine = episodes([[0.0, -0.5, -3.0, -4.0], [0.0, -1.5, -1.0, -2.0]] * 2)
    theirs = [episodes([[0.0, end / 2, end]] * 4) for end in (-0.5, -1.5)]  # another number of decisions
    found = saved_over([mine, mine], theirs, 2)
    assert found.value == pytest.approx(2 / 3)
    assert found.ci95[0] <= found.value <= found.ci95[1]
