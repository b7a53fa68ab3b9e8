"""Sentences follow from intervals, by rules."""

from typing import Any

import pytest
from summaries import SPREAD, interval, row, summary

from agents.page.conclusions import conclusions


@pytest.mark.parametrize(
    ("gain", "against", "feedback", "transfer"),
    [
        (interval(0.1, 0.05, 0.15), "ppo is better than the tuned", "Feedback pays", "ppo is better"),
        (interval(0.1, -0.05, 0.25), "ppo is not told apart from", "is not shown", "ppo is not told apart"),
        (interval(-0.1, -0.2, -0.05), "ppo is worse than the tuned", "Feedback costs", "ppo is worse"),
    ],
)
def test_the_main_sentences_follow_the_sign(gain: dict[str, Any], against: str, feedback: str, transfer: str) -> None:
    text = "\n".join(conclusions(summary(gain)))
    assert against in text
    assert feedback in text
    assert f"far: {transfer}" in text


def test_a_gain_is_given_as_a_share_of_the_metric_too() -> None:
    """exp(-0.1) - 1 is -9.5 %."""
    assert "9.5% lower" in conclusions(summary(interval(0.1, 0.05, 0.15)))[0]


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        (interval(0.76, 0.61, 0.9), "is met"),
        (interval(0.76, 0.59, 0.9), "is not met"),
        (interval(0.74, 0.7, 0.8), "is not met"),
    ],
)
def test_the_target_needs_estimate_and_interval(chance: dict[str, Any], words: str) -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    made["settings"]["held_out"]["policies"]["ppo"] |= {"probability": chance, "seeds": 5} | SPREAD
    assert words in conclusions(made)[1]


def test_the_target_of_a_probability_asks_for_nothing_that_its_sentence_does_not_name() -> None:
    made = summary(interval(0.1, -0.01, 0.2))
    chance = {"probability": interval(0.76, 0.61, 0.9), "seeds": 5} | SPREAD
    made["settings"]["held_out"]["policies"]["ppo"] |= chance
    assert "is met" in conclusions(made)[1]


@pytest.mark.parametrize(
    ("trainings", "tunings", "words"),
    [(5, 2, "is met."), (4, 2, "is not met."), (5, 1, "is not met. That schedule was")],
)
def test_the_target_needs_trainings_and_tunings(trainings: int, tunings: int, words: str) -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    policies = made["settings"]["held_out"]["policies"]
    policies["ppo"] |= {"probability": interval(0.9, 0.8, 1), "seeds": trainings} | SPREAD
    policies["best_schedule"]["seeds"] = tunings
    sentence = conclusions(made)[1]
    assert words in sentence
    assert ("luck of its tuning" in sentence) == (tunings == 1)


@pytest.mark.parametrize(
    ("low", "seeds", "words"), [(0.01, 3, "is met"), (-0.01, 3, "is not met"), (0.01, 2, "is not met")]
)
def test_a_study_may_aim_at_a_gain_over_the_strongest_schedule(low: float, seeds: int, words: str) -> None:
    made = summary(interval(0.1, 0.05, 0.15), strongest="tuned_rates", target=None)
    against = {"gain": interval(0.02, low, 0.04), "probability": interval(0.52, 0.45, 0.6)}
    mine = {"against": {"tuned_rates": against}, "seeds": seeds} | SPREAD
    made["settings"]["held_out"]["policies"]["ppo"] |= mine
    sentence = conclusions(made)[1]
    assert (
        words in sentence and "probability 0.52" in sentence and "the tuned schedule of learning rates is" in sentence
    )
    assert not any("The probability that a run is better" in text for text in conclusions(made))  # once is enough


@pytest.mark.parametrize(
    ("hardest", "above", "words"),
    [
        (interval(0.02, -0.01, 0.05), 1, "not told apart from"),
        (interval(0.02, 0.01, 0.05), 2, "better than"),
        (interval(-0.02, -0.05, -0.01), 1, "worse than"),
    ],
)
def test_the_tunings_of_the_strongest_schedule_are_said_one_by_one(
    hardest: dict[str, Any], above: int, words: str
) -> None:
    """In order, with the verdict on the best of them, which the mean over them may hide."""
    gains = [interval(0.1, 0.05, 0.15), hardest]
    sentence = conclusions(summary(interval(0.06, 0.01, 0.1), by_tuning=gains))[2]
    low, high = hardest["ci95"]
    numbers = f"{hardest['value']:+.3f} [{low:+.3f}, {high:+.3f}]"
    assert f"by itself, in order, ppo gains +0.100 [+0.050, +0.150], {numbers}: it is better" in sentence
    assert f"than {above} of 2. ppo is {words} the best of these tunings" in sentence and sentence.count(numbers) == 2


