"""The pieces of a page in Markdown."""

from collections.abc import Iterable, Sequence

FIGURES = "figures"
"""Folder of the pictures next to a page in Markdown."""


def bullets(items: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {item}" for item in items)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, marks, *rows))


def picture(name: str, caption: str) -> str:
    """A picture, `FIGURES`/NAME.png, with its caption."""
    return f"![{caption}]({FIGURES}/{name}.png)\n\n*{caption}*"


def code(text: str) -> str:
    """Commands or a file."""
    return f"```\n{text}\n```"
