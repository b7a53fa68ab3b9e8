"""Trained controllers are loaded where they can act, and what is none is refused with help."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from gymnasium.vector import AutoresetMode
from omegaconf import OmegaConf

from agents.learning.controllers import SCRIPTS, check_script, load_controller
from agents.study.worker import arguments, work
from gan_env import ConfigError, GANVectorEnv
from gan_env.config import env_config, to_dict


def test_looking_for_a_controller_where_none_is_makes_no_folder(tmp_path: Path) -> None:
    env = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, compile=False, metric_samples=32)
    with pytest.raises(ConfigError, match=r"mistyped' has no \*/config\.yml: expected a run folder"):
        load_controller("ppo", tmp_path / "mistyped", env)
    assert not list(tmp_path.iterdir())


ENV: dict[str, Any] = {
    "num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False, "knobs": ["r1", "augment"],
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PPO that was hardly trained, on two knobs."""
    folder = tmp_path_factory.mktemp("ppo")
    options = {"preset": "points", **to_dict(env_config(**ENV))}
    fields = ("agent.rollouts=1", "agent.rows=8")
    work(*arguments("train_ppo", folder, folder / "trained.json", fields, options))
    return folder


def small_env(**changes: Any) -> GANVectorEnv:
    return GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **{**ENV, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"action_mode": "absolute"},
        {"knobs": ["augment", "r1"]},
        {"observation": ["progress", "knobs"]},
        {"max_change": 0.1},
        {"max_first_change": 1.0},
    ],
)
def test_a_controller_acts_only_where_its_actions_mean_the_same(trained: Path, changes: dict[str, Any]) -> None:
    load_controller("ppo", trained, small_env())
    (name,) = changes
    with pytest.raises(ConfigError, match=rf"env\.{name}=.*with which the controller in {trained} was trained"):
        load_controller("ppo", trained, small_env(**changes))


@pytest.mark.parametrize("script", ["sac", "recurrent_ppo", "ars"])
def test_a_training_of_another_script_is_refused(trained: Path, script: str) -> None:
    with pytest.raises(ConfigError, match=f"can't be read as a training by train_{script}.py.*the script that trained"):
        load_controller(script, trained, small_env())


@pytest.mark.parametrize("script", ["meta", "maml"])
def test_a_meta_training_that_is_not_there_or_not_finished_is_refused(script: str, trained: Path) -> None:
    """It has no file of a meta-network, whoever trained it."""
    with pytest.raises(ConfigError, match=f"no finished training by train_{script}.py.*resume={trained}"):
        load_controller(script, trained, small_env())


def test_what_is_refused_in_words_of_its_own_keeps_them(trained: Path, tmp_path: Path) -> None:
    """Here what the controller corrects, for which the environment lacks a knob; nothing is damaged."""
    folder = shutil.copytree(trained, tmp_path / "copy")
    config = OmegaConf.load(folder / "controller/config.yml")
    config.base = {"kind": "apa"}
    OmegaConf.save(config, folder / "controller/config.yml")
    with pytest.raises(ConfigError, match=r"^env.knobs=.*'pseudo' among them"):
        load_controller("ppo", folder, small_env())


def test_a_training_that_is_not_finished_or_damaged_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    (folder / "controller.zip").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="its files are damaged: train again"):
        load_controller("ppo", folder, small_env())
    (folder / "controller.zip").unlink()
    with pytest.raises(ConfigError, match=f"no finished training by train_ppo.py.*resume={folder}"):
        load_controller("ppo", folder, small_env())


def test_a_script_without_a_loader_is_refused_with_help() -> None:
    for script in SCRIPTS:
        check_script(script, "script")
    with pytest.raises(ConfigError, match="recurrent_ppo"):
        check_script("dreamer", "script")
