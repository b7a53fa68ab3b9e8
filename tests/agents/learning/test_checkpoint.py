"""What checkpoints rely on in stable-baselines3. test_training.py continues trainings of each algorithm from them."""

from pathlib import Path

import pytest
from trainings import SB3, module, tiny

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
    made = []
    monkeypatch.setattr("agents.learning.training.fit", lambda model, *_: made.append(model))
    module(script).train(tiny(script), RunFolder(tmp_path, "env"))
    lacking = {name for name in EVERY | OWN[script] if not hasattr(made[0], name)}
    assert not lacking
    assert EVERY | OWN[script] <= set(ATTRIBUTES)


def test_every_saved_attribute_belongs_to_an_algorithm() -> None:
    assert set(ATTRIBUTES) == EVERY.union(*OWN.values())
