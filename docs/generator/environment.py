"""The pages of the environment: its specification, and one for each preset, knob, statistic and reward term."""

import inspect

from gan_env import ENV_IDS, PRESETS, DynamicParameter, GANEnv
from gan_env.config import EnvConfig
from gan_env.data.points import POINT_SETS
from gan_env.mdp.knobs import knob_table
from gan_env.mdp.rewards import REWARDS
from gan_env.mdp.statistics import Statistic
from gan_env.strict import to_dict
from generator import pictures
from generator.markdown import Pages, facts_table, figure, index, page, sentence, sources, table

EXAMPLE = (
    "Three runs on 2-D points, each of another instance, under constant knobs; a colour is the same run on all pages."
)

SYMBOLS = (
    "In formulas x are real samples as D sees them, z latents, w weights, g gradients, L losses, m(t) is the metric "
    "after t of T decisions, and u a knob's coordinate. E is the mean over batch and interval, rms the root of the mean"
    " square over the updates of the interval. Logarithms have a floor of 1e-6, ratios of 1e-9."
)
COMPARABLE = (
    "These mean the same in every network, data set and loss: `progress`, `step_d`, `step_g`, `align_d`, `align_g` (at "
    "one momentum), `improvement`, `change`, `above_best`, `collapse`, `push_d` and the groups `balance`, `walk`, "
    "`balanced`, `limited`, `changes` and `size`; `sign_real` and `sign_fake` with every loss but Wasserstein and "
    "relativistic, which only push logits apart; `saturated_real` and `saturated_fake` with the non-saturating and the "
    "hinge loss. "
    "The others depend on the scale of logits and losses, on the metric, or on sizes and parametrisation of the "
    "networks."
)


def environment_page() -> Pages:
    """The docstring of `GANEnv`, which is the specification, and a picture of a run."""
    doc = (inspect.getdoc(GANEnv) or "").partition("\nArgs:")[0]
    first, _, rest = doc.replace("(docs/extend.md)", "([Add your own](../extend.md))").partition("\n\n")
    more = (
        "Each [preset](presets/index.md), [knob](knobs/index.md), [statistic](statistics/index.md) and "
        "[reward term](rewards/index.md) has a page. What an id promises: [Versions](../environments.md)."
    )
    return {
        "environment.md": page(
            "# The environment",
            f"{first} {more}",
            figure("run.png", "Samples of a GAN over the data, beside the curves of its metric and its knobs"),
            "One run, as `env.render()` draws it: samples of the GAN (blue) over the data (grey), the quality metric "
            "as it falls, and three knobs as a schedule turns them.",
            rest,
        ),
        "run.png": pictures.run_picture(),
    }


def preset_pages() -> Pages:
    """The presets, each with its id and every option in which it differs from points."""
    ids = {kwargs["preset"]: name for name, kwargs in ENV_IDS.items() if kwargs}
    (any_preset,) = (name for name, kwargs in ENV_IDS.items() if not kwargs)
    text = (
        "A preset is a named configuration of the environment; each has an id for `gymnasium.make`. Any option can be "
        "changed: `gym.make(id, latent_dim=8)`. The quality metric of points is the sliced Wasserstein distance to "
        "held-out points; that of images is the Frechet distance in the features of a small classifier (not Inception "
        f"FID). `{any_preset}` takes any preset by name.\n\n"
        "*Decisions x updates*: how many decisions an episode has, and how many GAN updates follow each."
    )
    rows = {
        name: (_data(config), f"{config.num_decisions} x {config.updates_per_decision}", f"`{ids[name]}`")
        for name, config in PRESETS.items()
    }
    pages = index("presets", "Presets", text, ("preset", "data", "decisions x updates", "id"), rows)
    for name, config in PRESETS.items():
        pages |= _preset(name, config, ids[name])
    return pages


def _preset(name: str, config: EnvConfig, env_id: str) -> Pages:
    first = next(iter(PRESETS))
    usual, options = to_dict(PRESETS[first]), to_dict(config)
    ranges = options.pop("instances")
    spans = {key: value for key, value in ranges.items() if isinstance(value, list) and len(value) == 2}
    changed = {key: value for key, value in options.items() if name == first or value != usual[key]}
    drawn = pictures.samples(config.datasets, config.image_size)
    file = f"{name}.{drawn[0]}" if drawn else ""
    text = page(
        f"# {name}",
        f'`gymnasium.make("{env_id}")`: {_data(config)}.',
        figure(file, f"Real samples of {name}") if drawn else "*No picture: these data have to be downloaded.*",
        "## Instances",
        f"What kind of run an episode is, is drawn from {ranges['train_size']:,} training or {ranges['test_size']:,} "
        "test instances. These were drawn from the ranges",
        table(("option", "range"), ((f"`{key}`", f"{low:g} to {high:g}") for key, (low, high) in spans.items())),
        "## Options",
        "All options:" if name == first else f"Options that differ from those of [{first}]({first}.md):",
        table(("option", "value"), ((f"`{key}`", f"`{value}`") for key, value in changed.items())),
    )
    return {f"presets/{name}.md": text, **({f"presets/{file}": drawn[1]} if drawn else {})}


