"""The index of results: every study with its verdict."""

import re
from pathlib import Path

from generator.markdown import Pages, page, toctree

RESULTS = Path(__file__).parents[1] / "results"
BEGINNING = re.compile(r"\A# (.*)\n([\s\S]*?(?:^- .*\n)+)", re.MULTILINE)
"""A report's title, and what stands below it down to the end of its first list, which is the verdict."""


def results_page() -> Pages:
    """The studies, each with its verdict and a link to its page."""
    reports = sorted([*RESULTS.glob("*/report.md"), *RESULTS.glob("*.md")])
    places = [f"../results/{report.relative_to(RESULTS).as_posix()}" for report in reports]
    parts = ["# Results"]
    for report, place in zip(reports, places, strict=True):
        title, words = verdict(report.read_text())
        picture = f"![Gain over each opponent]({place.removesuffix('report.md')}figures/gains.png)"
        shown = picture if (report.parent / "figures/gains.png").exists() else ""
        parts += [f"## {title}", words, shown, f"[The whole page]({place}) of this study."]
    parts += [
        "## How to read them",
        "In a *study*, learned controllers, tuned schedules, adaptive rules and constants train GANs on the same "
        "held-out instances with the same seeds, and all were given the same budget of GAN updates. Square brackets "
        "hold 95 % intervals. [The glossary](../glossary.md) explains the words, [How results are "
        "compared](../statistics.md) how numbers and intervals are made.",
        "## More",
        "One training and its runs: [2-D points](../points.md). Single GANs: [images](../images.md). What was found in "
        "version 0 of the environments: [changelog](changelog.md#results-of-version-0).",
    ]
    below = [place.removesuffix(".md") for place in places]
    return {"results.md": page(*parts, toctree(below))}


def verdict(report: str) -> tuple[str, str]:
    """The title of a report and its verdict with the words before; their links would lead astray here."""
    found = BEGINNING.search(report)
    if found is None:
        raise ValueError("a report.md has no title with a list below; publish the study again with agents/report.py")
    return found[1], re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", found[2]).strip()
