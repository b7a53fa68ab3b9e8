"""What generated pages are made of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Pages = dict[str, str | bytes]
"""Path below docs/generated -> what the file holds."""


def page(*parts: str) -> str:
    """A page of these paragraphs; empty ones are left out."""
    return "\n\n".join(filter(None, parts)) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def facts_table(facts: Mapping[str, str]) -> str:
    """A table of name and value; what has none is left out."""
    return table(("", ""), ((name, value) for name, value in facts.items() if value))


def sources(text: str) -> str:
    """A source whose arXiv numbers are links."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def index(folder: str, title: str, text: str, head: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> Pages:
    """The first page of a folder: a table with a link to each of its pages, in the order of `rows`."""
    linked = ([f"[{name}]({name}.md)", *cells] for name, cells in rows.items())
    return {f"{folder}/index.md": page(f"# {title}", text, table(head, linked), toctree(rows))}


def toctree(names: Iterable[str], caption: str = "") -> str:
    """Puts pages in the site's menu, below this one, or below a caption."""
    head = "```{toctree}\n:hidden:" + (f"\n:caption: {caption}" if caption else "")
    return page(head, "\n".join(names) + "\n```").rstrip()


def figure(file: str, what: str) -> str:
    """A picture; `what` it shows is for readers who can't see it."""
    return f"```{{image}} {file}\n:alt: {what}\n:class: drawn\n```"


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
