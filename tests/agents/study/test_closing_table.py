"""The table that ends a study: gains elsewhere are the learned policy's."""

from dataclasses import replace

from studies import comparison, row, summary

from agents.study.closing_table import closing_table
from agents.study.options import HELD_OUT
from agents.study.records import SettingSummary
from gan_env.evaluation.intervals import FEW


def test_a_setting_without_the_learned_policy_has_no_line() -> None:
    """As in experiment=points, where one setting is for a controller of three shapes alone."""
    found = summary()
    for name, player in (("longer", "ppo"), ("unseen_shapes", "three_shapes")):
        mine = {player: row(against={"best_schedule": comparison(0.25)}), "best_schedule": row()}
        found.settings[name] = SettingSummary("a distance", mine)
    lines = closing_table(found, FEW).splitlines()
    assert lines[-2:] == [
        "Gains of PPO on held-out instances elsewhere:",
        "longer: over tuned schedule +0.250 [+0.500, +1.500]",
    ]


def test_with_one_run_an_instance_the_interval_of_the_iqm_is_for_new_instances() -> None:
    for spread, said in ((None, "IQM: likewise;"), (0.1, "IQM: for these instances;")):
        found = summary()
        for name, one in found.settings[HELD_OUT].rows.items():
            found.settings[HELD_OUT].rows[name] = replace(one, spread_over_gan_seeds=spread)
        assert said in closing_table(found, FEW)


def test_of_few_instances_the_table_says_that_its_verdicts_are_too_sure() -> None:
    found = summary()
    assert not closing_table(found, FEW).endswith(f"at least {FEW}.")
    assert closing_table(found, 2).endswith(
        f"Few instances, 2: intervals are too narrow, verdicts too sure. Play at least {FEW}."
    )
