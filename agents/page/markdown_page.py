"""A page in Markdown, and the same as one HTML file."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

import markdown

FIGURES = "figures"
"""Folder of the pictures next to a page in Markdown."""
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.25}h2{font-size:1.25rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;white-space:nowrap;border-bottom:1px solid #e4e4e4}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:#fff}
img{max-width:min(100%,40rem);height:auto}em{font-size:.85rem;color:#555}
pre{overflow-x:auto;background:#f5f5f5;padding:.6rem}
"""


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


def to_html(text: str, pictures: Mapping[str, bytes]) -> str:
    """A page in Markdown as one self-contained HTML file, which needs no network.

    Args:
        text: the page, which begins with its title.
        pictures: PNG files by name.
    """
    body = markdown.markdown(text, extensions=["tables", "fenced_code"])
    for name, png in pictures.items():
        data = base64.b64encode(png).decode()
        body = body.replace(f'src="{FIGURES}/{name}.png"', f'src="data:image/png;base64,{data}"')
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>{html.escape(text.splitlines()[0].removeprefix('# '))}</title><style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}\n</body></html>\n'