def _data(config: EnvConfig) -> str:
    names = ", ".join(name.replace("_", " ") for name in config.datasets)
    points = config.datasets[0] in POINT_SETS
    return f"2-D points ({names})" if points else f"{names}, {config.image_size}x{config.image_size}"


def knob_pages() -> Pages:
    """The knobs."""
    knobs = knob_table()
    usual = ", ".join(f"`{name}`" for name in EnvConfig().knobs)
    text = (
        "A knob is a hyperparameter that may change while a GAN trains. `knobs=(...)` names those that actions move, "
        f"by default {usual}. The others keep their start, or the value in `initial_knobs`. Actions move "
        "*coordinates*: numbers from 0 to 1 that run through a knob's range (`knob_bounds` gives it "
        "another). D is the discriminator, G the generator."
    )
    rows = {name: (_range(*k.bounds), f"{k.initial_value:g}", k.description) for name, k in knobs.items()}
    pages = index("knobs", "Knobs", text, ("knob", "range", "start", "meaning"), rows)
    for knob in knobs.values():
        pages |= {f"knobs/{knob.name}.md": _knob(knob), f"knobs/{knob.name}.svg": pictures.knob_curve(knob)}
    return pages


def _knob(knob: DynamicParameter) -> str:
    turn = f", linear below {knob.floor:g}" if knob.floor else ""
    facts = {
        "range": _range(*knob.bounds),
        "scale": "linear" if knob.scale == "linear" else f"logarithmic{turn}",
        "start": f"{knob.initial_value:g}",
        "does nothing at": f"{knob.neutral:g}",
        "source": sources(knob.source),
    }
    return page(
        f"# {knob.name}",
        sentence(knob.description),
        facts_table(facts),
        figure(f"{knob.name}.svg", f"Value of {knob.name} at each coordinate"),
        f'To let actions move it: `knobs=("{knob.name}", ...)`. To hold it at a value: '
        f'`initial_knobs={{"{knob.name}": {knob.initial_value:g}}}`.',
    )


def statistic_pages() -> Pages:
    """The statistics that a policy observes."""
    found = pictures.example_runs()[0].observer.statistics
    hidden = [name for name in pictures.GROUPS if name not in EnvConfig().observation]
    groups = [f"- `{name}`: {what}" for name, what in pictures.GROUPS.items()]
    text = page(
        "Before each decision a policy observes statistics of the training so far. Every one is something that a real "
        "training run has at hand. `observation=(...)` switches them by group:",
        "\n".join(groups),
        f"Not observed by default: {', '.join(f'`{name}`' for name in hidden)}." if hidden else "",
        "*symlog* x is sign(x) log(1 + |x|), which tames large values (Hafner et al. 2023, "
        "[arXiv:2301.04104](https://arxiv.org/abs/2301.04104)). D is the discriminator, G the generator. Values "
        "are clipped to their range. There is a `knob_NAME` for each controlled knob; here it is `r1`.",
        COMPARABLE,
        SYMBOLS,
    )
    rows = {s.name: (s.group, _range(s.low, s.high), s.description) for s in found}
    pages = index("statistics", "Statistics", text, ("statistic", "group", "range", "what it is"), rows)
    for s in found:
        pages |= {
            f"statistics/{s.name}.md": _statistic(s),
            f"statistics/{s.name}.svg": pictures.statistic_curves(s.name),
        }
    return pages


def _statistic(statistic: Statistic) -> str:
    facts = {
        "group": f"`{statistic.group}`: {pictures.GROUPS[statistic.group]}",
        "formula": f"`{statistic.formula}`" if statistic.formula else "",
        "range": _range(statistic.low, statistic.high),
        "source": sources(statistic.source),
    }
    return page(
        f"# {statistic.name}",
        sentence(statistic.description),
        facts_table(facts),
        figure(f"{statistic.name}.svg", f"{statistic.name} over three runs"),
        EXAMPLE,
        "Policies can read the value behind it: `inverse` in the table undoes the scaling."
        if statistic.inverse
        else "",
    )


def reward_pages() -> Pages:
    """The reward terms."""
    text = (
        "The reward of a decision is a weighted sum of terms: `reward={name: weight}`, by default "
        f"`{EnvConfig().reward}`. m(t) is the quality metric against validation data after decision t; lower is "
        "better. Whatever the weights, a crash costs more than the rest of the run could have lost."
    )
    rows = {name: (term.description,) for name, term in REWARDS.items()}
    pages = index("rewards", "Reward terms", text, ("term", "value of a decision"), rows)
    for name, term in REWARDS.items():
        picture = figure(f"{name}.svg", f"{name} over three runs")
        use = f'`reward={{"{name}": 1.0}}` makes it the whole reward.'
        pages[f"rewards/{name}.md"] = page(f"# {name}", sentence(term.description), picture, EXAMPLE, use)
        pages[f"rewards/{name}.svg"] = pictures.reward_curves(name)
    return pages


def _range(low: float, high: float) -> str:
    return f"{low:g} to {high:g}"
