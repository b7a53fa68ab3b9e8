"""The index of results: every study with the first sentences of its conclusion."""

import re
from pathlib import Path

from generator.markdown import Pages, page, toctree

RESULTS = Path(__file__).parents[1] / "results"


def results_page() -> Pages:
    """The studies, each with the first sentences of its conclusion."""
    text = (
        "In a *study*, learned controllers, tuned schedules, adaptive rules and constants train GANs on the same "
        "held-out instances with the same seeds, and all were given the same budget of GAN updates. Gains are in the "
        "logarithm of the quality metric; square brackets hold 95 % intervals. [The glossary](../glossary.md) explains "
        "the words, [How results are compared](../statistics.md) the intervals, [Studies](../studies.md) what was "
        "tried and why."
    )
    parts = ["# Results", text]
    folders = sorted(path.parent for path in RESULTS.glob("*/report.md"))
    for folder in folders:
        text = (folder / "report.md").read_text()
        title = re.search(r"^# (.*)", text, re.MULTILINE)
        sentences = re.findall(r"^- .*", text.partition("## Conclusion")[2] or text, re.MULTILINE)[:2]
        parts += [f"## {title[1] if title else folder.name}", "\n".join(sentences)]
        parts += [
            f"[The whole page](../results/{folder.name}/report.md); [its data](../results/{folder.name}/README.md)."
        ]
    parts += ["Pictures of single runs: [points](../points.md), [images](../images.md)."]
    below = [f"../results/{folder.name}/{name}" for folder in folders for name in ("report", "README")]
    return {"results.md": page(*parts, toctree(["../studies", "../points", "../images", *below]))}
