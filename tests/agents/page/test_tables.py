"""Cells of a report's tables."""

from studies import comparison, row, summary

from agents.page.tables import (
    RESULT_NOTES,
    ablation_table,
    cost_table,
    failure_table,
    learners_table,
    rivals_table,
    setting_table,
)
from agents.study.records import Cost


def cells(table: str) -> list[list[str]]:
    """Header and rows of a table in Markdown."""
    header, _, *rows = table.splitlines()
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in (header, *rows)]


def test_costs_of_finding_and_playing_are_shown_and_what_is_not_known_is_left_empty() -> None:
    rows = {"ppo": row(0.0, found=Cost(1000.0, 20.0, 300.0), played=Cost(None, 1.5, 400.0)), "fixed": row(1.0)}
    table = cells(cost_table(rows))
    header = ["GAN updates to find", "seconds to find", "peak MiB to find", "seconds to play", "peak MiB to play"]
    assert [cells[-5:] for cells in table] == [header, ["1,000", "20", "300", "1.5", "400"], ["", "", "", "2.0", ""]]


def test_the_learned_policy_is_compared_with_everything_that_is_not_learned() -> None:
    """The best opponent first; other learners have a table of their own."""
    usual, rates = comparison(2.0, 1.0, 3.0), comparison(-0.25, -0.4, -0.1, over_instances=None)
    rows = {
        "best_schedule": row(0.0, seeds=2),
        "ppo": row(-2.0, against={"best_schedule": usual, "tuned_rates": rates}),
        "sac": row(-1.5),
        "tuned_rates": row(-3.0, told="the rates"),
    }
    header, *lines = cells(rivals_table(rows, "ppo"))
    assert header == ["opponent", "PPO's metric is", "P(better)", "gain over it", "final", "runs"]
    assert lines == [
        ["tuned rates (told the rates)", "28 % higher [11, 49]", "0.80 [0.70, 0.90] ([0.66, 0.95])",
         "-0.250 [-0.400, -0.100]", "-3.000 [-3.500, -2.500]", "8"],
        ["tuned schedule", "86 % lower [63, 95]", "0.80 [0.70, 0.90] ([0.66, 0.95])",
         "+2.000 [+1.000, +3.000] ([+1.000, +3.000])", "0.000 [-0.500, 0.500]", "8"],
    ]  # fmt: skip


def test_learners_are_compared_with_the_best_opponent_and_with_their_mean_trajectory() -> None:
    mean = comparison(0.125, 0.0, 1.0, over_instances=None)
    rows = {
        "ppo": row(
            -2.0, seeds=5, spread_over_seeds=0.5,
            against={"best_schedule": comparison(), "ppo_replay": mean, "ppo_yoked": mean},
        ),
        "ppo_yoked": row(-2.0, against={"ppo_replay": comparison(0.5, 0.25, 1.0, over_instances=None)}),
        "maml": row(-2.5, against={"best_schedule": comparison(0.5)}),
        "best_schedule": row(),
    }  # fmt: skip
    header, *lines = cells(learners_table(rows, ["ppo", "maml"], "best_schedule"))
    assert header[3] == "gain over tuned schedule"
    assert [[line[0], *line[6:]] for line in lines] == [
        ["MAML", "", "", "", "1", "", "0.250"],
        ["PPO", "+0.125 [+0.000, +1.000]", "+0.500 [+0.250, +1.000]", "+0.125 [+0.000, +1.000]", "5", "0.500", "0.250"],
    ]


def test_in_a_setting_all_are_compared_with_the_tuned_schedule_constants_and_the_learned_policy() -> None:
    rows = {
        "ppo": row(-1.0, against={"fixed": comparison(0.75), "best_schedule": comparison(0.25)}),
        "best_schedule": row(against={"fixed": comparison(0.5)}),
        "fixed": row(1.0, crashes=3, against={"best_schedule": comparison(-0.5)}),
    }
    header, *lines = cells(setting_table(rows, "ppo"))
    assert header[3:6] == ["gain over tuned schedule", "gain over constants", "PPO's gain over it"]
    assert [line[:1] + line[-1:] for line in lines] == [["PPO", "0"], ["tuned schedule", "0"], ["constants", "3"]]
    assert lines[1][1:4] == ["", "", ""] and lines[2][1].startswith("65 % higher")
    assert [line[4][:6] for line in lines] == ["+0.750", "+0.500", ""]  # over constants
    assert [line[5][:6] for line in lines] == ["", "+0.250", "+0.750"]  # of PPO


def test_a_setting_may_lack_the_learned_policy() -> None:
    _, line = cells(setting_table({"best_schedule": row()}, "ppo"))
    assert line[3:6] == ["", "", ""]


def test_a_variant_is_compared_with_what_it_varies() -> None:
    rows = {"ppo": row(seeds=5), "time_only": row(1.0, seeds=2, against={"ppo": comparison(-0.5)})}
    _, line = cells(ablation_table(rows, {"time_only": "ppo"}))
    assert line[:2] == ["sees time only", "PPO"] and line[-1] == "2 against 5"


def test_failures_say_what_kind_of_instance_it_was_in_plain_words() -> None:
    header, line = cells(failure_table(summary().failures, "ppo", "best_schedule"))
    assert not any("_" in cell for cell in (*header, *line))
    assert {"data set", "G's learning rate", "samples", "PPO", "tuned schedule"} < set(header)
    assert line[1:3] == ["photographs of faces", "non saturating"] and "-0.400" in line


def test_what_the_columns_mean_is_said() -> None:
    said = " ".join(RESULT_NOTES)
    assert [word for word in ("Final", "Gain", "In per cent", "P(better)", "Spread") if word not in said] == []
