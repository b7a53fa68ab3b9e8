"""What a page is on the site. In the file, and so on GitHub, its links lead to the code; here, to pages about it."""

import re

PAGE_OF = {
    "../CHANGELOG.md": "changelog.md",
    "../CITATION.cff": "citation.md",
    "../README.md#environments": "presets/index.md",
    "../README.md#findings": "results.md",
    "../configs": "programs/index.md",
    "../configs/policy": "schedules/index.md",
    "../examples": "examples.md",
    "../examples/first_steps.py": "first_steps.md",
    "../gan_env/__init__.py": "api.rst",
    "../gan_env/config.py": "presets/index.md",
    "../gan_env/env.py": "environment.md",
    "../gan_env/mdp/knobs.py": "knobs/index.md",
    "../gan_env/mdp/rewards.py": "rewards/index.md",
    "../gan_env/mdp/statistics.py": "statistics/index.md",
    "../gan_env/policies/adaptive.py": "rules/index.md",
    "../gan_env/policies/schedules.py": "schedules/index.md",
    "../gan_env/policies/step_size.py": "rules/step_size.md",
}
"""By target of a link in a page of docs: what has its place on the site, below docs/generated."""
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXAMPLE = re.compile(r"^\[(examples/\S+)\]\(\.\./\1\)$", re.MULTILINE)
"""A paragraph that is a link to an example, and nothing else."""
CODE = r"""```{literalinclude} ../\1
:language: python
:start-at: import
:caption: \1
```"""


def to_the_site(text: str) -> str:
    """The page as the site shows it, which has an example itself in the place of a paragraph that links to it."""
    text = EXAMPLE.sub(CODE, text)
    return LINK.sub(lambda link: f"](generated/{PAGE_OF[link[1]]})" if link[1] in PAGE_OF else link[0], text)
