"""The site: `make docs` builds it with Sphinx. Pages about entries of tables are written by `docs/generator` first."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from generator import write_pages  # noqa: E402
from generator.docstrings import to_restructured_text  # noqa: E402
from generator.links import to_the_site  # noqa: E402
from generator.menu import menu  # noqa: E402

project = "gan_env"
author = "the gan_env authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "generator"]

html_theme = "furo"
html_title = "gan_env"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False

myst_heading_anchors = 3

nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other packages: their pages can't be looked up without a network
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_use_ivar = True


def on_the_site(_: Sphinx, name: str, source: list[str]) -> None:
    """Makes of a page's text, the one element of `source`, what the site shows."""
    source[0] = to_the_site(source[0]) + ("\n" + menu() if name == "index" else "")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("config-inited", lambda *_: write_pages(HERE / "generated"))
    app.connect("source-read", on_the_site)
    app.connect("autodoc-process-docstring", to_restructured_text, priority=100)  # before napoleon
