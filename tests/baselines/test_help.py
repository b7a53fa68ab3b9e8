"""`--help` of every program says what each option means."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import call

from baselines.help import described, help_text, meanings
from baselines.search.tuner import TuneOptions
from gan_env.config import EnvConfig

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("agents", "baselines")
    for path in (ROOT / folder).glob("*.py")
    if "__main__" in path.read_text()
)
WITH_HYDRA = [name for name in PROGRAMS if "argparse" not in (ROOT / name).read_text()]


def options(text: str) -> Iterator[tuple[str, str]]:
    """Each option of a help text, and what stands below it."""
    lines = text.partition("\nOptions:")[2].splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("  ") and not line.startswith("   "):
            yield line.strip(), below.strip()


@pytest.mark.parametrize("program", WITH_HYDRA)
def test_every_option_has_its_meaning_below_it(program: str) -> None:
    done = call(program, "--help")
    assert done.returncode == 0, done.stderr
    found = list(options(done.stdout))
    assert len(found) > 10
    assert [name for name, below in found if not below or "=" in below.split()[0]] == []


@pytest.mark.parametrize("program", sorted({*PROGRAMS} - {*WITH_HYDRA}))
def test_every_argument_of_the_other_programs_has_its_meaning(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking: list[str] = []
    add = argparse.ArgumentParser.add_argument

    def noting(parser: Any, *names: str, **fields: Any) -> Any:
        lacking.extend(names if not fields.get("help") else ())
        return add(parser, *names, **fields)

    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", noting)
    done = call(program, "--help")
    assert done.returncode == 0 and "usage:" in done.stdout
    assert lacking == []


def test_values_are_those_of_the_command_line() -> None:
    shown = dict(options(call("baselines/tune.py", "budget=7", "env=fashion_mnist", "--help").stdout))
    assert "budget=7" in shown and "env.datasets=[fashion_mnist]" in shown
    assert "folder=logs/tune/fashion_mnist" in shown


@pytest.mark.parametrize(
    ("program", "given", "others"),
    [
        ("agents/compare.py", [], "or ablation, carry_over, few_images, images, images_16, learners, steps"),
        ("baselines/run.py", ["+experiment=plan"], "or r3gan, wgan_gp"),
    ],
)
def test_a_program_offers_the_experiments_that_it_can_run(program: str, given: list[str], others: str) -> None:
    """Those whose options and groups it has; `family` and `own_loop` are for trainings."""
    lines = call(program, *given, "--help").stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("  experiment="))
    assert lines[place + 1].strip() == others


def test_meanings_are_those_of_the_class_and_of_its_bases() -> None:
    class Base:
        """A base.

        Attributes:
            first, second: both
                of them.
            kind: of the base: the old.
        """

    class Own(Base):
        """Its own.

        Attributes:
            kind: the new: own.

        Raises:
            ValueError: never.
        """

    assert meanings(Own) == {"first": "both of them.", "second": "both of them.", "kind": "the new: own."}


def test_mappings_have_the_meanings_of_their_dataclass() -> None:
    found = {name: meaning for name, _, meaning in described(TuneOptions(), {"env": {"latent_dim": 3}, "budget": 1})}
    assert found == {"env.latent_dim": meanings(EnvConfig)["latent_dim"], "budget": meanings(TuneOptions)["budget"]}


def test_a_long_value_is_cut() -> None:
    text = help_text("p.py", "What it does.", TuneOptions(), {"kind": "x" * 1000}, {"env": "points"})
    assert max(map(len, text.splitlines())) < 300
