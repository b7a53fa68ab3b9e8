"""A run of the environment and the same run as a plain loop with the controller move the knobs alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from plain_gan import DcganD, DcganG, Mlp, copy_weights, gan_update
from torch import Tensor, nn

from gan_env import GANVectorEnv
from gan_env.controller import GANController
from gan_env.controller.player import find_player
from gan_env.data.bank import IMAGE_SETS
from gan_env.mdp.knobs import TARGETS
from gan_env.mdp.statistics import RULES
from gan_env.policies import load_policy
from gan_env.policies.learned import LearnedPolicy, interface_of
from gan_env.policies.steering import start_of
from gan_env.records import Dataset
from gan_env.saved_controller import Network, SavedController
from gan_env.seeding import fold_in, uniform
from gan_env.strict import to_dict

DECISIONS, UPDATES, WIDTH, BATCH, LATENT = 6, 5, 8, 16, 4
ENV: dict[str, Any] = {
    "num_decisions": DECISIONS, "updates_per_decision": UPDATES, "metric_samples": 16, "compile": False,
    "ema_decay": 0.0, "latent_dim": LATENT, "depth": 2, "knobs": ["instance_noise", "r1", "lr_g", "lr_d"],
    "initial_knobs": {"augment": 0.0, "r1": 0.5, "instance_noise": 0.3}, "device": "cpu",
    "losses": ["non_saturating"], "observation": [
        "progress", "knobs", "logits", "validation", "losses", "gradients", "slope", "steps", "balance", "walk",
        "response", "changes", "size", "quality", "context",
    ],
    "instances": {
        "width_g": [WIDTH, WIDTH], "width_d": [WIDTH, WIDTH], "batch_size": [BATCH, BATCH], "beta_1": [0.5, 0.5],
        "input_scale": [1.0, 1.0], "lr_g": [1e-4, 1e-2], "lr_d": [1e-4, 1e-2],
    },
}  # fmt: skip


def controller(env: GANVectorEnv, memory: bool = True) -> SavedController:
    """An untrained one, whose actions are large and change with what it sees."""
    torch.manual_seed(0)
    inputs, knobs = len(env.observer.names), len(env.config.knobs)
    network = Network([("lstm" if memory else "linear", inputs, 16), ("linear", 16, knobs)], inputs, 5.0)
    with torch.no_grad():
        network.layers[1].weight.mul_(2.4)  # type: ignore[union-attr,operator]
        network.mean.copy_(0.1 * torch.randn(inputs))
        network.std.copy_(1 + torch.rand(inputs))
    return SavedController(network, interface_of(env, "action"), to_dict(env.config), {})


class Replay:
    """The same run as row 0 of an environment that was just reset, in a plain loop: its weights, batches and noise."""

    def __init__(self, env: GANVectorEnv, generator: nn.Module, discriminator: nn.Module) -> None:
        self.population, self.env = env.population, env
        self.generator, self.discriminator = generator, discriminator
        copy_weights(self.population.generator.split(self.population.state.g), generator)
        copy_weights(self.population.discriminator.split(self.population.state.d), discriminator)
        row = env.current_instances[0]
        self.opt_g, self.opt_d = (
            torch.optim.Adam(net.parameters(), rate, (row.beta_1, 0.99))
            for net, rate in ((generator, row.lr_g), (discriminator, row.lr_d))
        )
        samples = int(self.population.settings.num_samples)
        self.context = {
            "num_samples": samples,
            "batch_size": row.batch_size,
            "width_g": 1.0,
            "width_d": 1.0,
            "gain_g": row.gain_g,
            "gain_d": row.gain_d,
            "input_scale": row.input_scale,
            "loss": row.loss,
        }
        self.step = torch.zeros(1, dtype=torch.int64)

    @torch.no_grad()
    def once(self) -> dict[str, Any]:
        """What is shown once an interval."""
        population, bank = self.population, self.population.bank
        draws = uniform(fold_in(fold_in(population.settings.key, 5), self.step), 2, BATCH)
        samples = self.generator(population.latents(self.env.config.metric_samples)[0])
        quality = self.env.judge(samples[None], population.settings.dataset)
        return {
            "clean": self.discriminator(bank.read(bank.places(draws[:, 0], population.settings))[0]),
            "held_out": self.discriminator(bank.pick_held_out(draws[:, 1], population.settings)[0]),
            "metric": quality.log_metric.exp() - 1e-6,
            "spread": quality.collapse.exp() - 1e-6,
        }

    def update(self, control: GANController) -> dict[str, Tensor]:
        population = self.population
        samples, _, normals = population.draws(*population.sources(population.settings, self.step, 1)[0])
        latents, noises = normals[0][: BATCH * LATENT], normals[0][BATCH * LATENT :]
        pair = noises.view(2, *samples[0].shape) if len(noises) else (0.0, 0.0)  # none is drawn where none is needed
        self.step += 1
        return gan_update(
            self.generator, self.discriminator, self.opt_g, self.opt_d, samples[0], latents.view(BATCH, -1),
            control["r1"], control["instance_noise"], pair,
        )  # fmt: skip


def noise(data_root: str, image_size: int) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (80, 3, image_size, image_size), generator=generator).byte()
    return Dataset(images[:40], images[40:])


def of_kind(kind: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], tuple[nn.Module, nn.Module]]:
    """Options of an environment of points or of images, and networks of torch like its own."""
    if kind == "points":
        return {}, (Mlp(LATENT, WIDTH, WIDTH, 2), Mlp(2, WIDTH, WIDTH, 1))
    monkeypatch.setitem(IMAGE_SETS, "noise", noise)
    return {"datasets": ["noise"], "image_size": 8}, (DcganG(LATENT, WIDTH, 3), DcganD(WIDTH, 3))


@pytest.mark.parametrize(
    ("kind", "mode"), [("points", "delta"), ("points", "steps"), ("images", "delta"), ("images", "steps")]
)
def test_the_knobs_move_as_in_the_environment(
    kind: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more, nets = of_kind(kind, monkeypatch)
    env = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **{**ENV, **more, "action_mode": mode})
    made = controller(env)
    made.save(tmp_path)
    observation, _ = env.reset(seed=3)
    loop = Replay(env, *nets)
    first = loop.once()

    policy, state, inside, seen = LearnedPolicy(made, env), None, [], []
    for decision in range(DECISIONS):
        seen.append(observation[0])
        action, state = policy.predict(observation, state, np.array([decision == 0]))
        observation, _, _, _, infos = env.step(action)
        inside.append([float(infos[f"knob_{name}"][0]) for name in env.config.knobs])

    total = DECISIONS * UPDATES
    control = GANController.load(
        tmp_path, loop.opt_g, loop.opt_d, total_steps=total, untrained=first, context=loop.context
    )
    for _ in range(total):
        control.observe(**loop.update(control))
        if control.decides_next:
            control.observe(**loop.once())
        control.step()
    outside = [list(decision.values.values()) for decision in control.report().decisions]
    shown = [list(decision.seen.values()) for decision in control.report().decisions]

    np.testing.assert_allclose(shown, seen, atol=5e-3)
    paths = [coordinates(env, run) for run in (inside, outside)]
    assert np.ptp(paths[0], axis=0).min() > 0.01  # every knob is moved
    np.testing.assert_allclose(paths[1], paths[0], atol=1e-3)


@pytest.mark.parametrize(
    ("kind", "name", "warmup"),
    [
        ("points", "step_size", 0),
        ("points", "steady_walk", 0),
        ("points", "steady_walk", 10),
        ("points", "limited_walk", 0),
        ("points", "balanced", 0),
        ("points", "limited", 0),
        ("images", "steady_walk", 0),
        ("images", "balanced", 0),
        ("images", "balanced", 10),
    ],
)
def test_step_sizes_and_relative_rates_are_held_as_in_the_environment(
    kind: str, name: str, warmup: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By rules, and by controllers of an action mode that ask for what a rule wants times a factor.

    All decide every four updates.
    """
    more, nets = of_kind(kind, monkeypatch)
    learned = name in TARGETS
    alone = {**more, "knobs": ["lr_g", "lr_d"], "initial_knobs": {"augment": 0.0, "r1": 0.0, "instance_noise": 0.0}}
    how: dict[str, Any] = {"updates_per_decision": 4, "action_mode": "absolute", "warmup_updates": warmup}
    how["observation"] = ["progress", "knobs", "steps", "balance", "walk", *RULES]
    if name != "step_size":  # rates grow here by more than ten; the range is as wide as by default
        how["knob_bounds"] = dict.fromkeys(["lr_g", "lr_d"], (0.1, 100.0))
    if learned:
        how |= {"action_mode": name, "observation": ["progress", "walk", name], "num_decisions": 2}
        how["max_first_change"] = how["max_change"] = 1.0
        trained = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **{**ENV, **alone, **how})
        made = controller(trained, memory=False)
        made.save(tmp_path)
    env = GANVectorEnv(1, autoreset_mode="Disabled", **{**ENV, **alone, **how, "num_decisions": DECISIONS})
    policy = LearnedPolicy(made, env) if learned else load_policy(name).make(env)
    observation, _ = env.reset(seed=3, options={"knobs": start_of(policy)})
    loop, inside = Replay(env, *nets), []

    for decision in range(DECISIONS):
        observation, _, _, _, infos = env.step(policy.predict(observation, None, np.array([decision == 0]))[0])
        inside.append([float(infos[f"knob_{name}"][0]) for name in env.config.knobs])

    source = str(tmp_path) if learned else name
    control = GANController.load(source, loop.opt_g, loop.opt_d, total_steps=4 * DECISIONS, warmup_steps=warmup)
    for _ in range(4 * DECISIONS):
        control.observe(**loop.update(control))
        control.step()
    outside = [list(decision.values.values()) for decision in control.report().decisions]

    paths = [coordinates(env, run) for run in (inside, outside)]
    assert np.ptp(paths[0], axis=0).min() > (0.01 if name == "step_size" else 4e-3)  # D's falls with the root of t
    np.testing.assert_allclose(paths[1], paths[0], atol=1e-3)


def test_a_memory_and_other_statistics_decide_as_in_training(tmp_path: Path) -> None:
    for number, (observation, memory) in enumerate([(["progress", "steps"], True), (["steps", "losses"], False)]):
        env = GANVectorEnv(1, **{**ENV, "action_mode": "steps", "observation": observation})
        controller(env, memory).save(tmp_path / str(number))
        player = find_player(tmp_path / str(number), 4000)
        assert player.loop.config.num_decisions == DECISIONS


def coordinates(env: GANVectorEnv, values: list[list[float]]) -> NDArray[np.float32]:
    """Values of the knobs [T, K] as coordinates in [0, 1]."""
    columns = zip(env.knobs.controlled, torch.tensor(values).T, strict=True)
    return np.stack([knob.encode(column).numpy() for knob, column in columns], axis=1)
