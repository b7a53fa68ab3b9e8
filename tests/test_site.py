"""The site: every table entry has a page, links lead somewhere, and the programs of its pages run."""

import dataclasses
import doctest
import json
import math
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from generator import environment, examples, links, pictures, policies, programs, reference, results
from generator.docstrings import to_restructured_text
from plain_names import of_a_loop

import gan_env
from gan_env import ENV_IDS, PRESETS
from gan_env.controller.watched import relative_rates_of
from gan_env.mdp import steps
from gan_env.mdp.knobs import knob_table
from gan_env.mdp.probe import probe
from gan_env.mdp.rewards import REWARDS
from gan_env.policies.adaptive import RULES
from gan_env.policies.presets import load_policy
from gan_env.policies.schedules import SCHEDULES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
LARGEST = 30_000
"""Bytes of a picture that is drawn when the site is built."""
COMMITTED = {".png": 200_000, ".svg": 200_000, ".html": 1_500_000, ".parquet": 10_000_000}
"""Bytes that a committed file below docs may have, by its ending; others `OTHERS`: see docs/contributing.md."""
OTHERS = 400_000
RUN_BY = {
    "README.md": "tests/test_readme.py",
    "benchmark.md": "tests/agents/test_benchmark.py",
    "carry_over.md": "tests/test_docs.py",
    "controller_reference.md": "tests/test_site.py",
    "extend.md": "tests/test_site.py",
    "fleet.md": "tests/test_site.py",
    "learning_rates.md": "tests/test_docs.py",
    "libraries.md": "tests/test_docs.py",
    "quickstart.md": "tests/test_site.py",
    "step_size.md": "tests/test_site.py",
    "train_and_compare.md": "tests/test_readme.py",
    "your_own_gan.md": "tests/test_site.py",
}
"""By page: the test that runs its programs."""


def small(monkeypatch: pytest.MonkeyPatch, *presets: str) -> None:
    """Presets are not compiled, and train for hardly any time."""
    for name in presets:
        short = dataclasses.replace(PRESETS[name], compile=False, updates_per_decision=1, metric_samples=64)
        monkeypatch.setitem(PRESETS, name, short)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_to_files_lead_to_files(page: Path) -> None:
    """Sphinx checks headings, and links to pages that are generated."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    places = [link.partition("#")[0] for link in LINK.findall(text) if not link.startswith(("http", "#", "mailto"))]
    assert [place for place in places if not (page.parent / place).exists()] == []


def test_on_the_site_links_to_code_lead_to_pages_about_it() -> None:
    """Sphinx checks that there are such pages."""
    text = "[all](../gan_env/mdp/knobs.py), [one](../gan_env/mdp/steps.py), [a page](points.md#crashes)"
    assert links.to_the_site(text) == text.replace("../gan_env/mdp/knobs.py", "generated/knobs/index.md")
    assert [target for target in links.PAGE_OF if not (DOCS / target.partition("#")[0]).exists()] == []


def test_on_the_site_a_paragraph_that_links_to_an_example_is_the_example() -> None:
    text = "By id:\n\n[examples/first_steps.py](../examples/first_steps.py)\n"
    assert "\n\n```{literalinclude} ../examples/first_steps.py\n:language: python\n" in links.to_the_site(text)


def test_no_file_of_the_docs_is_large() -> None:
    made = ("_build", "generated")
    files = [path for path in DOCS.rglob("*") if path.is_file() and path.relative_to(DOCS).parts[0] not in made]
    large = {
        path.relative_to(ROOT).as_posix(): path.stat().st_size
        for path in files
        if path.stat().st_size > COMMITTED.get(path.suffix, OTHERS)
    }
    how = "draw pictures at the size they are shown, write tables as parquet, leave out what no page and no test reads"
    assert large == {}, f"too large to commit ({how}; docs/contributing.md)"


def test_a_test_runs_the_blocks_of_every_page() -> None:
    with_programs = [page.name for page in PAGES if PROGRAM.search(page.read_text())]
    assert [name for name in with_programs if name not in RUN_BY or not (ROOT / RUN_BY[name]).exists()] == []
    assert [name for name in with_programs if name not in (ROOT / RUN_BY[name]).read_text()] == []


def test_the_quickstart_prints_what_it_says() -> None:
    text = "\n".join(PROGRAM.findall((DOCS / "quickstart.md").read_text()))
    test = doctest.DocTestParser().get_doctest(text, {}, "quickstart.md", None, 0)
    done = doctest.DocTestRunner().run(test)
    assert done.attempted > 10 and done.failed == 0


@pytest.mark.usefixtures("tables_as_they_were")
def test_the_blocks_of_the_page_on_own_additions_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other; without compiling."""
    small(monkeypatch, "points", "fashion_mnist")
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "extend.md").read_text()
    functions = [name for name in gan_env.__all__ if name.startswith(("register_", "save_instances"))]
    assert [name for name in functions if f"gan_env.{name}(" not in page] == []
    names: dict[str, object] = {}
    for program in PROGRAM.findall(page):
        exec(program, names)


