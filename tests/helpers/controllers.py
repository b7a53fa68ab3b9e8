"""Small saved controllers, untrained: what they do is of no use, but not nothing."""

from collections.abc import Sequence
from typing import Any

import torch

from gan_env.config import EnvConfig, env_config
from gan_env.controller.player import Loop
from gan_env.policies.learned import interface_of
from gan_env.saved_controller import Network, SavedController
from gan_env.strict import to_dict

SEEN = ("progress", "knobs", "losses", "gradients", "slope")
"""Groups of statistics that a loop with R1 has at hand."""
KNOWN = {"clean": torch.zeros(3), "held_out": torch.zeros(3)}
"""What is known before the first update."""
CONTEXT = {
    "num_samples": 1000, "batch_size": 16, "width_g": 1.0, "width_d": 1.0, "gain_g": 1.0, "gain_d": 1.0,
    "input_scale": 1.0, "loss": "hinge",
}  # fmt: skip
"""Hyperparameters besides the optimisers' own."""


def saved_controller(
    decisions: int = 4,
    knobs: Sequence[str] = ("r1", "lr_g", "lr_d"),
    observation: Sequence[str] = SEEN,
    **more: Any,
) -> SavedController:
    """One with an LSTM; `more` are options of the environment."""
    config: EnvConfig = env_config(
        knobs=list(knobs),
        num_decisions=decisions,
        updates_per_decision=200 // decisions,
        observation=list(observation),
        **more,
    )
    interface = interface_of(Loop.of(config), "action")
    torch.manual_seed(0)
    inputs = len(interface.observation)
    network = Network([("lstm", inputs, 8), ("linear", 8, len(knobs))], inputs, 5.0)
    with torch.no_grad():
        network.layers[1].weight.mul_(3)  # type: ignore[union-attr,operator]
        network.std.fill_(2.0)
    return SavedController(network, interface, to_dict(config), {})
