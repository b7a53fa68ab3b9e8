"""Cells of a report's tables."""

from agents.report_tables import cost_table

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