@pytest.mark.usefixtures("clothes")
def test_the_program_of_the_page_on_fleets_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two members in this process in place of a hundred on Ray."""
    small(monkeypatch, "points", "fashion_mnist")
    (program,) = PROGRAM.findall((DOCS / "fleet.md").read_text())
    here = program.replace('placement="ray", num_cpus=2', 'placement="local"').replace("* 100", "* 2")
    assert here != program
    names: dict[str, Any] = {}
    exec(here, names)
    assert (names["family"].num_envs, names["many"].num_envs) == (40, 16)


def test_the_blocks_of_the_pages_on_ones_own_gan_run() -> None:
    """The loop of the guide, and what the reference adds to it; Lightning's part is run by its own test."""
    names = of_a_loop()
    loop, lightning = PROGRAM.findall((DOCS / "your_own_gan.md").read_text())
    (knobs,) = PROGRAM.findall((DOCS / "controller_reference.md").read_text())
    assert "ControllerCallback" in lightning
    exec(loop, names)
    assert len(names["control"].report().decisions) > 1
    exec(knobs, names)
    assert names["loss"] == names["loss_d"] + 10 / 2 * names["penalty"]  # the loop's own weight: the policy leaves R1


def test_the_rule_for_learning_rates_as_it_is_typed_sets_the_rates_of_the_policy() -> None:
    """With its constants, wherever D's logits are, at any age; and it finds what it needs in a loop."""
    typed, in_loop, _ = PROGRAM.findall((DOCS / "step_size.md").read_text())
    names = of_a_loop()
    exec(typed, names)

    def rates() -> list[list[float]]:
        return [[group["lr"] for group in names[opt].param_groups] for opt in ("opt_g", "opt_d")]

    for constant in ("SHARE_G", "SHARE_D", "POWER", "AGE"):
        assert names[constant] == getattr(steps, constant), constant
    stats, optimisers = probe(0).stats, [names["opt_g"], names["opt_d"]]
    for update in (0, 4):
        exec(in_loop, names | {"update": update})
        share_g = names["share_g"](names["logits_real"], names["logits_fake"]) if update else names["SHARE_G"]
        shares = relative_rates_of(optimisers, rates()) * (update + names["AGE"]) ** 0.5
        assert shares[0].tolist() == pytest.approx([share_g, names["SHARE_D"]], rel=1e-4)
    before = rates()
    for same in (torch.ones(8), torch.ones(1)):  # no spread, so the rule's rate is NaN, and the last one stays
        names["set_rate"](names["opt_g"], names["share_g"](same, same), 4)
    assert rates() == before
    for apart, wide, age in product((-3.0, -0.5, 0.0, 0.7, 1.6, 50.0), (0.5, 2.0), (0, 4, 5000)):
        real = torch.tensor([-1.0, 1.0])
        fake = wide * real - apart * ((real.var() + (wide * real).var()) / 2).sqrt()
        names["set_rate"](names["opt_g"], names["share_g"](real, fake), age)
        names["set_rate"](names["opt_d"], names["SHARE_D"], age)
        logits = {"logit_real": real.mean(), "logit_fake": fake.mean()}
        logits |= {"logit_spread_real": real.std(), "logit_spread_fake": fake.std()}
        shown = dataclasses.replace(stats, **{name: value.expand(2) for name, value in logits.items()})
        wanted = steps.balanced_rate(shown, torch.full((2, 2), float(age)))[:1]
        torch.testing.assert_close(relative_rates_of(optimisers, rates()), wanted, rtol=1e-4, atol=0)


