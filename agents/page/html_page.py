"""A page in Markdown as one HTML file: its first part open, contents with links, and all sections folded."""

import base64
import html
import re
from collections.abc import Mapping

import markdown

from agents.page.markdown_page import FIGURES

STYLE = """
body{font:16px/1.45 system-ui,sans-serif;max-width:78rem;margin:0 auto;padding:.6rem 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.4rem;line-height:1.25;margin:.2rem 0 .5rem}h3{font-size:1.05rem;margin:1.6rem 0 .4rem}
p,ul{margin:.5rem 0;max-width:62rem}ul{padding-left:1.1rem}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:.5rem 1.2rem}
figure{margin:.4rem 0}figcaption{font-size:.85rem;line-height:1.35;color:#555}
img{width:100%;max-width:37.5rem;height:auto}
nav{margin:1rem 0}nav a{margin-right:1.1rem}
details{border-top:1px solid #ddd}summary{cursor:pointer;font-size:1.15rem;font-weight:600;padding:.55rem 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;white-space:nowrap;border-bottom:1px solid #e4e4e4;vertical-align:top}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:7rem;max-width:14rem;position:sticky;left:0;
background:#fff}
pre{overflow-x:auto;background:#f5f5f5;padding:.6rem}
@media(max-width:40rem){body{font-size:15px}h1{font-size:1.2rem}th:first-child,td:first-child{max-width:8rem}}
"""
OPEN = """
const unfold = () => { const found = document.getElementById(location.hash.slice(1)); if (found) found.open = true; };
addEventListener("hashchange", unfold); unfold();
"""
"""Opens the section that a link leads to."""


def to_html(text: str, pictures: Mapping[str, bytes]) -> str:
    """A page in Markdown as one self-contained HTML file, which needs no network.

    Args:
        text: the page, which begins with its title; sections begin with "## ".
        pictures: PNG files by name.
    """
    first, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    titles = [section.partition("\n")[0] for section in sections]
    links = " ".join(f'<a href="#{_anchor(title)}">{html.escape(title)}</a>' for title in titles)
    folded = (
        f'<details id="{_anchor(title)}"><summary>{html.escape(title)}</summary>\n'
        f"{_body(section.partition(chr(10))[2])}\n</details>"
        for title, section in zip(titles, sections, strict=True)
    )
    body = "\n".join([_body(first), *([f"<nav>{links}</nav>"] if links else []), *folded])
    for name, png in pictures.items():
        data = base64.b64encode(png).decode()
        body = body.replace(f'src="{FIGURES}/{name}.png"', f'src="data:image/png;base64,{data}"')
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>{html.escape(text.splitlines()[0].removeprefix('# '))}</title><style>{STYLE}</style>"
    script = f"<script>{OPEN}</script>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}\n{script}</body></html>\n'


def _anchor(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def _body(text: str) -> str:
    """Markdown as HTML: tables scroll by themselves, pictures that follow each other stand side by side."""
    body = markdown.markdown(text, extensions=["tables", "fenced_code"])
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    figure = r"<p>(<img [^>]*>)</p>\s*<p><em>(.*?)</em></p>"
    body = re.sub(figure, r"<figure>\1<figcaption>\2</figcaption></figure>", body, flags=re.DOTALL)
    several = r"(?:<figure>.*?</figure>\s*){2,}"
    return re.sub(several, lambda found: f'<div class="pictures">{found[0]}</div>', body, flags=re.DOTALL)
