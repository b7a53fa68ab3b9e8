"""Cells of a report's tables."""

from studies import comparison, row

from agents.page.tables import RESULT_NOTES, cost_table, result_table
from agents.study.records import Cost


def cells(table: str) -> list[list[str]]:
    """Header and rows of a table in Markdown."""
    header, _, *rows = table.splitlines()
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in (header, *rows)]


def test_costs_of_finding_and_playing_are_shown_and_what_is_not_known_is_left_empty() -> None:
    rows = {"ppo": row(0.0, found=Cost(1000.0, 20.0, 300.0), played=Cost(None, 1.5, 400.0)), "fixed": row(1.0)}
    table = cells(cost_table(rows))
    header = ["GAN updates to find", "wall s to find", "peak MiB to find", "wall s to play", "peak MiB to play"]
    assert [cells[-5:] for cells in table] == [header, ["1,000", "20", "300", "1.5", "400"], ["", "", "", "2.0", ""]]


def test_results_are_in_order_and_every_comparison_has_a_column_of_its_own() -> None:
    usual, rates = comparison(2.0, -1.0, 1.0), comparison(0.25, 0.1, 0.4, over_instances=None)
    rows = {
        "best_schedule": row(0.0, seeds=2, against={"tuned_rates": comparison(-0.5, -1.0, 0.0)}),
        "ppo": row(
            -2.0,
            against={
                "best_schedule": usual,
                "tuned_rates": rates,
                "oracle": comparison(),
                "ppo_replay": comparison(0.125, 0.0, 1.0, over_instances=None),
            },
        ),
        "ppo_replay": row(1.0),
        "tuned_rates": row(-1.0, spread_over_seeds=0.5, against={"best_schedule": comparison()}),
    }
    header, *lines = cells(result_table(rows, ["best_schedule", "tuned_rates", "tuned_r3gan"]))
    found = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert list(found) == ["ppo", "tuned_rates", "best_schedule", "ppo_replay"]
    assert found["ppo"] == {
        "policy": "ppo", "seeds": "1", "runs": "8", "final IQM": "-2.000 [-2.500, -1.500]", "best IQM": "-2.000",
        "gain over best_schedule": "+2.000 [-1.000, +1.000] ([-1.000, +1.000])",
        "P over best_schedule": "0.80 [0.70, 0.90] ([0.65, 0.95])",
        "gain over tuned_rates": "+0.250 [+0.100, +0.400]", "P over tuned_rates": "0.80 [0.70, 0.90] ([0.65, 0.95])",
        "over its replay": "+0.125 [+0.000, +1.000]", "spread over seeds": "", "spread over GAN seeds": "0.250",
    }  # fmt: skip
    assert [found["tuned_rates"][c] for c in ("gain over tuned_rates", "over its replay")] == ["", ""]
    assert found["best_schedule"]["gain over best_schedule"] == ""


def test_what_the_columns_of_results_mean_is_said() -> None:
    names = ("best_schedule", "ppo_replay", "ppo_rates_replay")
    rows = {"ppo": row(against=dict.fromkeys(names, comparison())), **dict.fromkeys(names, row())}
    header, *_ = cells(result_table(rows, ["best_schedule"]))
    words = [title.split(" best_schedule")[0] for title in header[3:]]
    said = " ".join(RESULT_NOTES)
    assert [w for w in words if w not in said and w.removeprefix("over its ") not in said] == []
