"""The numbers of a study, against values worked out by hand."""

from typing import Any

import numpy as np
import pytest

from agents.study_options import StudyOptions
from agents.study_summary import (
    ablations,
    arranged,
    best_on_training,
    break_even,
    compare_with,
    failures,
    run_row,
    score_row,
    strongest_schedule,
    updates_needed,
)
from baselines.rollout import Episodes


def episodes(log_metric: list[list[float]], collapse: Any = None, crashed: Any = None) -> Episodes:
    curve = np.array(log_metric, np.float32)
    runs, decisions = curve.shape[0], curve.shape[1] - 1
    blank = np.zeros((runs, decisions), np.float32)
    extras = {"collapse": blank if collapse is None else np.array(collapse, np.float32)}
    ended = np.zeros(runs, bool) if crashed is None else np.array(crashed)
    return Episodes(curve, blank[..., None], blank, ended, extras, 0)


def test_episodes_are_arranged_by_training_seed_instance_and_gan_seed() -> None:
    """Episodes go through all instances once a GAN seed: here ten times the GAN seed plus the instance."""
    column = np.array([0, 1, 2, 10, 11, 12])
    found = arranged([column, column + 100], 3)
    assert found.shape == (2, 3, 2)
    assert found[0].tolist() == [[0, 10], [1, 11], [2, 12]]
    assert found[1, 2, 1] == 112


def test_crashes_collapses_and_updates_to_the_target_by_hand() -> None:
    """Run 0 reaches -1 after 50 of 100 updates; run 1 never; run 2 collapses; run 3 crashes after one decision."""
    e = episodes(
        [[0, -1, -2], [0, 0, 0], [0, -0.5, -1], [0, 4, 4]],
        collapse=[[0, 0], [0, 0], [0, -2], [-np.inf, np.nan]],
        crashed=[False, False, False, True],
    )
    reached = updates_needed([e], np.full(4, -1.0), budget=100)
    assert reached[0].tolist() == [50, np.inf, 100, np.inf]
    row = run_row([e], np.stack(reached), budget=100)
    assert row["crashes"] == 1 and row["crash_rate"] == 0.25
    assert row["collapse_rate"] == 0.25  # the crashed run is counted once
    assert row["reached_target"] == 0.5
    assert row["updates_to_target"] == pytest.approx((50 + 100 + 100 + 100) / 4)


def test_spreads_are_those_of_trainings_and_of_runs_within_an_instance() -> None:
    """Two instances, two GAN seeds: runs differ by 2 and by 4 within them; the second training ends 1 higher."""
    one = episodes([[9.0, end] for end in (0, 10, 2, 14)])
    two = episodes([[9.0, end + 1] for end in (0, 10, 2, 14)])
    row = score_row(arranged([one.final, two.final], 2), 2, [one, two])
    assert row["spread_over_gan_seeds"] == pytest.approx(np.sqrt((2 + 8) / 2))
    assert row["spread_over_seeds"] == pytest.approx(np.sqrt(1 / 2))
    alone = score_row(arranged([one.final], 4), 4, [one])
    assert alone["spread_over_gan_seeds"] is None and alone["spread_over_seeds"] is None


def test_roughness_is_known_where_losses_are_observed() -> None:
    e = episodes([[0.0] * 5])
    e.extras["loss_d"] = np.array([[1.0, 2, 3, 4]], np.float32)
    row = run_row([e], np.ones(1), 1)
    assert row["roughness_loss_d"] == pytest.approx(0, abs=1e-6)
    assert "roughness_loss_g" not in row


def test_gain_pairs_every_training_seed_with_the_opponent() -> None:
    opponent = np.array([[[0.0, 10.0], [20.0, 30.0]]])
    mine = np.concatenate([opponent - 1, opponent - 3])
    found = compare_with(mine, opponent)
    assert found["gain"]["value"] == 2
    assert found["gain"]["by_training"] == [1.0, 3.0]
    assert found["gain"]["ci95"] == (1.0, 3.0)  # both trainings the worse one, or both the better one
    assert found["probability"]["value"] == pytest.approx(0.75)  # of four pairs an instance three are better


