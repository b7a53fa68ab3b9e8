"""The small pictures of the generated pages, drawn by the code that they show."""

import io
from collections.abc import Callable, Sequence
from functools import cache

import matplotlib
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from matplotlib.axes import Axes

from gan_env import DynamicParameter, GANVectorEnv
from gan_env.data.labelled import DEBIAN_FASHION_MNIST, LABELLED_SETS, resize_images
from gan_env.data.points import POINT_SETS, load_points
from gan_env.evaluation.pictures import scale_knob_axis
from gan_env.evaluation.seeds import EXAMPLES
from gan_env.mdp.rewards import REWARDS
from gan_env.policies import load_policy
from gan_env.policies.schedules import Anneal
from gan_env.records import Floats

matplotlib.use("Agg")
matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "gan_env", "font.family": "sans-serif", "font.size": 9}

import matplotlib.pyplot as plt  # noqa: E402
from PIL import Image  # noqa: E402

BLUE, ORANGE, GREEN = "#3465a4", "#ce5c00", "#4e9a06"
GROUPS = {
    "progress": "how far the run is",
    "knobs": "where the knobs are",
    "logits": "what the discriminator says of real and of generated samples",
    "validation": "what it says of training and of validation samples, without noise and augmentation",
    "losses": "the adversarial losses of both players, and how much they swing within an interval",
    "gradients": "how large the gradients are",
    "slope": "how steep the discriminator is at real samples, which R1 penalises",
    "steps": "how far an update moves the weights, and whether gradients agree with those before",
    "balance": "of the players: ratios that mean the same in every network, data set and loss",
    "balanced": "learning rates, in units of what the rule `steady_walk` wants",
    "limited": "learning rates, in units of what the rule `limited_walk` wants",
    "walk": "how far an update moves the weights, in units of a random walk that is as old",
    "response": "how far a step of D moves its logits on fakes, and on how many samples its loss is flat",
    "changes": "since the first interval: ratios that mean the same in every network, data set and loss",
    "size": "how many weights the networks and how many updates the run have",
    "quality": "how good the samples are, by the metric against validation data",
    "context": "the hyperparameters that the run was started with",
}
"""The groups of statistics, as `EnvConfig.observation` switches them."""
DOWNLOADED = {"mnist", "cifar10", "celeba"}
"""Image sets that come from the network."""


def svg(draw: Callable[[Axes], None], size: tuple[float, float] = (4.4, 2.5)) -> bytes:
    """What `draw` puts on one pair of axes, as an SVG file."""
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    draw(axis)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    plt.close(figure)
    return file.getvalue()


def samples(datasets: Sequence[str], size: int) -> tuple[str, bytes] | None:
    """A picture of real samples, and the ending of its file; None where they are not on this machine."""
    if set(datasets) <= set(POINT_SETS):
        return "svg", _points(datasets)
    here = {*LABELLED_SETS} - DOWNLOADED - (set() if DEBIAN_FASHION_MNIST.is_dir() else {"fashion_mnist"})
    if not set(datasets) <= here:
        return None
    images = torch.from_numpy(LABELLED_SETS[datasets[0]]("data").train_images[:30].copy())
    shown = resize_images(images, size).numpy().transpose(0, 2, 3, 1)  # [30, H, W, C]
    grid = np.concatenate([np.concatenate(list(shown[row::3]), axis=1) for row in range(3)])
    zoom = max(1, 480 // grid.shape[1])
    file = io.BytesIO()
    image = Image.fromarray(grid.repeat(zoom, axis=0).repeat(zoom, axis=1).squeeze())
    image.quantize(64).save(file, format="png", optimize=True)
    return "png", file.getvalue()


def _points(datasets: Sequence[str]) -> bytes:
    figure, axes = plt.subplots(1, len(datasets), figsize=(1.5 * len(datasets), 1.7), layout="constrained")
    for axis, name in zip(np.atleast_1d(axes), datasets, strict=True):
        axis.scatter(*load_points(name).train[:250].T, s=1, color=BLUE, rasterized=True)
        axis.set(xticks=[], yticks=[], xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        axis.set_title(name, fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None}, dpi=150)
    plt.close(figure)
    return file.getvalue()


def knob_curve(knob: DynamicParameter) -> bytes:
    """A knob's value at each coordinate."""

    def draw(axis: Axes) -> None:
        at = torch.linspace(0, 1, 101)
        axis.plot(at, knob.decode(at), color=BLUE)
        start = knob.encode(torch.tensor(knob.initial_value))
        axis.plot(start, knob.initial_value, "o", color=ORANGE, label=f"start: {knob.initial_value:g}")
        axis.set(xlabel="coordinate u", ylabel=knob.name)
        scale_knob_axis(axis, knob)
        axis.legend(frameon=False)

    return svg(draw)


def schedule_curve(kind: str) -> bytes:
    """A schedule from 1 to 0.1 over a run, whole and within its first half."""

    def draw(axis: Axes) -> None:
        at = np.linspace(0, 1, 201)
        for until, style in ((1.0, "-"), (0.5, "--")):
            axis.plot(at, Anneal(kind, 1.0, 0.1, until=until).values(at), style, color=BLUE, label=f"until={until:g}")
        axis.set(xlabel="share of the run", ylabel="value", ylim=(0, 1.1))
        axis.legend(frameon=False)

    return svg(draw)


def rule_response(name: str, knob: str, target: float) -> bytes:
    """What a rule does to its knob while the discriminator's overfitting rises and falls."""
    decisions = 40
    env = GANVectorEnv(1, knobs=(knob,), num_decisions=decisions, compile=False)
    policy, names = load_policy(name).make(env), env.observer.names
    seen = 0.95 * np.sin(np.linspace(0, np.pi, decisions)) - 0.05  # r_t
    coordinates = env.knobs.controlled[0].encode(torch.tensor([[next(iter(policy.start.values()))]])).float()
    observation, values = np.zeros((1, len(names)), np.float32), []
    for decision, sign in enumerate(seen):
        observation[0, names.index("progress")] = decision / decisions
        observation[0, names.index("sign_real")] = sign
        observation[0, names.index(f"knob_{knob}")] = 2 * float(coordinates) - 1
        action, _ = policy.predict(observation)
        coordinates = env.knobs.move(coordinates, torch.as_tensor(action), torch.tensor([False]), torch.zeros(1, 2))
        values.append(float(env.knobs.controlled[0].decode(coordinates)))
    env.close()

    def draw(axis: Axes) -> None:
        share = np.arange(decisions) / decisions
        axis.plot(share, seen, color="gray", label="r_t, given")
        axis.axhline(target, color="gray", ls=":", lw=1, label=f"target {target:g}")
        axis.step(share, values, color=BLUE, where="post", label=f"{knob}, set by the rule")
        axis.set(xlabel="share of the run")
        axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncol=2)

    return svg(draw, (4.4, 3.0))


