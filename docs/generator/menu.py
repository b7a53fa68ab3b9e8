"""The site's menu: the pages that docs/index.md lists, in its groups."""

import re
from pathlib import Path

from generator.links import to_the_site
from generator.markdown import page, toctree

INDEX = Path(__file__).parents[1] / "index.md"
GROUP = re.compile(r"^- \*\*(.+)\*\*: ((?:.+\n)(?: .+\n)*)", re.MULTILINE)
"""A group of the list: its caption, and its links, which may go on in indented lines."""
LINK = re.compile(r"\]\((\S+)\.(?:md|rst)\)")
"""A page that is linked, without its ending."""


def menu() -> str:
    """Toctrees, which the site has below index.md."""
    groups = GROUP.findall(to_the_site(INDEX.read_text()))
    return page(*(toctree(LINK.findall(links), caption) for caption, links in groups))