@pytest.mark.parametrize(
    ("strongest", "words"),
    [
        ("best_schedule", "is better than the tuned schedule for all of them: +0.300"),
        ("tuned_rates", "is not told apart from the tuned schedule of learning rates for all of them: +0.020"),
    ],
)
def test_the_oracle_is_compared_with_the_strongest_schedule(strongest: str, words: str) -> None:
    rival = {"gain": interval(0.02, -0.01, 0.04), "probability": interval(0.52, 0.45, 0.6)}
    made = summary(interval(0.1, 0.05, 0.15), strongest=strongest)
    rows = made["settings"]["held_out"]["policies"]
    rows["oracle"] = row(interval(0.3, 0.2, 0.4), against={"tuned_rates": rival})
    rows["ppo"] |= {"against": {"tuned_rates": rival}, "against_oracle": rival} | SPREAD
    text = "\n".join(conclusions(made))
    assert f"A schedule chosen for each instance {words}" in text
    choice = "the best of 41 candidates, picked with 1 run of each there and 4 runs of each of the best quarter"
    assert f"The learned policy is not told apart from the oracle, which has for each instance {choice}: +0.0" in text
    assert "It is no upper bound: there may be better schedules, and feedback may gain more" in text


def test_instances_drawn_anew_may_leave_a_doubt() -> None:
    sure, unsure = ({"over_instances": [low, 0.3]} for low in (0.02, -0.02))
    assert (
        "([+0.020, +0.300] with instances drawn anew as well)"
        in conclusions(summary(interval(0.1, 0.05, 0.15) | sure))[0]
    )
    assert "which holds 0" in conclusions(summary(interval(0.1, 0.05, 0.15) | unsure))[0]


def test_of_the_other_policies_one_training_is_no_verdict() -> None:
    better = interval(0.1, 0.05, 0.15)
    made = summary(better)
    made["settings"]["held_out"]["policies"] |= {"sac": row(better, trained=True), "rule": row(better, trained=False)}
    text = "\n".join(conclusions(made))
    assert "these are better than the tuned schedule, each by an interval of its own, not corrected" in text
    assert "for their number: rule (" in text and "sac" not in text


def test_the_learned_policy_s_own_read_out_is_among_the_others() -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    rows = {"ppo": row(interval(0.1, 0.05, 0.15), trained=True, seeds=3, **SPREAD)}
    rows["ppo_rates_replay"] = row(interval(0.2, 0.1, 0.3), trained=False, seeds=3)
    made["settings"]["held_out"]["policies"] |= rows
    text = "\n".join(conclusions(made))
    assert "Of the 3 other policies, these are better" in text
    assert "for their number: ppo_rates_replay (+0.200 [+0.100, +0.300])." in text


def test_a_read_out_of_one_training_is_no_verdict_either() -> None:
    """What a controller corrects was tuned, and not trained."""
    better = interval(0.1, 0.05, 0.15)
    made = summary(better)
    rows = {name: row(better, trained=name == "sac") for name in ("sac", "sac_replay", "sac_rates_replay", "sac_base")}
    made["settings"]["held_out"]["policies"] |= rows
    assert "not corrected for their number: sac_base (+0.100 [+0.050, +0.150])." in "\n".join(conclusions(made))


def test_losses_crashes_and_costs_are_said() -> None:
    text = "\n".join(conclusions(summary(interval(-0.1, -0.2, -0.05))))
    assert "0 of 8 with ppo, 2 of 8 with the tuned schedule" in text
    assert "metric that fixed ends at, ppo saves 5 [-1, 9] GAN updates a run: not shown to be above 0" in text
    assert "Against the tuned schedule of learning rates ppo loses most on instance 3 (ring), by 0.400" in text
    assert ", the worst of 4, so in part by chance;" in text
    assert "grows with lr_g" in text and "width" not in text


