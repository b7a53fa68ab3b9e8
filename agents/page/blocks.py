"""A page from blocks: as one self-contained HTML file, and as Markdown with its pictures beside it."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid #e4e4e4}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:#fff}
figure{margin:1.2rem 0}img{max-width:min(100%,40rem);height:auto}figcaption,.note{font-size:.85rem;color:#555}
pre{overflow-x:auto;background:#f5f5f5;padding:.6rem}
"""


@dataclass(frozen=True)
class Heading:
    """A section's heading."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; the first column is text, the others are numbers as text."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG with the name of its file, and what it shows."""

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Code:
    """Commands or a file, as they are."""

    text: str


Block = Heading | Text | Points | Table | Picture | Code


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """One file that needs no other: pictures are in it, and nothing is loaded from anywhere."""
    body = "\n".join(map(_html, blocks))
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    name = html.escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{name}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{name}</h1>\n{body}\n</body></html>\n"
    )


def to_markdown(title: str, blocks: Sequence[Block], folder: str) -> str:
    """The same page; its pictures are `folder`/NAME.png, beside it."""
    return "\n\n".join([f"# {title}", *(_markdown(block, folder) for block in blocks)]) + "\n"


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{html.escape(text)}</h2>"
        case Text(text):
            return f"<p>{html.escape(text)}</p>"
        case Points(items):
            return f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
        case Table(header, rows):
            top = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
            below = "".join(f"<tr>{''.join(f'<td>{html.escape(c)}</td>' for c in row)}</tr>\n" for row in rows)
            return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{below}</tbody></table></div>'
        case Picture(name, png, caption):
            data, words = base64.b64encode(png).decode(), html.escape(caption)
            image = f'<img id="{html.escape(name)}" alt="{words}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{words}</figcaption></figure>"
        case Code(text):
            return f"<pre>{html.escape(text)}</pre>"


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Text(text):
            return text
        case Points(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(header, rows):
            marks = ["---", *["---:"] * (len(header) - 1)]
            return "\n".join(f"| {' | '.join(row)} |" for row in (header, marks, *rows))
        case Picture(name, _, caption):
            return f"![{caption}]({folder}/{name}.png)\n\n*{caption}*"
        case Code(text):
            return f"```\n{text}\n```"