def test_the_limited_rule_as_it_is_typed_is_that_of_the_policy() -> None:
    (typed,) = re.findall(r"^`(lr = rms .*)`$", (DOCS / "step_size.md").read_text(), re.MULTILINE)
    stats = probe(0).stats
    assert f"\nLARGEST = {steps.LARGEST:g}\n" in (DOCS / "step_size.md").read_text()
    for updates in (0, 4, 5000):
        names = {"math": math, "rms": 2.0, "share": steps.SHARE_D, "updates": updates}
        exec(typed, names)
        wanted = steps.limited_rate(stats, torch.full((2, 2), float(updates)))
        assert names["lr"] == pytest.approx(2.0 * float(wanted[0, 1]))


def test_the_rule_times_a_schedule_as_it_is_typed_is_that_of_the_policy() -> None:
    """What it multiplies the rule's rates by, over the run."""
    typed, in_loop, timed = PROGRAM.findall((DOCS / "step_size.md").read_text())
    names = of_a_loop() | {"total_updates": 1000}
    exec(typed, names)
    factors = load_policy("timed_walk").knobs
    for update in (0, 500, 1000):
        found = []
        for program in (in_loop, timed):
            exec(program, names | {"update": update})
            found.append([names[opt].param_groups[0]["lr"] for opt in ("opt_g", "opt_d")])
        p, ends = update / 1000, [(factors[knob]["initial"], factors[knob]["final"]) for knob in ("lr_g", "lr_d")]
        wanted = [first * (last / first) ** p for first, last in ends]
        assert [times / once for once, times in zip(*found, strict=True)] == pytest.approx(wanted)


def test_every_version_of_an_id_is_explained() -> None:
    versions = {env_id.rpartition("-")[2] for env_id in ENV_IDS}
    assert versions <= set(re.findall(r"\bv\d+\b", (DOCS / "environments.md").read_text()))


@pytest.mark.parametrize(
    ("folder", "write", "names"),
    [
        ("knobs", environment.knob_pages, knob_table()),
        ("rewards", environment.reward_pages, REWARDS),
        ("schedules", policies.schedule_pages, SCHEDULES),
        ("rules", policies.rule_pages, {**RULES, "step_size": None}),
    ],
)
def test_every_entry_of_a_table_has_a_page_with_a_small_picture(folder: str, write: Any, names: dict[str, Any]) -> None:
    pages = write()
    assert {*pages} == {f"{folder}/index.md"} | {f"{folder}/{name}.{end}" for name in names for end in ("md", "svg")}
    assert [name for name, page in pages.items() if name.endswith(".svg") and len(page) > LARGEST] == []
    assert [name for name in names if f"[{name}]({name}.md)" not in pages[f"{folder}/index.md"]] == []


def test_a_preset_has_its_id_and_its_options() -> None:
    pages = environment.preset_pages()
    for env_id, kwargs in ENV_IDS.items():
        if kwargs:
            assert f'gymnasium.make("{env_id}")' in pages[f"presets/{kwargs['preset']}.md"]
    assert {f"presets/{name}.md" for name in PRESETS} < {*pages}
    assert f"`{PRESETS['points'].latent_dim}`" in pages["presets/points.md"]
    assert "presets/points.svg" in pages and "presets/cifar10.png" not in pages  # CIFAR-10 would be downloaded


def test_statistics_have_pages_and_their_groups_an_explanation() -> None:
    env, _ = pictures.example_runs()
    pages = environment.statistic_pages()
    assert {s.group for s in env.observer.statistics} == set(pictures.GROUPS) == set(env.observer._groups.values())
    assert {f"statistics/{s.name}.md" for s in env.observer.statistics} < {*pages}
    assert [s.name for s in env.observer.statistics if not s.formula] == []
    assert "[arXiv:2006.06676](https://arxiv.org/abs/2006.06676)" in pages["statistics/sign_real.md"]


