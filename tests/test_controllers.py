"""The command that trains a controller of a study says what its environment is."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gymnasium.vector import AutoresetMode
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from agents.controllers import SCRIPTS, check_script, command, hydra_text, load_controller, run_logged
from agents.train_ppo import TrainOptions
from agents.train_sac import TrainOptions as SACOptions
from baselines.options import CONFIGS, load, register_presets
from gan_env import PRESETS, ConfigError, GANVectorEnv
from gan_env.config import env_config, to_dict


def fields(changes: dict[str, Any], *arguments: str) -> list[str]:
    options = {"preset": "points", **to_dict(env_config("points", **changes))}
    return command("ppo", Path("somewhere"), 1000, options, arguments)[5:]


def test_what_is_as_in_the_preset_is_not_said() -> None:
    assert fields({}) == ["seed=1000", "env=points"]


def test_every_kind_of_field_reaches_the_training_script() -> None:
    """Numbers, lists, nested ranges, a mapping with a new key, flags: all come back as they were."""
    changes = {
        "num_decisions": 6,
        "observation": ["progress", "knobs"],
        "instances": {"lr_g": [1e-3, 2e-3]},
        "reward": {"log_improvement": 1.0, "loss_spread": 0.02},
        "action_mode": "absolute",
        "compile": False,
    }
    register_presets()
    with initialize_config_dir(CONFIGS, version_base=None):
        config = compose("train_ppo", fields(changes, "agent.rollouts=7"))
    options = load(TrainOptions, config)
    assert options.agent.rollouts == 7
    assert options.seed == 1000
    assert env_config(**options.env) == env_config("points", **changes)


def test_a_base_reaches_the_training_script() -> None:
    base = {"kind": "rates", "knobs": {"lr_g": {"kind": "step", "initial": 0.001, "decay_rate": 4.0}}, "until": 0.5}
    register_presets()
    with initialize_config_dir(CONFIGS, version_base=None):
        config = compose("train_ppo", [f"++base={hydra_text(base)}"])
    assert load(TrainOptions, config).base == base


TEXTS = ["/a (b)/it's", "a,b", "{a: b}", "true", "NaN", "1e-3", "", " ", r"C:\new", "\\", r"\'", "ä=[ö]", "-x", "a\tb"]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_reach_the_training_script_as_they_are(text: str) -> None:
    config = OverridesParser.create().parse_override(f"++env.x={hydra_text({'a': [text, None, 1, True]})}")
    assert config.value() == {"a": [text, None, 1, True]}


def test_a_base_is_named_like_a_policy() -> None:
    """As the README says it."""
    register_presets()
    with initialize_config_dir(CONFIGS, version_base=None):
        config = compose("train_sac", ["+policy@base=ada"])
    assert load(SACOptions, config).base["kind"] == "ada"


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
    arguments = ("agent.rollouts=1", "agent.rows=8")
    run_logged(command("ppo", folder, 0, options, arguments), folder / "log.txt", 1)
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


def test_presets_are_environment_groups_too() -> None:
    """The command names the preset as the group `env`."""
    assert set(PRESETS) == {path.stem for path in (Path(CONFIGS) / "env").glob("*.yaml")}


def test_what_a_command_prints_is_added_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "made" / "log.txt"
    for word in ("one", "two"):
        run_logged([sys.executable, "-c", f"print({word!r})"], log, 1)
    assert log.read_text() == "one\ntwo\n"


def test_a_command_has_as_many_threads_as_it_is_given(tmp_path: Path) -> None:
    run_logged([sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"], tmp_path / "log.txt", 3)
    assert (tmp_path / "log.txt").read_text() == "3\n"


def test_a_failed_command_is_an_error_that_shows_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such thing"):
        run_logged([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path / "log.txt", 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks processes up in /proc, which Linux has")
def test_a_training_ends_when_its_study_is_killed(tmp_path: Path) -> None:
    """Killed hard, without a chance to say so."""
    log = tmp_path / "log.txt"
    child = "import agents.controllers as c, os, time; c.end_with_parent(); print(os.getpid()); time.sleep(60)"
    parent = "import sys, pathlib, agents.controllers as c; c.run_logged(sys.argv[2:], pathlib.Path(sys.argv[1]), 1)"
    study = subprocess.Popen([sys.executable, "-c", parent, str(log), sys.executable, "-u", "-c", child])
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"))
    training = Path("/proc") / log.read_text().strip()
    assert training.exists()
    os.kill(study.pid, signal.SIGKILL)
    study.wait()
    wait_for(lambda: not training.exists() or "zombie" in (training / "status").read_text())


def wait_for(happened: Callable[[], bool]) -> None:
    """Waits for something of another process, which takes long where others run."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)
