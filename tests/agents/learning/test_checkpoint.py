"""What checkpoints rely on in stable-baselines3. test_training.py continues trainings of each algorithm from them."""

from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.base_class import BaseAlgorithm
from trainings import SB3, Killed, module, tiny

from agents.learning.checkpoint import EVERY, OWN, attributes
from agents.learning.run_folder import RunFolder
from gan_env import ConfigError


@pytest.mark.parametrize("script", SB3)
def test_stable_baselines3_keeps_its_state_under_the_names_that_checkpoints_save(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, a new version has renamed private attributes: change `EVERY` or `OWN` in checkpoint.py."""
    made: list[BaseAlgorithm] = []

    def stop(model: BaseAlgorithm, _: Any) -> None:
        made.append(model)
        raise Killed

    monkeypatch.setattr(BaseAlgorithm, "set_logger", stop)
    with pytest.raises(Killed):
        module(script).train(tiny(script), RunFolder(tmp_path, "env"))
    names = attributes(made[0])
    assert set(EVERY) <= set(names)
    delattr(made[0], names[3])
    with pytest.raises(ConfigError, match=f"stable-baselines3='.*{names[3]}"):
        attributes(made[0])


def test_what_single_classes_have_is_of_models_that_are_trained() -> None:
    assert set(OWN) <= {"PPO", "RecurrentPPO", "SAC", "TQC", "BatchedARS"}
