"""Programs that a reader would copy run, and print the figures that stand beside them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


def section(page: str, heading: str) -> str:
    return (ROOT / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.usefixtures("clothes")
def test_the_distances_of_real_images_are_those_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To a hundredth, or to the last digit that is shown: another processor rounds otherwise."""
    monkeypatch.chdir(ROOT)
    exec(PROGRAM.findall((ROOT / "docs/images.md").read_text())[0], {})
    table = section("docs/images.md", "How near to the data?").split("| real images | distance |\n|---|---|\n")[1]
    rows = [line.split("|")[2] for line in table.split("\n\n")[0].splitlines()]
    shown = [float(number) for row in rows for number in re.findall(r"\d+\.\d", row)]
    printed = [float(number) for number in re.findall(r"\d+\.\d", capsys.readouterr().out)]
    assert len(shown) == 8
    assert [x for x in shown if not any(abs(x - y) <= max(0.1001, 0.01 * x) for y in printed)] == []
