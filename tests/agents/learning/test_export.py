"""What is saved acts as the model of stable-baselines3 that was trained."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn
from trainings import SB3, tiny

from agents.learning import training
from agents.learning.controllers import load_controller, train
from agents.learning.export import network_of
from agents.learning.run_folder import RunFolder
from gan_env import ConfigError, GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3Policy
from gan_env.policies.steering import Policy

HIDDEN: dict[str, list[list[int]]] = {script: [[8, 6]] for script in SB3} | {"ars": [[], [8]], "ppo": [[], [8, 6]]}
EACH = [(script, hidden) for script, sizes in HIDDEN.items() for hidden in sizes]


def trained(script: str, hidden: list[int], folder: Path, patch: pytest.MonkeyPatch) -> tuple[SB3Policy, Policy]:
    """A model with its normalisation, and what was saved of it; on five knobs, so that actions differ in sign."""
    models: list[tuple[BaseAlgorithm, VecNormalize]] = []

    def export(model: BaseAlgorithm, normalize: VecNormalize) -> Any:
        torch.manual_seed(0)
        for weights in model.policy.parameters():
            torch.nn.init.normal_(weights, std=0.5)  # else actions are small, and none is clipped
        models.append((model, normalize))
        return network_of(model, normalize)

    patch.setattr(training, "network_of", export)
    knobs = ["instance_noise", "augment", "r1", "lr_g", "lr_d"]
    options = tiny(script, {"hidden": hidden}, knobs=knobs)
    train(script, options, RunFolder(folder, "env"))
    (found,) = models
    return SB3Policy(*found), load_controller(folder, GANVectorEnv(1, **options.env))


@pytest.mark.parametrize(("script", "hidden"), EACH)
def test_the_saved_network_acts_as_stable_baselines3_does(
    script: str, hidden: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several decisions, with memory, with rows that start anew, and where observations or actions are clipped."""
    theirs, ours = trained(script, hidden, tmp_path, monkeypatch)
    rng, rows = np.random.default_rng(0), 16
    sizes = theirs.normalize.obs_rms.mean.shape  # type: ignore[union-attr]
    state, mine = None, None
    largest = 0.0
    for _ in range(5):
        observation = rng.normal(scale=4.0, size=(rows, *sizes)).astype(np.float32)
        start = rng.random(rows) < 0.3
        expected, state = theirs.predict(observation, state, start)
        action, mine = ours.predict(observation, mine, start)
        np.testing.assert_allclose(action, expected, rtol=0, atol=1e-6)
        largest = max(largest, float(np.abs(expected).max()))
    assert largest > 0.3


def test_a_policy_that_is_built_in_another_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a later version of stable-baselines3 might do; layers of other kinds are not the version's fault."""
    theirs, _ = trained("ppo", [8], tmp_path, monkeypatch)
    policy: Any = theirs.model.policy
    policy.mlp_extractor.policy_net.append(nn.GELU())
    with pytest.raises(ConfigError, match=r"^layer 2 of the network='GELU' can't be used: expected one of Linear"):
        network_of(theirs.model, theirs.normalize)
    del policy.action_net
    with pytest.raises(ConfigError, match=r"stable-baselines3='.*action_net.*expected a version"):
        network_of(theirs.model, theirs.normalize)
