"""docs/controller_reference.md says all that can be shown and asked for."""

import re
from pathlib import Path

from gan_env.controller.arguments import ARGUMENTS, needed, source
from gan_env.mdp.knobs import knob_table
from gan_env.mdp.probe import fields_read
from gan_env.mdp.statistics import statistics

PAGE = (Path(__file__).parents[3] / "docs/controller_reference.md").read_text()


def rows(heading: str) -> dict[str, str]:
    """First cell -> the rest, of the table below a heading."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| (`.*?) \|(.*)\|$", section, re.MULTILINE))


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_the_table_has_every_argument_and_the_statistics_that_need_it() -> None:
    table = rows("What `observe` takes")
    assert set().union(*map(named, table)) == set(ARGUMENTS)
    reads = {s.name: {*map(source, needed(fields_read({s.name: s.compute}, 0)))} for s in statistics([], [])}
    for arguments, rest in table.items():
        need = {statistic for statistic, read in reads.items() if read & named(arguments)}
        assert named(rest.rpartition("|")[2]) == need


def test_the_table_has_every_knob() -> None:
    assert set().union(*map(named, rows("More than learning rates"))) == set(knob_table())
