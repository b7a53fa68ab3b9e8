"""README.md and the page on programs: short, programs run and print what stands below them, figures stand in one page.

The commands of all pages are read by the programs themselves, as far as `--help` goes.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from plain_names import of_a_loop
from programs import call
from trainings import tiny

from agents.learning.controllers import train
from agents.learning.run_folder import RunFolder
from gan_env import ENV_IDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = ROOT / "docs/train_and_compare.md"
FINDINGS = (
    "carry_over.md", "learning_rates.md", "regularisers.md", "results/images/report.md", "results/points/report.md",
    "step_size.md", "train_and_compare.md", "worth.md",
)  # fmt: skip
"""Pages of docs/ that have the figures of the README's findings."""
MOST_WORDS = 700
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = sorted(path for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"] if "```sh\n" in path.read_text())
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"^(?:\w+=\S+ )?python ((?:agents|baselines)/.*)", re.MULTILINE)
NUMBER = re.compile(r"[+-]?\d+\.\d+")


def words(page: str) -> int:
    """Words of prose and tables: no code blocks, no comments, no pictures, and of a link its text alone."""
    page = re.sub(r"```.*?```|<!--.*?-->|<img .*?>|!\[.*?\]\(.*?\)", "", page, flags=re.DOTALL)
    page = re.sub(r"\]\([^)]*\)", "]", page)
    return sum(any(letter.isalnum() for letter in word) for word in page.split())


def commands(page: str) -> list[list[str]]:
    """Each program of agents/ and baselines/ in the shell blocks, as words.

    But those of earlier code, whose block checks it out, and those with variables of the shell.
    """
    blocks = [block.replace("\\\n", " ") for block in SHELL.findall(page) if "git checkout" not in block]
    lines = [line for block in blocks for line in COMMAND.findall(block) if "$" not in line]
    return [shlex.split(line, comments=True) for line in lines]


def test_it_has_at_most_so_many_words() -> None:
    page = "One [two](no) `three`\n| four | 5 [6, 7] |\n|---|---|\n```sh\nno\n``` <!-- no --> - ![no](no)"
    assert words(page) == 7
    assert words(README) <= MOST_WORDS


def test_the_first_program_prints_what_stands_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Its words and the first distance exactly; what training rounds to depends on the processor."""
    program, printed = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)[0]
    uncompiled = program.replace("num_decisions=4", "compile=False, num_decisions=4")
    assert uncompiled != program
    exec(uncompiled, {})
    said = capsys.readouterr().out
    assert NUMBER.sub("x", said) == NUMBER.sub("x", printed)
    assert said.splitlines()[0] == printed.splitlines()[0]
    numbers = [float(x) for x in NUMBER.findall(said)]
    assert numbers == pytest.approx([float(x) for x in NUMBER.findall(printed)], abs=0.25)


def test_the_programs_after_it_run() -> None:
    _, *others = PROGRAM.findall(README)
    assert others
    for program in others:
        names = of_a_loop()
        exec(program, names)
        assert names["control"].report()


def test_the_program_that_plays_a_trained_controller_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    train("ppo", tiny("ppo"), RunFolder(tmp_path / "logs/ppo/gan_env-Points-v1_1", "controller"))
    monkeypatch.chdir(tmp_path)
    (program,) = PROGRAM.findall(COMMANDS.read_text())
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["episodes"].final.shape == (16,)


def test_figures_with_an_interval_stand_in_a_page_that_says_where_they_come_from() -> None:
    """In one line there; without signs, which sentences replace by words."""
    findings = README.split("## Findings\n")[1].split("\n## ")[0]
    figures = re.findall(r"(-?\d[\d.]*) (\[-?\d[\d.]*, \d[\d.]*\])", findings)
    lines = [line.replace("+", "") for page in FINDINGS for line in (ROOT / "docs" / page).read_text().splitlines()]
    assert len(figures) >= 3
    for value, interval in figures:
        assert any(value in line and interval in line for line in lines), (value, interval)


def test_the_table_has_every_id() -> None:
    table = README.split("## Environments\n")[1].split("\n## ")[0]
    assert {*re.findall(r"\w+-v\d+", table)} == {name.removeprefix("gan_env/") for name in ENV_IDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_programs_take_the_options_of_their_commands(page: Path, tmp_path: Path) -> None:
    """Folders of earlier runs and a reader's own files are not there, and are left out; what is committed is."""
    for program, *arguments in commands(page.read_text()):
        known = [word for word in arguments if not re.search(r"=logs/|=FOLDER|my_module|mine.yaml", word)]
        known = [re.sub("=(?=docs/|configs/)", f"={ROOT}/", word) for word in known]
        done = call(program, *known, "--help", folder=tmp_path)
        assert done.returncode == 0, (program, arguments, done.stderr)
        assert done.stdout.startswith("usage: "), program


def test_a_program_refuses_an_option_that_it_does_not_have(tmp_path: Path) -> None:
    """So the test above can fail; and it finds commands."""
    assert len(commands(README)) >= 2 and len(commands(COMMANDS.read_text())) > 20
    done = call("baselines/run.py", "policy=cosine", "episode=64", "--help", folder=tmp_path)
    assert done.returncode == 1 and "did you mean episodes?" in done.stderr
