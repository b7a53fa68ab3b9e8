"""Trainings without a command line, and trained controllers where they can act."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from gymnasium.vector import AutoresetMode
from programs import composed
from trainings import ENV, tiny

from agents.learning.controllers import INTERFACE, SCRIPTS, check_script, load_controller, train, training_options
from agents.learning.run_folder import RunFolder
from gan_env import PRESETS, ConfigError, GANVectorEnv
from gan_env.config import to_dict
from gan_env.evaluation.rollout import run_episodes

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = sorted(path.parents[1] for path in (ROOT / "docs/results").glob("*/training/*/controller/config.yml"))


# --- options ---


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("preset", PRESETS)
def test_options_are_those_of_the_command_line(script: str, preset: str) -> None:
    """Hydra, which makes those, is the reference, for every environment."""
    fields = composed(f"train_{script}", f"env={preset}", "seed=3")
    options = training_options(script, {}, fields["env"], seed=3)
    assert yaml.safe_load(yaml.safe_dump(to_dict(options))) == fields
    assert options.agent.rows == fields["agent"]["rows"]
    assert (options.agent.rows == 96) == (preset == "points" and script not in ("meta", "maml"))


def test_hyperparameters_that_are_given_are_changed_and_no_others() -> None:
    usual, given = (training_options("ppo", agent, ENV, 0).agent for agent in ({}, {"epochs": 3}))
    assert to_dict(given) == {**to_dict(usual), "epochs": 3}


def test_every_program_has_policies_choose_where_five_knobs_start() -> None:
    """What scripts train on is what studies compare on."""
    for name in ("train_ppo", "compare", "run"):
        for preset in PRESETS:
            env = composed(name, f"env={preset}", "folder=x" if name == "run" else "seed=0")["env"]
            assert env["knobs"] == ["instance_noise", "augment", "r1", "lr_g", "lr_d"] and env["max_first_change"] == 1


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
    load_controller(trained, small_env())
    (name,) = changes
    with pytest.raises(ConfigError, match=rf"env\.{name}=.*with which the controller in {trained} was trained"):
        load_controller(trained, small_env(**changes))


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


def changed(trained: Path, copy: Path, **config: Any) -> Path:
    """A copy of a training with changes to its configuration."""
    shutil.copytree(trained, copy)
    path = copy / "controller/config.yml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **config}))
    return copy


@pytest.mark.parametrize("script", ["sac", "recurrent_ppo", "ars"])
def test_a_folder_that_names_another_script_is_refused(trained: Path, script: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"can't be read as a training by train_{script}.py.*damaged"):
        load_controller(changed(trained, tmp_path / "copy", script=script), small_env())


@pytest.mark.parametrize("script", [None, "dreamer"])
def test_a_folder_that_names_no_script_is_refused_with_help(trained: Path, script: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"script in .*config.yml={script!r} .*'recurrent_ppo'"):
        load_controller(changed(trained, tmp_path / "copy", script=script), small_env())


def test_a_controller_that_corrects_another_policy_is_refused(trained: Path, tmp_path: Path) -> None:
    """An earlier version trained such; alone it would do something else."""
    with pytest.raises(ConfigError, match=r"base=.*no longer supported"):
        load_controller(changed(trained, tmp_path / "copy", base={"kind": "rates"}), small_env())


def test_a_training_that_is_not_finished_or_damaged_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "copy")
    (folder / "controller.zip").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="its files are damaged: train again"):
        load_controller(folder, small_env())
    with pytest.raises(ConfigError, match=r"as a training by train_meta.py .*its files are damaged: train again"):
        (folder / "controller.safetensors").write_text("nothing")
        load_controller(changed(folder, tmp_path / "meta", script="meta", agent={}), small_env())
    (folder / "controller.zip").unlink()
    with pytest.raises(ConfigError, match=f"no finished training.*train_ppo.py resume={folder}"):
        load_controller(folder, small_env())


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: f"{path.parents[1].name}/{path.name}")
def test_published_controllers_still_act(folder: Path) -> None:
    """Those that corrected another policy are pages alone now."""
    config = yaml.safe_load((folder / "controller/config.yml").read_text())
    small = {"datasets": ["ring"], "metric_samples": 32, "compile": False, "instances": {"width_g": [4, 4], "width_d": [4, 4]}}
    if config.get("base"):
        with pytest.raises(ConfigError, match="no longer supported"):
            load_controller(folder, GANVectorEnv(1))
        return
    same = {name: config["env"].get(name) for name in INTERFACE}
    env = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **same, **small)
    observation, _ = env.reset(seed=0)
    action, _ = load_controller(folder, env).predict(observation)
    assert action.shape == (2, len(same["knobs"])) and abs(action).max() > 1e-3
