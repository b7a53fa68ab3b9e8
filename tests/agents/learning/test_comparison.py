"""What every policy's evaluation keeps, and who is compared."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from agents.learning.comparison import MOMENTS, ComparisonOptions, compare, evaluate
from agents.learning.run_folder import RunFolder
from gan_env import GANVectorEnv
from gan_env.policies.presets import load_policy
from gan_env.policies.tables import State

Floats = NDArray[np.float32]


@pytest.mark.parametrize("decisions", [1, 3, 4, 6])
def test_samples_are_kept_at_four_moments_however_few_decisions_there_are(tmp_path: Path, decisions: int) -> None:
    small = {"num_decisions": decisions, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **small)
    evaluate("fixed", load_policy("fixed").make(env), env, range(2), RunFolder(tmp_path, "test"))
    assert np.load(tmp_path / "samples/fixed.npy").shape == (2, MOMENTS, 256, 2)


class Still:
    """Moves no knob."""

    def __init__(self, env: GANVectorEnv) -> None:
        self.features, self.knobs = len(env.observer.names), len(env.config.knobs)

    def predict(
        self, observation: Floats, state: State = None, episode_start: object = None, deterministic: bool = True
    ) -> tuple[Floats, State]:
        assert observation.shape[1] == self.features
        return np.zeros((len(observation), self.knobs), np.float32), state


def test_any_knobs_and_any_observation_end_in_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Schedules see what they need beside a controller that doesn't; who has no knob there is named and left out."""
    small = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
    env_options = small | {"preset": "points", "knobs": ["lr_g", "lr_d"], "observation": ["quality"]}
    options = ComparisonOptions(2, rows=2, search_episodes=1, search_thin=50, policies=("fixed", "diffusion", "random"))
    summary = compare("still", Still, env_options, RunFolder(tmp_path, "test"), options, trained=5)
    assert set(summary["policies"]) == {"still", "replay", "best_schedule", "fixed", "random"}
    assert summary["paired_with"]["fixed"]["mean"] == 0  # it does as constants do, on the same runs
    assert "left out of the comparison: diffusion" in capsys.readouterr().out
