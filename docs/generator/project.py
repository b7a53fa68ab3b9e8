"""The files of the repository's root that the site shows."""

from generator.markdown import Pages

CHANGELOG = """```{include} ../../CHANGELOG.md
:relative-docs: docs/
```
"""
CITATION = """# Citation and licence

```{literalinclude} ../../CITATION.cff
:language: yaml
```

The licence is MIT.

```{literalinclude} ../../LICENSE
:language: text
:class: help
```
"""


def project_pages() -> Pages:
    """The changelog, how to cite, and the licence."""
    return {"changelog.md": CHANGELOG, "citation.md": CITATION}
