"""The site's menu: the pages that docs/index.md lists, in its groups."""

import re
from pathlib import Path

from generator.markdown import Pages, page

INDEX = Path(__file__).parents[1] / "index.md"
GROUP = re.compile(r"^- \*\*(.+)\*\*: ((?:.+\n)(?: .+\n)*)", re.MULTILINE)
"""A group of the list: its caption, and its links, which may go on in indented lines."""


def menu() -> Pages:
    """Toctrees that index.md includes; on GitHub, where there are none, its list stands alone."""
    groups = []
    for caption, links in GROUP.findall(INDEX.read_text()):
        pages = re.findall(r"\]\((\S+)\.(?:md|rst)\)", links)
        groups.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]))
    return {"menu.txt": page(*groups)}
