"""Cells of a report's tables."""

from typing import Any

from summaries import interval

from agents.page.tables import RESULT_NOTES, cost_table, result_table

MEASURED = {"found_gan_updates": 1000.0, "found_wall_s": 20.0, "found_peak_mb": 300.0}
MEASURED |= {"play_wall_s": 1.5, "play_peak_mb": 400.0}


def test_costs_of_finding_and_playing_are_shown_and_what_is_not_known_is_left_empty() -> None:
    row = {"crashes": 0, "crash_rate": 0.0, "collapse_rate": 0.0, "reached_target": 1.0, "updates_to_target": 5.0}
    rows = {
        "ppo": {**row, "iqm": 0.0, **MEASURED},
        "fixed": {**row, "iqm": 1.0, **dict.fromkeys(MEASURED), "play_wall_s": 2.0},
    }
    table = cost_table(rows)
    header = ["GAN updates to find", "wall s to find", "peak MiB to find", "wall s to play", "peak MiB to play"]
    assert list(table.header[-5:]) == header
    assert [list(cells[-5:]) for cells in table.rows] == [["1,000", "20", "300", "1.5", "400"], ["", "", "", "2.0", ""]]


def ended(iqm: float, **more: Any) -> dict[str, Any]:
    """A policy's row that ends at `iqm`."""
    compared = {"gain": interval(-iqm, -1, 1), "probability": interval(0.6, 0.5, 0.7)}
    spreads = {"spread_over_seeds": None, "spread_over_gan_seeds": 0.25}
    best = {"best": interval(iqm - 1, -9, 9), "iqm": iqm, "ci95": [iqm - 0.5, iqm + 0.5]}
    return {"seeds": 2, "n": 8, "against": {}, **best, **compared, **spreads, **more}


def test_results_are_in_order_and_every_comparison_has_a_column_of_its_own() -> None:
    rates = {"gain": interval(0.25, 0.1, 0.4), "probability": interval(0.75, 0.6, 0.9)}
    rows = {
        "best_schedule": ended(0.0, against={"tuned_rates": {**rates, "gain": interval(-0.5, -1, 0)}}),
        "ppo": ended(-2.0, against={"tuned_rates": rates}, feedback={"gain": interval(0.125, 0, 1)}),
        "tuned_rates": ended(-1.0, spread_over_seeds=0.5),
    }
    table = result_table(rows)
    cells = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert list(cells) == ["ppo", "tuned_rates", "best_schedule"]
    assert cells["ppo"] == {
        "policy": "ppo", "seeds": "2", "runs": "8", "final IQM": "-2.000 [-2.500, -1.500]", "best IQM": "-3.000",
        "gain over best_schedule": "+2.000 [-1.000, +1.000]", "P over best_schedule": "0.60 [0.50, 0.70]",
        "gain over tuned_rates": "+0.250 [+0.100, +0.400]", "P over tuned_rates": "0.75 [0.60, 0.90]",
        "over its replay": "+0.125 [+0.000, +1.000]", "spread over seeds": "", "spread over GAN seeds": "0.250",
    }  # fmt: skip
    assert [cells["tuned_rates"][c] for c in ("gain over tuned_rates", "over its replay")] == ["", ""]
    assert [cells["best_schedule"][c] for c in table.header[5:8]] == ["", "", "-0.500 [-1.000, +0.000]"]


def test_what_the_columns_of_results_mean_is_said() -> None:
    feedback = {"gain": interval(0, 0, 0)}
    table = result_table({"ppo": ended(0.0, feedback=feedback, feedback_beyond_rates=feedback, over_base=feedback)})
    words = [title.split(" best_schedule")[0] for title in table.header[3:]]
    said = " ".join(RESULT_NOTES)
    assert [w for w in words if w not in said and w.removeprefix("over its ") not in said] == []
