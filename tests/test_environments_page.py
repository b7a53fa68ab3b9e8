"""docs/environments.md says of every id what it is, and docs/extend.md has programs that run."""

import dataclasses
import re
from pathlib import Path

import pytest

import gan_env
from gan_env import ENV_IDS, PRESETS

DOCS = Path(__file__).parents[1] / "docs"
SIDES = re.compile(r"(\d+)x(\d+), (grey|colour)")


def rows() -> dict[str, list[str]]:
    """The table's cells, by id."""
    lines = (DOCS / "environments.md").read_text().split("\n\n")[1].splitlines()[2:]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_the_table_has_every_id() -> None:
    assert set(rows()) == set(ENV_IDS)


@pytest.mark.parametrize("env_id", [i for i, kwargs in ENV_IDS.items() if kwargs])
def test_a_row_says_what_the_environment_is(env_id: str) -> None:
    preset, datasets, samples, budget, metric = rows()[env_id]
    assert preset == ENV_IDS[env_id]["preset"]
    config = PRESETS[preset]
    assert tuple(datasets.split(", ")) == config.datasets
    assert budget == f"{config.num_decisions} x {config.updates_per_decision}"
    if found := SIDES.fullmatch(samples):
        assert found[1] == found[2] == str(config.image_size)
    assert (samples, metric)[found is not None] in ("2-D points", "Frechet distance")


def test_every_version_of_an_id_has_a_row() -> None:
    versions = {env_id.rpartition("-")[2] for env_id in ENV_IDS}
    table = (DOCS / "environments.md").read_text().split("## Versions")[1]
    assert versions <= set(re.findall(r"^\| (v\d+) \|", table, re.MULTILINE))


@pytest.mark.usefixtures("tables_as_they_were")
def test_the_programs_of_the_page_on_own_additions_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other; without compiling."""
    for name in ("points", "fashion_mnist"):
        small = dataclasses.replace(PRESETS[name], compile=False, updates_per_decision=1, metric_samples=64)
        monkeypatch.setitem(PRESETS, name, small)
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "extend.md").read_text()
    functions = [name for name in gan_env.__all__ if name.startswith(("register_", "save_"))]
    assert [name for name in functions if f"gan_env.{name}(" not in page] == []
    names: dict[str, object] = {}
    for program in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(program, names)
