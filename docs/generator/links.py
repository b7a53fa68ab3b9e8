"""Links to what the site has a page of: in the files, and so on GitHub, they lead to the code."""

import re

PAGE_OF = {
    "../configs": "programs/index.md",
    "../configs/env": "presets/index.md",
    "../configs/policy": "schedules/index.md",
    "../examples": "examples.md",
    "../examples/first_steps.py": "first_steps.md",
    "../gan_env/__init__.py": "api.rst",
    "../gan_env/config.py": "presets/points.md",
    "../gan_env/env.py": "environment.md",
    "../gan_env/mdp/knobs.py": "knobs/index.md",
    "../gan_env/mdp/observation.py": "statistics/index.md",
    "../gan_env/mdp/rewards.py": "rewards/index.md",
    "../gan_env/policies/adaptive.py": "rules/index.md",
    "../gan_env/policies/schedules.py": "schedules/index.md",
    "../gan_env/policies/step_size.py": "rules/step_size.md",
    "results": "results.md",
}
"""By target of a link in a page of docs: what has its place on the site, below docs/generated."""
LINK = re.compile(r"\]\(([^)\s]+)\)")


def to_the_site(text: str) -> str:
    """The page as the site shows it."""
    return LINK.sub(lambda link: f"](generated/{PAGE_OF[link[1]]})" if link[1] in PAGE_OF else link[0], text)
