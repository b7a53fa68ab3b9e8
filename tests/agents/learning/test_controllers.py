"""Trainings without a command line, and trained controllers where they can act."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gymnasium.vector import AutoresetMode
from programs import composed
from trainings import ENV, tiny

from agents.learning.controllers import SCRIPTS, check_script, load_controller, train, training_options
from agents.learning.run_folder import RunFolder
from baselines.options import data_kind
from gan_env import PRESETS, ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.saved_controller import DESCRIPTION, WEIGHTS
from gan_env.strict import to_dict

ROOT = Path(__file__).resolve().parents[3]


# --- options ---


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("preset", PRESETS)
def test_options_are_those_of_the_command_line(script: str, preset: str) -> None:
    """Hydra, which makes those, is the reference, for every environment."""
    fields = composed(f"train_{script}", f"env={preset}", "seed=3")
    options = training_options(script, {}, fields["env"], seed=3)
    assert yaml.safe_load(yaml.safe_dump(to_dict(options))) == fields
    assert options.agent.rows == fields["agent"]["rows"]
    assert (options.agent.rows == 96) == (data_kind(preset) != "images" and script not in ("meta", "maml"))


def test_hyperparameters_that_are_given_are_changed_and_no_others() -> None:
    usual, given = (training_options("ppo", agent, ENV, 0).agent for agent in ({}, {"epochs": 3}))
    assert to_dict(given) == {**to_dict(usual), "epochs": 3}


def test_every_program_has_policies_choose_where_five_knobs_start() -> None:
    """What scripts train on is what studies compare on."""
    for name in ("train_ppo", "compare", "run"):
        for preset in set(PRESETS) - {"few_images"}:  # which is about three regularisers
            env = composed(name, f"env={preset}", "name=x" if name == "run" else "seed=0")["env"]
            assert env["knobs"] == ["instance_noise", "augment", "r1", "lr_g", "lr_d"] and env["max_first_change"] == 1
            assert "context" not in env["observation"]


def test_a_script_that_is_not_there_is_refused_with_help() -> None:
    for script in SCRIPTS:
        check_script(script, "script")
    with pytest.raises(ConfigError, match="recurrent_ppo"):
        training_options("dreamer", {}, {}, 0)


# --- controllers ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PPO that was hardly trained, on two knobs."""
    folder = tmp_path_factory.mktemp("ppo")
    train("ppo", tiny("ppo", {"rollouts": 1}, knobs=["r1", "augment"]), RunFolder(folder, "controller"))
    return folder


def small_env(**changes: Any) -> GANVectorEnv:
    options = {**ENV, "knobs": ("r1", "augment"), **changes}
    return GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **options)


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_any_script_trained_is_loaded_by_its_folder(script: str, tmp_path: Path) -> None:
    options = tiny(
        script,
        {"rollouts": 1, **({"inner_steps": 1} if script == "maml" else {})} if script in ("meta", "maml") else None,
    )
    train(script, options, RunFolder(tmp_path, "env"))
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **options.env)
    first, second = (run_episodes(load_controller(tmp_path, env), env, [0, 1]) for _ in range(2))
    assert first.final.tolist() == second.final.tolist()
    assert abs(first.coordinates - env.knobs.initial.cpu().numpy()).max() > 1e-4  # it moves the knobs


def test_looking_for_a_controller_where_none_is_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mistyped' has no \*/config\.yml: expected a run folder"):
        load_controller(tmp_path / "mistyped", small_env())
    assert not list(tmp_path.iterdir())


def test_a_run_that_was_played_is_no_training(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(ConfigError, match=r"with controller\.json: this one is of a run that a program in baselines/"):
        load_controller(tmp_path, small_env())


def test_a_training_that_is_not_finished_is_named_with_what_continues_it(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    (folder / "controller.json").unlink()  # which is written last
    with pytest.raises(ConfigError, match=f"no finished training.*train_ppo.py resume={folder}"):
        load_controller(folder, small_env())


def test_a_downloaded_folder_needs_its_two_files_alone(trained: Path, tmp_path: Path) -> None:
    """And a training leaves no other file that is loaded but its checkpoint, which is not unpickled."""
    env = small_env()
    for name in (DESCRIPTION, WEIGHTS):
        shutil.copy(trained / name, tmp_path / name)
    observations, _ = env.reset(seed=0)
    actions = [load_controller(folder, env).predict(observations)[0] for folder in (trained, tmp_path)]
    np.testing.assert_array_equal(*actions)
    left = {path.name for path in trained.rglob("*") if path.is_file() and path.parent.name != "tensorboard"}
    assert left == {DESCRIPTION, WEIGHTS, "config.yml", "trained.json", "state.pt"}


PLAYED_ALONE = """
import sys

sys.modules |= dict.fromkeys(("stable_baselines3", "sb3_contrib"))  # importing them fails
from pathlib import Path

from agents.learning.controllers import load_controller
from baselines.playing import PlayOptions, play_options
from gan_env import GANVectorEnv

for folder in sys.argv[1:]:
    small = {"datasets": ["ring"], "metric_samples": 32, "compile": False}
    options = play_options(PlayOptions(), {"controller": folder, "env": small}, [])
    env = GANVectorEnv(2, **options.env)
    print(abs(options.make_policy(env).predict(env.reset(seed=0)[0])[0]).max() > 1e-3)
"""


def test_playing_a_controller_needs_no_stable_baselines3(tmp_path: Path) -> None:
    scripts = {"ppo": None, "recurrent_ppo": None, "meta": None, "maml": {"inner_steps": 1}}
    for script, agent in scripts.items():
        train(script, tiny(script, {"rollouts": 1, **(agent or {})}), RunFolder(tmp_path / script, "env"))
    command = [sys.executable, "-c", PLAYED_ALONE, *(str(tmp_path / script) for script in scripts)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * len(scripts)


def test_a_folder_of_another_program_is_not_continued_by_a_training(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yml").write_text("policy: fixed\n")
    with pytest.raises(ConfigError, match=r"no finished training: give another folder$"):
        load_controller(tmp_path, small_env())