def steps_held() -> bytes:
    """What the rule for step sizes does to three runs whose rates are a decade apart."""
    decisions = 40
    env = GANVectorEnv(3, knobs=("lr_g", "lr_d"), num_decisions=decisions, action_mode="absolute", compile=False)
    policy, place = load_policy("step_size").make(env), env.observer.place
    observation, coordinates = np.zeros((3, len(env.observer.names)), np.float32), env.knobs.starting_at({}, 3)
    rates, steps = 10.0 ** np.array([-3.5, -2.5, -1.5]), []
    for decision in range(decisions):
        observation[:, place("progress")] = decision / decisions
        observation[:, place("knob_lr_g")] = 2 * coordinates[:, 0] - 1
        action, _ = policy.predict(observation)
        later, unread = torch.zeros(3, dtype=torch.bool), torch.zeros(3, 2)
        coordinates = env.knobs.move(coordinates, torch.as_tensor(action), later, unread)
        steps.append(rates * env.knobs.values(coordinates)["lr_g"].numpy())
        observation[:, place("step_g")] = np.log10(steps[-1])
    env.close()

    def draw(axis: Axes) -> None:
        share = np.arange(decisions) / decisions
        target = Anneal(**load_policy("step_size").knobs["lr_g"]).values(share)
        axis.step(share, steps, color=BLUE, where="post", label=["|update| / |weights|", None, None])
        axis.plot(share, target, color="gray", ls=":", label="target")
        axis.set(xlabel="share of the run", yscale="log")
        axis.legend(frameon=False)

    return svg(draw)


def run_picture() -> bytes:
    """What the environment draws of a run under a schedule."""
    env = GANVectorEnv(1, compile=False, render_mode="rgb_array", autoreset_mode=AutoresetMode.DISABLED)
    policy, instance = load_policy("cosine").make(env), {"dataset": "ring", "lr_g": 3e-3, "lr_d": 3e-3, "beta_1": 0.5}
    observation, _ = env.reset(seed=EXAMPLES, options={"instance": instance, "knobs": policy.start})
    for _ in range(env.config.num_decisions):
        observation, *_ = env.step(policy.predict(observation)[0])
    file = io.BytesIO()
    Image.fromarray(env.render()[0]).quantize(64).save(file, format="png", optimize=True)
    return file.getvalue()


@cache
def example_runs(reward: str | None = None) -> tuple[GANVectorEnv, Floats]:
    """Three small runs under constant knobs: the observations [3, T + 1, F], or the rewards [3, T] of one term."""
    options = {"reward": {reward: 1.0}} if reward else {"observation": tuple(GROUPS)}
    env = GANVectorEnv(
        3, knobs=("r1",), updates_per_decision=25, compile=False, autoreset_mode=AutoresetMode.DISABLED, **options
    )
    observation, _ = env.reset(seed=EXAMPLES + 3)
    action, seen, rewards = np.zeros((3, 1), np.float32), [observation], []
    for _ in range(env.config.num_decisions):
        observation, given, *_ = env.step(action)
        seen.append(observation)
        rewards.append(given)
    return env, np.stack(rewards if reward else seen, axis=1)


def statistic_curves(name: str) -> bytes:
    """A statistic over the example runs."""
    env, seen = example_runs()
    return _run_curves(seen[:, :, env.observer.names.index(name)], env.config.updates_per_decision, name, first=0)


def reward_curves(name: str) -> bytes:
    """A reward term over the example runs."""
    assert name in REWARDS
    env, rewards = example_runs(name)
    return _run_curves(rewards, env.config.updates_per_decision, "reward of the decision", first=1)


def _run_curves(values: Floats, every: int, label: str, first: int) -> bytes:
    def draw(axis: Axes) -> None:
        updates = every * (first + np.arange(values.shape[1]))
        for line, colour in zip(values, (BLUE, ORANGE, GREEN), strict=True):
            axis.plot(updates, line, color=colour, marker=".", ms=4, lw=1.2)
        axis.set(xlabel="GAN updates", ylabel=label)

    return svg(draw)
