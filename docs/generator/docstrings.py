"""Docstrings are in Markdown with Google's sections; autodoc wants reStructuredText."""

import re
from collections.abc import Iterator
from typing import Any

_CODE = re.compile(r"(`[^`]+`)")
_EMPHASIS = re.compile(r"(\*\w[^*`|]*\w\*)")


def to_restructured_text(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A handler of `autodoc-process-docstring`: rewrites the lines where they are."""
    whole = re.sub(r"`[^`]+`", lambda found: " ".join(found[0].split()), "\n".join(lines))  # none over two lines
    lines[:] = list(_blocks(whole.split("\n")))


def _blocks(lines: list[str]) -> Iterator[str]:
    """Tables become list tables, headings bold lines, examples stay as they are, all else is text."""
    table: list[str] = []
    example = False
    for line in [*lines, ""]:
        text = line.strip()
        if text.startswith("|"):
            table.append(line)
            continue
        if table:
            yield from _table(table)
            table = []
        example = bool(text) and (example or text.startswith(">>>"))
        if text.startswith("## "):
            yield from ("", f"**{text[3:]}**", "")
        else:
            yield line if example else _text(line)


def _table(rows: list[str]) -> Iterator[str]:
    indent = rows[0][: len(rows[0]) - len(rows[0].lstrip())]
    yield from ("", f"{indent}.. list-table::", f"{indent}   :header-rows: 1", "")
    for row in [row for row in rows if set(row.strip()) - set("|-: ")]:
        for place, cell in enumerate(row.strip().strip("|").split("|")):
            yield f"{indent}   {'*' if place == 0 else ' '} - {_text(cell.strip())}"
    yield ""


def _text(line: str) -> str:
    """Code spans get their second backtick; characters that would mean something else are escaped."""
    parts = _CODE.split(line)
    text = ""
    for index, part in enumerate(parts):
        if index % 2:
            text += f"`{part}`" + ("\\ " if parts[index + 1][:1].isalnum() else "")  # a letter may follow a span
        else:
            text += _escaped(part)
    return text


def _escaped(text: str) -> str:
    parts = _EMPHASIS.split(text)
    plain = [re.sub(r"([|]|(?<!\*)\*(?!\*)|(?<=\w)_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
    return "".join(part for pair in zip(plain, [*parts[1::2], ""], strict=True) for part in pair)
