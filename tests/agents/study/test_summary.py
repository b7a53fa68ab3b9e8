"""What a study chooses and compares, against values worked out by hand."""

from typing import Any

import pytest
from studies import Stub, episodes

from agents.study.options import StudyOptions
from agents.study.summary import ablations, best_on_training, by_tuning, paid_back_by, strongest_schedule


def test_the_learned_policy_is_the_best_on_training_of_those_with_the_most_trainings() -> None:
    study: Any = Stub({"few": [-9.0], "worse": [-1.0, -2.0], "better": [-1.0, -3.0]})
    assert best_on_training(study) == "better"


def test_the_strongest_of_the_tuned_schedules_is_the_best_on_training() -> None:
    """In the mean over its tunings. A rule that reacts is none of them; what a controller corrects may be."""
    finals = {"best_schedule": [-1.0, -4.8], "tuned_rates": [-3.0, -3.0], "residual_base": [-4.0], "tuned_ada": [-9.0]}
    for schedules, strongest in ((list(finals)[:2], "tuned_rates"), (list(finals)[:3], "residual_base")):
        study: Any = Stub(finals, schedules)
        assert strongest_schedule(study) == strongest


def test_the_gain_over_each_tuning_is_in_their_order_and_over_all_trainings() -> None:
    """Trainings end at -2 and -4, tunings at -1, -5 and -3."""
    mine, theirs = ([episodes([[0.0, end]] * 6) for end in ends] for ends in ((-2.0, -4.0), (-1.0, -5.0, -3.0)))
    found = by_tuning(mine, theirs, 3)
    assert [gain["value"] for gain in found] == [2.0, -2.0, 0.0]
    assert [gain["ci95"] for gain in found] == [(1.0, 3.0), (-3.0, -1.0), (-1.0, 1.0)]
    assert found[0]["by_training"] == [1.0, 3.0]


@pytest.mark.parametrize(
    ("script", "opponents"), [("ppo", ["fixed", "best_schedule"]), ("meta", ["fixed", "best_schedule"]), ("maml", [])]
)
def test_nothing_pays_back_the_training_of_what_trains_gans_ahead_as_it_plays(
    script: str, opponents: list[str]
) -> None:
    """Of the others those that play are said, the strongest once."""
    study: Any = Stub({})
    study.options = StudyOptions(controllers={"learned": {"script": script, "seeds": 1}})
    assert paid_back_by(study, "learned", "best_schedule", ["learned", "best_schedule", "ada", "fixed"]) == opponents


def test_a_controller_is_compared_with_what_it_varies_or_stands_beside() -> None:
    """Over all trainings of both: here PPO's two, which end at -5 in the mean."""
    study: Any = Stub({})
    pair = {"ppo": {"seeds": 2}, "lstm": {"seeds": 1, "beside": "ppo"}, "blind": {"seeds": 1, "varies": "ppo"}}
    study.options = StudyOptions(controllers=pair, instances=3, gan_seeds=1)
    played = {"ppo": [episodes([[0.0, -1.0]] * 3), episodes([[0.0, -9.0]] * 3)]}
    played |= {name: [episodes([[0.0, end]] * 3)] for name, end in (("lstm", -2.0), ("blind", 0.0))}
    found = ablations(study, {name: {"iqm": 0.0} for name in played}, played)
    assert [(row["name"], row["varies"], row["seeds"], row["gain"]["value"]) for row in found] == [
        ("lstm", "ppo", (1, 2), -3.0),
        ("blind", "ppo", (1, 2), -5.0),
    ]
