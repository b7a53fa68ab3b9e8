"""What checkpoints rely on in stable-baselines3. test_training.py continues trainings of each algorithm from them."""

from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.base_class import BaseAlgorithm
from trainings import SB3, Killed, module, tiny

from agents.learning.checkpoint import ATTRIBUTES
from agents.learning.run_folder import RunFolder

EVERY = {"num_timesteps", "_n_updates", "_last_obs", "_last_original_obs", "_last_episode_starts", "action_space"}
OWN = {
    "ppo": {"_episode_num"},
    "recurrent_ppo": {"_episode_num", "_last_lstm_states"},
    "sac": {"_episode_num", "replay_buffer", "log_ent_coef"},
    "tqc": {"_episode_num", "replay_buffer", "log_ent_coef"},
    "ars": {"_episode_num", "weights"},
}


@pytest.mark.parametrize("script", SB3)
def test_stable_baselines3_keeps_its_state_under_the_names_that_checkpoints_save(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a new version has renamed private attributes: change `ATTRIBUTES` in checkpoint.py."""
    made: list[BaseAlgorithm] = []

    def stop(model: BaseAlgorithm, _: Any) -> None:
        made.append(model)
        raise Killed

    monkeypatch.setattr(BaseAlgorithm, "set_logger", stop)
    with pytest.raises(Killed):
        module(script).train(tiny(script), RunFolder(tmp_path, "env"))
    lacking = {name for name in EVERY | OWN[script] if not hasattr(made[0], name)}
    assert not lacking
    assert EVERY | OWN[script] <= set(ATTRIBUTES)


def test_every_saved_attribute_belongs_to_an_algorithm() -> None:
    assert set(ATTRIBUTES) == EVERY.union(*OWN.values())
