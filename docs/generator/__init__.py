"""Writes the pages of docs/generated: what tables and programs say of themselves, so that no page can go stale."""

from pathlib import Path

from generator.environment import environment_page, knob_pages, preset_pages, reward_pages, statistic_pages
from generator.examples import examples_page, notebook_pages
from generator.markdown import Pages
from generator.policies import rule_pages, schedule_pages
from generator.programs import program_pages
from generator.project import project_pages
from generator.reference import api_page
from generator.results import results_page

PARTS = (
    notebook_pages,
    examples_page,
    environment_page,
    preset_pages,
    knob_pages,
    statistic_pages,
    reward_pages,
    schedule_pages,
    rule_pages,
    program_pages,
    results_page,
    api_page,
    project_pages,
)
"""Each gives path below docs/generated -> what the file holds."""


def write_pages(folder: Path) -> None:
    """Writes all pages and pictures; a file that says the same already keeps its time, and others are deleted."""
    pages: Pages = {}
    for part in PARTS:
        pages |= part()
    for name, content in pages.items():
        path, data = folder / name, content.encode() if isinstance(content, str) else content
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()
