"""The programs of examples/: a list of them, and first_steps.py as a notebook whose cells are run here.

It is in the percent format that editors and jupytext know: `# %%` begins a cell, `# %% [markdown]` one of text. No
Jupyter is needed to run it.
"""

import ast
import base64
import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from generator.markdown import Pages, figure, page, sentence, table

FOLDER = Path(__file__).parents[2] / "examples"
PROGRAM = FOLDER / "first_steps.py"


def examples_page() -> Pages:
    """All programs, by the first line of each."""
    text = (
        "Programs of the repository that run as they stand, each in less than a minute on two cores but for "
        "`loops/compare.py`, a study of hours: `python examples/first_steps.py`. [First steps](first_steps.md) is here "
        "with its output; what those for RL libraries have to mind is on [their page](../libraries.md), for loops of "
        "one's own on [theirs](../your_own_gan.md)."
    )
    rows = []
    for path in sorted(sorted(FOLDER.rglob("*.py")), key=lambda path: len(path.parents)):
        head = ast.get_docstring(ast.parse(path.read_text())) or ""
        if "`python examples/" not in head:  # it is no program
            continue
        first = head.splitlines()[0]
        rows.append((f"`{path.relative_to(FOLDER).as_posix()}`", sentence(re.split(r"[:.] `python", first)[0])))
    return {"examples.md": page("# Examples", text, table(("program", "what it does"), rows))}


@dataclass
class Cell:
    """A cell and what came out of it.

    Attributes:
        source: Markdown, or Python.
        printed: by the code.
        picture: the value of its last line where that is a picture, as a PNG file.
    """

    is_text: bool
    source: str
    printed: str = ""
    picture: bytes | None = None


def cells_of(program: str) -> list[Cell]:
    """The cells of a program in the percent format; what is above the first is left out."""
    found = []
    for head, body in re.findall(r"^# %%([^\n]*)\n(.*?)(?=^# %%|\Z)", program, re.DOTALL | re.MULTILINE):
        is_text = head.strip() == "[markdown]"
        body = re.sub(r"^# ?", "", body, flags=re.MULTILINE) if is_text else body
        found.append(Cell(is_text, body.strip()))
    return found


def run(cells: list[Cell]) -> None:
    """Runs the code, cell after cell in one session, as a notebook does."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        if not cell.is_text:
            body, printed = ast.parse(cell.source).body, io.StringIO()
            last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
            with redirect_stdout(printed):
                exec(compile(ast.Module(body, []), PROGRAM.name, "exec"), names)
                value = eval(compile(ast.Expression(last.value), PROGRAM.name, "eval"), names) if last else None
            cell.printed, cell.picture = printed.getvalue(), _png(value)


def _png(value: Any) -> bytes | None:
    if not isinstance(value, Image.Image):
        return None
    file = io.BytesIO()
    value.quantize(64).save(file, format="png", optimize=True)
    return file.getvalue()


def notebook_pages() -> Pages:
    """The page, its pictures and the notebook."""
    cells = cells_of(PROGRAM.read_text())
    run(cells)
    download = "This page is a notebook: {download}`first_steps.ipynb`. It was run when the site was built."
    pages: Pages = {"first_steps.ipynb": as_notebook(cells)}
    parts = []
    for index, cell in enumerate(cells):
        parts.append(cell.source if cell.is_text else f"```python\n{cell.source}\n```")
        if cell.printed:
            parts.append(f"```text\n{cell.printed.rstrip()}\n```")
        if cell.picture:
            pages[f"first_steps_{index}.png"] = cell.picture
            parts.append(figure(f"first_steps_{index}.png", "What the cell above shows"))
    pages["first_steps.md"] = page(parts[0], download, *parts[1:])
    return pages


def as_notebook(cells: list[Cell]) -> str:
    """A notebook file (nbformat 4.5), with the output."""
    made = []
    for index, cell in enumerate(cells):
        kind: dict[str, Any] = {"cell_type": "markdown"}
        if not cell.is_text:
            outputs: list[dict[str, Any]] = []
            if cell.printed:
                outputs.append({"output_type": "stream", "name": "stdout", "text": cell.printed})
            if cell.picture:
                data = {"image/png": base64.b64encode(cell.picture).decode()}
                outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
            kind = {"cell_type": "code", "execution_count": None, "outputs": outputs}
        made.append({"id": f"cell-{index}", "metadata": {}, "source": cell.source, **kind})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}
    return json.dumps(whole, indent=1) + "\n"
