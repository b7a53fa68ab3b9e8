"""What every policy's evaluation keeps."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from agents.comparison import MOMENTS, evaluate
from agents.run_folder import RunFolder
from baselines.options import load_policy
from gan_env import GANVectorEnv


@pytest.mark.parametrize("decisions", [1, 3, 4, 6])
def test_samples_are_kept_at_four_moments_however_few_decisions_there_are(tmp_path: Path, decisions: int) -> None:
    small = {"num_decisions": decisions, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **small)
    evaluate("fixed", load_policy("fixed").make(env), env, range(2), RunFolder(tmp_path, "test"))
    assert np.load(tmp_path / "samples/fixed.npy").shape == (2, MOMENTS, 256, 2)
