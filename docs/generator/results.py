"""The index of results: every study with its verdict."""

import re
from pathlib import Path

from generator.markdown import Pages, page, toctree

RESULTS = Path(__file__).parents[1] / "results"
HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)


def results_page() -> Pages:
    """The studies, each with its verdict and a link to its page."""
    text = (
        "In a *study*, learned controllers, tuned schedules, adaptive rules and constants train GANs on the same "
        "held-out instances with the same seeds, and all were given the same budget of GAN updates. Gains are in the "
        "logarithm of the quality metric; square brackets hold 95 % intervals. [The glossary](../glossary.md) explains "
        "the words, [How results are compared](../statistics.md) the intervals."
    )
    folders = sorted(path.parent for path in RESULTS.glob("*/report.md"))
    parts = ["# Results", text]
    for folder in folders:
        report = (folder / "report.md").read_text()
        title = HEADING.search(report)
        link = f"[The whole page](../results/{folder.name}/report.md)"
        parts += [f"## {title[1] if title else folder.name}", verdict(report), f"{link} of this study."]
    parts.append(
        "Single runs: [2-D points](../points.md), [images](../images.md). What was found in version 0 of the "
        "environments, with the commits that hold its pages: [changelog](../changelog.md#results-of-version-0)."
    )
    below = [f"../results/{folder.name}/report" for folder in folders]
    return {"results.md": page(*parts, toctree(["../points", "../images", *below]))}


def verdict(report: str) -> str:
    """The list under the heading "Verdict"; its links would lead astray here."""
    under = report.partition("## Verdict\n")[2]
    lines = re.findall(r"^- .*", HEADING.split(under)[0], re.MULTILINE)
    return re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", "\n".join(lines))