def test_the_gain_by_data_set_is_said_where_there_are_several() -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    assert "By data set" not in "\n".join(conclusions(made))
    made["failures"]["datasets"]["moons"] = {"instances": 2, "gain": interval(0.1, 0.05, 0.15)}
    words = "over the tuned schedule of learning rates is: ring -0.100 [-0.200, +0.000], moons +0.100 [+0.050, +0.150]."
    assert words in conclusions(made)[-1]


def test_an_ablation_says_what_was_found() -> None:
    gain = interval(-0.2, -0.3, -0.1) | {"over_instances": [-0.4, 0.1]}
    text = "\n".join(
        conclusions(
            summary(interval(0.1, 0, 1), ablations=[{"name": "blind", "varies": "ppo", "gain": gain, "seeds": (2, 3)}])
        )
    )
    assert (
        "blind is worse than ppo: -0.200 [-0.300, -0.100] ([-0.400, +0.100] with instances drawn anew as well, which"
        in text
    )


def test_a_setting_that_the_learned_policy_did_not_play_in_is_said() -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    made["settings"]["far"] = {"policies": {"fixed": row(interval(0, -1, 1))}}
    assert "In the setting far ppo did not play." in conclusions(made)


@pytest.mark.parametrize(
    ("elsewhere", "words"), [(True, "schedule (tuned on the study's"), (False, "schedule: +0.200")]
)
def test_ablations_that_play_in_a_setting_transfer_beside_the_learned_policy(elsewhere: bool, words: str) -> None:
    made = summary(interval(0.1, 0.05, 0.15))
    blind = row(interval(0.2, 0.1, 0.3), ablation=True, trained_elsewhere=elsewhere)
    made["settings"]["far"] = {"policies": {"ppo": row(interval(0.1, 0.05, 0.15)), "blind": blind | {"seeds": 2}}}
    found = conclusions(made)
    assert any("far: ppo is better than the tuned schedule" in sentence for sentence in found)
    assert any(f"far: blind is better than the tuned {words}" in sentence for sentence in found)
    made["settings"]["far"]["policies"]["blind"] = blind
    whom = f"the tuned {words.split(': +')[0]}"
    assert any(f"far: blind against {whom}" in s and "no verdict: +0.200" in s for s in conclusions(made))


def test_what_rests_on_one_training_says_so() -> None:
    assert "All that is said of ppo rests on one training of it" in "\n".join(conclusions(summary(interval(1, 0, 2))))


@pytest.mark.parametrize("seeds", [(1, 2), (2, 1), (1, 1)])
def test_one_training_is_no_verdict(seeds: tuple[int, int]) -> None:
    rows = [{"name": "blind", "varies": "ppo", "gain": interval(-0.2, -0.3, -0.1), "seeds": seeds}]
    text = "\n".join(conclusions(summary(interval(0.1, 0, 1), ablations=rows)))
    assert f"blind against ppo, trainings {seeds[0]} against {seeds[1]}, so no verdict: -0.200" in text


@pytest.mark.parametrize(("runs", "words"), [(0, "took no more GAN updates than finding that"), (70, "after 70 runs")])
def test_when_training_has_paid_for_itself(runs: int, words: str) -> None:
    found = {"runs": runs, "saved_per_run": interval(5, 1, 9), "gain": interval(0, -1, 1)}
    assert any(words in sentence for sentence in conclusions(summary(interval(1, 0, 2), break_even={"fixed": found})))


def test_what_is_saved_by_the_bootstrap_alone_is_said_with_the_t_test() -> None:
    saved = interval(50, 25, 75) | {"t95": (-268.0, 368.0)}
    found = {"runs": None, "saved_per_run": saved, "gain": interval(0, -1, 1)}
    text = "\n".join(conclusions(summary(interval(1, 0, 2), break_even={"fixed": found})))
    numbers = "50 [25, 75] GAN updates a run ([-268, 368] by a t-test, as trainings and tunings are few)"
    assert f"{numbers}: not shown to be above 0" in text


def test_against_what_is_better_there_is_nothing_to_be_paid_back() -> None:
    found = {"runs": None, "saved_per_run": interval(5, 1, 9), "gain": interval(-0.2, -0.3, -0.1)}
    text = "\n".join(conclusions(summary(interval(1, 0, 2), break_even={"fixed": found})))
    assert "ppo ends worse than fixed (-0.200 [-0.300, -0.100]): there is nothing by which" in text
    assert "saves" not in text