def test_a_gain_on_few_instances_is_surer_on_these_than_on_others() -> None:
    """Two instances, with gains of 0 and 2 in every run: another draw of two may be the one twice, or the other."""
    mine = np.broadcast_to(np.array([0.0, -2.0])[:, None], (3, 2, 4))
    found = compare_with(mine, np.zeros((1, 2, 4)))["gain"]
    assert (found["value"], found["ci95"], found["over_instances"]) == (1.0, (1.0, 1.0), (0.0, 2.0))


@pytest.mark.parametrize(("low", "runs"), [(5.0, 50), (0.0, None), (-5.0, None)])
def test_break_even_is_what_training_took_over_what_a_run_saves(low: float, runs: int | None) -> None:
    saved = {"value": 20.0, "ci95": (low, 35.0)}
    rows = {
        "ppo": {"saved": {"fixed": saved, "best_schedule": saved}, "found_gan_updates": 1000.0},
        "fixed": {"found_gan_updates": 0.0},
        "best_schedule": {"found_gan_updates": 1000.0},
    }
    found = break_even(rows, "ppo")
    assert found["fixed"]["runs"] == runs
    assert found["best_schedule"]["runs"] == (None if runs is None else 0)  # tuning took as much as training


# --- choices ---


class Stub:
    """A study of which all that is asked for is given."""

    def __init__(self, finals: dict[str, list[float]], opponents: dict[str, str] | None = None) -> None:
        self.finals, self.opponents = finals, opponents or {}
        self.options = StudyOptions(env={"preset": "points"}, instances=3, gan_seeds=2)
        self.mains = [(name, seed) for name, ends in finals.items() for seed in range(len(ends))]

    def on_training(self, name: str, seed: int = 0) -> Episodes:
        return episodes([[0.0, self.finals[name][seed]]] * 4)


def test_the_learned_policy_is_the_best_on_training_of_those_with_the_most_trainings() -> None:
    study: Any = Stub({"few": [-9.0], "worse": [-1.0, -2.0], "better": [-1.0, -3.0]})
    assert best_on_training(study) == "better"


def test_the_strongest_of_the_tuned_schedules_is_the_best_on_training() -> None:
    finals = {"best_schedule": [-1.0], "tuned_rates": [-3.0], "tuned_r3gan": [-2.0], "tuned_ada": [-9.0]}
    kinds = {"best_schedule": "schedule", "tuned_rates": "rates", "tuned_r3gan": "r3gan", "tuned_ada": "ada"}
    study: Any = Stub(finals, kinds)
    assert strongest_schedule(study) == "tuned_rates"


def test_failures_are_the_instances_with_the_least_gain_over_all_trainings() -> None:
    """Three instances, two GAN seeds; the gains by instance are 1, -2 and 0."""
    study: Any = Stub({})
    against = [episodes([[0.0, end] for end in (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)])]
    learned = [episodes([[0.0, end] for end in (-1.0, 1.0, 1.0, -1.0, 3.0, -1.0)], crashed=[False] * 5 + [True])]
    found = failures(study, {"ppo": learned, "best_schedule": against}, "ppo")
    assert [(row["instance"], row["gain"]) for row in found["worst"]] == [(1, -2.0), (2, 0.0), (0, 1.0)]
    assert [row["crashes"] for row in found["worst"]] == [0, 1, 0]
    assert found["worst"][1]["standard_error"] == pytest.approx(1.0)


def test_a_controller_is_compared_with_what_it_varies_or_stands_beside() -> None:
    """Over the trainings that both have: here the first one."""
    study: Any = Stub({})
    pair = {"ppo": {"seeds": 2}, "lstm": {"seeds": 1, "beside": "ppo"}, "blind": {"seeds": 1, "varies": "ppo"}}
    study.options = StudyOptions(controllers=pair, instances=3, gan_seeds=1)
    played = {"ppo": [episodes([[0.0, -1.0]] * 3), episodes([[0.0, -9.0]] * 3)]}
    played |= {name: [episodes([[0.0, end]] * 3)] for name, end in (("lstm", -2.0), ("blind", 0.0))}
    found = ablations(study, {name: {"iqm": 0.0} for name in played}, played)
    assert [(row["name"], row["varies"], row["seeds"], row["gain"]["value"]) for row in found] == [
        ("lstm", "ppo", 1, 1.0),
        ("blind", "ppo", 1, -1.0),
    ]
