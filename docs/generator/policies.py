"""One page for each annealing schedule and each adaptive rule."""

import inspect
from dataclasses import fields

from baselines.help import meanings
from gan_env.policies.adaptive import RULES, Rule
from gan_env.policies.schedules import DECAY_RATES, SCHEDULES
from gan_env.policies.step_size import StepSizePolicy, StepSizeRule
from generator import pictures
from generator.markdown import Pages, figure, index, page, sources, table


def schedule_pages() -> Pages:
    """The annealing schedules."""
    text = (
        "A schedule takes a knob from one value to another while the run goes on, whatever happens. In a policy's "
        "file: `r1: {kind: cosine, initial: 3.0, final: 0.3, until: 0.8}`. With `until` it runs within that share of "
        "the run, and its final value is held from then on; with `since` the initial value is held up to that share."
        "\n\n"
        "t is the share of the run, a the initial value, b the final value, k the decay rate."
    )
    rows = {name: (f"`{_formula(name)}`",) for name in SCHEDULES}
    pages = index("schedules", "Schedules", text, ("schedule", "value"), rows)
    for name in SCHEDULES:
        rate = DECAY_RATES.get(name)
        pages[f"schedules/{name}.md"] = page(
            f"# {name}",
            f"`{_formula(name)}`",
            "t is the share of the run, a the initial and b the final value"
            + (f", k the decay rate: `decay_rate`, by default {rate:g}." if rate else "."),
            figure(f"{name}.svg", f"The schedule {name} from 1 to 0.1"),
            "From 1 to 0.1, over the whole run and within its first half.",
            _source(name),
        )
        pages[f"schedules/{name}.svg"] = pictures.schedule_curve(name)
    return pages


def _formula(name: str) -> str:
    """A schedule's formula as its code has it, or as its docstring says it."""
    code = inspect.getsource(SCHEDULES[name])
    if "lambda t, a, b, k: " in code:
        return code.partition("lambda t, a, b, k: ")[2].partition("#")[0].strip().rstrip(",").replace("np.", "")
    return (inspect.getdoc(SCHEDULES[name]) or name).replace("`", "").rstrip(".")


def _source(name: str) -> str:
    """Where a schedule comes from, as the comment behind its formula says it."""
    code = inspect.getsource(SCHEDULES[name])
    return sources(f"Source: {code.partition('#')[2].strip()}.") if "arXiv:" in code else ""


def rule_pages() -> Pages:
    """The adaptive rules."""
    text = (
        "An adaptive rule reacts to the training. It watches r_t = E[sign D(real)], which goes to 1 when the "
        "discriminator recognises every training sample. While r_t is above a target, a strength p in [0, 1] rises; "
        "below, it falls. p sets a knob. The rule `step_size` holds another statistic, how large updates are beside "
        "the weights, by the learning rates. To play one: `python baselines/run.py policy=ada`."
    )
    rows = {name: (f"`{rule.knob}`", f"{rule.target:g}") for name, rule in RULES.items()}
    rows["step_size"] = ("`lr_g`, `lr_d`", "none; |update| / |weights| has a schedule")
    pages = index("rules", "Adaptive rules", text, ("rule", "knob that it sets", "target of r_t"), rows)
    for name, rule in RULES.items():
        pages[f"rules/{name}.md"] = _rule(name, rule)
        pages[f"rules/{name}.svg"] = pictures.rule_response(name, rule.knob, rule.target)
    pages["rules/step_size.md"] = _step_size()
    pages["rules/step_size.svg"] = pictures.steps_held()
    return pages


def _step_size() -> str:
    text = inspect.getdoc(StepSizePolicy) or ""
    own = text.partition("Args:")[0].strip()
    return page(
        "# step_size",
        own,
        "What it is good for: [A rule that holds step sizes](../../step_size.md#a-rule-that-holds-step-sizes).",
        figure("step_size.svg", "Step sizes of three runs, which soon follow one schedule"),
        "Three runs whose rates are a decade apart. Their steps are made up, to be plain: as large as the rate.",
        "## Constants",
        _constants(StepSizeRule()),
    )


def _rule(name: str, rule: Rule) -> str:
    own = (inspect.getdoc(type(rule)) or "").partition("Attributes:")[0].strip()
    return page(
        f"# {name}",
        f"The kind of rule that `policy={name}` is, in the words of its code:",
        sources(own),
        figure(f"{name}.svg", f"How {name} answers"),
        "How it answers to an r_t that rises and falls; this r_t is made up, to be plain.",
        "## Constants",
        _constants(rule),
    )


def _constants(rule: Rule | StepSizeRule) -> str:
    known = meanings(type(rule))
    rows = ((f"`{f.name}`", f"`{getattr(rule, f.name)}`", known[f.name]) for f in fields(rule))
    return table(("constant", "value", "meaning"), rows)
