"""A saved controller as a policy of an environment, without the library that trained it."""

import warnings
from typing import Any

import numpy as np
import torch

from gan_env.config import ACTS, RUN_OPTIONS, EnvConfig
from gan_env.errors import require
from gan_env.mdp.knobs import RATES
from gan_env.mdp.statistics import groups_of
from gan_env.policies.steering import EpisodeStart, State, Steerable, Steering
from gan_env.records import Float32
from gan_env.saved_controller import Interface, Knob, Output, SavedController, forget
from gan_env.strict import to_dict

INTERFACE = (*ACTS, "observation")
"""Fields in which it must agree with a controller's training: what actions mean, and what is seen."""
OWN_ENV_FIELDS = (*INTERFACE, "num_decisions", "updates_per_decision", "initial_knobs", "reward", *RUN_OPTIONS)
"""Fields of an environment that a policy may set for itself. The others are the same for all policies:
which GANs are trained, for how long, and what judges them."""


def options_of(controller: SavedController) -> dict[str, Any]:
    """Options of the environment that a controller was trained in, whatever the groups of its statistics were then."""
    knobs, losses = [knob.name for knob in controller.interface.knobs], controller.env.get("losses", ())
    return {**controller.env, "observation": list(groups_of(controller.interface.observation, knobs, losses))}


def moves_rates(controller: SavedController) -> bool:
    """Whether it moves a learning rate."""
    return any(knob.name in RATES for knob in controller.interface.knobs)


def interface_of(env: Steerable, output: Output) -> Interface:
    """What a controller that is trained in an environment sees and does.

    Args:
        env: the environment, or what stands in for it. Its F statistics and K controlled knobs, in their order, are
            what the network takes, [N, F], and gives, [N, K].
        output: what the network gives: "action", which is clipped to [-1, 1], or "coordinates" of the knobs in [0, 1].
    """
    config = env.config
    return Interface(
        observation=tuple(env.observer.names),
        knobs=tuple(
            Knob(knob.name, knob.initial_value, knob.bounds, knob.scale, knob.floor, knob.neutral)
            for knob in env.knobs.controlled
        ),
        output=output,
        action_mode=config.action_mode,
        max_change=config.max_change,
        max_first_change=config.max_first_change,
        decisions=config.num_decisions,
    )


def require_fit(controller: SavedController, env: Steerable) -> None:
    """Refuses an environment in which the controller would see something else, or its actions mean something else.

    Warns where runs begin at other learning rates than all those of its training.

    Raises:
        ConfigError: it differs in what is in `INTERFACE`, in a statistic's name, in a knob's range, or, where the
            controller moves learning rates, in the rule that sets them.
    """
    here, there = to_dict(env.config), to_dict(EnvConfig()) | options_of(controller)
    for name in ACTS:
        same = f"{there[name]!r}, with which the controller was trained"
        require(here[name] == there[name], f"env.{name}", here[name], same)
    if moves_rates(controller):
        same = f"{there['rates']!r}, with which the controller was trained: its learning rates are factors on those"
        require(here["rates"] == there["rates"], "env.rates", here["rates"], same)
    own, trained = interface_of(env, controller.interface.output), controller.interface
    lacking = [name for name in trained.observation if name not in own.observation]
    seen = f"{there['observation']} (among them {', '.join(lacking[:3])}), with which the controller was trained"
    require(not lacking, "env.observation", here["observation"], seen)
    same = f"{list(trained.observation)}, the statistics that the controller was trained with, in their order"
    require(own.observation == trained.observation, "statistics", list(own.observation), same)
    for mine, other in zip(own.knobs, trained.knobs, strict=True):
        for name in ("name", "bounds", "scale", "floor", "neutral"):  # where a knob starts may differ
            key, expected = f"knob {mine.name}'s {name}", f"{getattr(other, name)!r}, as in the controller's training"
            require(getattr(mine, name) == getattr(other, name), key, getattr(mine, name), expected)
    for name, rate in controller.starting_rates.items():
        low, high = getattr(env.config.instances, name)
        if (low, high) != (rate, rate):
            begin = f"env.instances.{name}=[{low:g},{high:g}]: the controller's training began all runs with {rate:g}"
            warnings.warn(f"{begin}, so it takes the knob {name} for a factor on that", stacklevel=4)


class LearnedPolicy:
    """Plays a saved controller; observations come in raw. Its actions are always the deterministic ones.

    Args:
        controller: what plays.
        env: the environment that is acted in.

    Raises:
        ConfigError: they don't fit each other; or it is a controller that adapts to a run by gradients, which
            `agents.learning.controllers.load_controller` plays.
    """

    def __init__(self, controller: SavedController, env: Steerable) -> None:
        require_fit(controller, env)
        adapts = "a controller that doesn't adapt by gradients: agents.learning.controllers.load_controller plays it"
        require(controller.adaptation is None, "controller", controller.adaptation, adapts)
        self.network = controller.network
        self.steering = Steering(env, []) if controller.interface.output == "coordinates" else None

    @torch.no_grad()
    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """Raw observations [N, F] -> actions [N, K] in [-1, 1]; rows where an episode starts forget their memory."""
        rows = len(observation)
        memory = self.network.blank(rows) if state is None else tuple(torch.from_numpy(part) for part in state)
        if episode_start is not None:
            memory = forget(memory, torch.from_numpy(episode_start))
        output, memory = self.network(torch.from_numpy(observation), memory)
        if self.steering is None:
            action = np.clip(output.numpy(), -1, 1)
        else:
            action = self.steering.action(observation, output.numpy())
        return action, tuple(part.numpy() for part in memory)