def test_the_specification_is_the_docstring() -> None:
    page = environment.environment_page()["environment.md"]
    assert "## Action space" in page and "## Episode end" in page and "Args:" not in page


def test_what_the_package_exports_is_in_the_reference() -> None:
    page = reference.api_page()["api.rst"]
    assert [name for name in gan_env.__all__ if f":: gan_env.{name}\n" not in page] == []


def test_every_study_is_among_the_results() -> None:
    page = results.results_page()["results.md"]
    studies = [path.parent.name for path in (DOCS / "results").glob("*/report.md")]
    assert [name for name in studies if f"../results/{name}/report.md" not in page] == []


def test_results_begin_with_the_verdicts_without_their_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    report = "# A study\n\nOf 3 runs.\n\n- Better by [+0.1](#here) [0.0, 0.2].\n- So.\n\n![x](y.png)\n\n- after\n"
    (tmp_path / "mine/report.md").write_text(report)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    page = results.results_page()["results.md"]
    assert "## A study\n\nOf 3 runs.\n\n- Better by +0.1 [0.0, 0.2].\n- So.\n\n[The whole page](" in page
    assert "after" not in page


def test_the_page_of_a_program_is_what_it_prints_for_help() -> None:
    assert {"baselines/run.py", "baselines/evaluate.py", "agents/compare.py"} < {*programs.programs()}
    assert "usage: python baselines/tune.py" in programs.help_of("baselines/tune.py")
    assert "--samples" in programs.help_of("baselines/evaluate.py")


def test_no_page_scrolls_sideways(browser: Any) -> None:
    """On wide and on narrow screens; `make test` builds the site before it runs the tests."""
    pages = sorted((DOCS / "_build/html").glob("[!_]*/**/*.html")) + sorted((DOCS / "_build/html").glob("*.html"))
    if not pages:
        pytest.skip("the site is not built: make docs")
    context = browser.new_context(offline=True)
    shown, wide = context.new_page(), []
    for page in pages:
        shown.goto(page.as_uri())
        for width in (1280, 390):
            shown.set_viewport_size({"width": width, "height": 900})
            if shown.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((page.name, width))
    context.close()
    assert wide == []


def test_first_steps_is_a_notebook_with_the_output_of_its_cells() -> None:
    pages = examples.notebook_pages()
    shown = ["knobs: instance_noise", "decision 7: distance to the data", "random       mean log distance"]
    assert [text for text in shown if text not in pages["first_steps.md"]] == []
    assert "download}`first_steps.ipynb`" in pages["first_steps.md"]
    (picture,) = [name for name in pages if name.endswith(".png")]
    assert picture in pages["first_steps.md"] and len(pages[picture]) < 2 * LARGEST
    notebook = json.loads(pages["first_steps.ipynb"])
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    source = (ROOT / "examples/first_steps.py").read_text()
    assert all(cell["source"] in source for cell in code)
    assert [output["output_type"] for cell in code for output in cell["outputs"]].count("display_data") == 1


def test_every_example_is_listed_by_what_it_does() -> None:
    page = examples.examples_page()["examples.md"]
    names = {path.relative_to(ROOT / "examples").as_posix() for path in (ROOT / "examples").rglob("*.py")}
    unlisted = {name for name in names if f"| `{name}` | " not in page}
    alone = {f"loops/{name}.py" for name in ("common", "one_run", "page", "results")}
    assert unlisted == alone, "what is imported alone"


def test_docstrings_become_restructured_text() -> None:
    lines = ["A `code", "span` with *emphasis* and [N, *shape].", "## Title", "| a | b |", "|---|---|", "| `c` | d |"]
    to_restructured_text(None, "class", "x", None, None, lines)
    text = "\n".join(lines)
    assert "``code span`` with *emphasis* and [N, \\*shape]." in text
    assert "**Title**" in text and "   * - a\n     - b\n   * - ``c``\n     - d" in text
