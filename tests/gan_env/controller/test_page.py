"""docs/controller_reference.md says all that can be shown and asked for."""

import re
from pathlib import Path

from gan_env.controller.arguments import ARGUMENTS, needed, source
from gan_env.controller.player import find_player
from gan_env.mdp.knobs import knob_table
from gan_env.mdp.probe import fields_read
from gan_env.mdp.statistics import statistics
from gan_env.policies.presets import policy_names, shipped_controllers

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


def test_the_table_has_every_policy_with_what_it_moves_and_needs() -> None:
    """Where a row has several, their knobs are apart by a semicolon, or the same."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for names, rest in rows("Policies").items():
        _, moved, needs = rest.split("|")
        policies = re.findall(r"`([\w/]+)`", names)
        each = moved.split(";") if ";" in moved else [moved] * len(policies)
        found |= {name: (named(knobs), named(needs)) for name, knobs in zip(policies, each, strict=True)}
    offered = [*shipped_controllers(), *policy_names()]
    assert set(found) == {name for name in offered if not name.startswith(("random", "tuned/"))}
    for name, said in found.items():
        player = find_player(name, 10_000)
        assert said == (set(player.moves), {*map(source, needed(player.fields))} - {"gradients"}), name


def test_the_table_has_every_knob() -> None:
    assert set().union(*map(named, rows("More than learning rates"))) == set(knob_table())
