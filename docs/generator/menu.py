"""The site's menu: the pages that docs/index.md lists, in its groups."""

import re
from pathlib import Path

from generator.markdown import Pages, page, toctree

INDEX = Path(__file__).parents[1] / "index.md"
GROUP = re.compile(r"^- \*\*(.+)\*\*: ((?:.+\n)(?: .+\n)*)", re.MULTILINE)
"""A group of the list: its caption, and its links, which may go on in indented lines."""
LINK = re.compile(r"\]\((\S+)\.(?:md|rst)\)")
"""A page that is linked, without its ending."""


def menu() -> Pages:
    """Toctrees that index.md includes; on GitHub, where there are none, its list stands alone."""
    groups = GROUP.findall(INDEX.read_text())
    return {"menu.txt": page(*(toctree(LINK.findall(links), caption) for caption, links in groups))}
