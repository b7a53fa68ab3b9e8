"""The commands of a study's trainings and tunings say what is wanted, and their processes do it."""

import json
import os
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

from agents.train_ppo import TrainOptions
from agents.train_sac import TrainOptions as SACOptions
from agents.worker import command, hydra_text, run_logged
from baselines.options import CONFIGS, load, register_presets
from baselines.tune import Tuned, TuneOptions, tune
from gan_env import PRESETS, ConfigError, GANVectorEnv
from gan_env.config import env_config, to_dict


def fields(changes: dict[str, Any], *arguments: str) -> list[str]:
    options = {"preset": "points", **to_dict(env_config("points", **changes))}
    return command("train_ppo", Path("somewhere"), Path("costs.json"), arguments, options)[6:]


def test_what_is_as_in_the_preset_is_not_said() -> None:
    assert fields({}, "seed=7") == ["seed=7", "env=points"]


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
    assert env_config(**options.env) == env_config("points", **changes)


def test_a_base_reaches_the_training_script() -> None:
    rates = {"kind": "step", "initial": 0.001, "final": 0.01, "decay_rate": 4.0}
    base = {"kind": "rates", "knobs": {"lr_g": rates}, "until": 0.5}
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


def test_presets_are_environment_groups_too() -> None:
    """The command names the preset as the group `env`."""
    assert set(PRESETS) == {path.stem for path in (Path(CONFIGS) / "env").glob("*.yaml")}


SMALL = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


@pytest.mark.parametrize("kind", ["rates", "ada"])
def test_a_tuning_finds_what_a_search_here_finds(kind: str, tmp_path: Path) -> None:
    env_options = {"preset": "points", **to_dict(env_config("points", **SMALL, knobs=["augment", "r1", "lr_g"]))}
    sizes = {"budget": 700, "runs": 2, "finalists": 2, "rows": 8, "seed": 50}
    apart, costs = tmp_path / "a = (part), 'it'", tmp_path / "costs" / "cell.json"
    fields = [f"kind={kind}", *(f"{name}={value}" for name, value in sizes.items())]
    run_logged(command("tune", apart, costs, fields, env_options), apart / "log.txt", 1)
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, **env_options)
    options = TuneOptions(kind, env_options, **sizes, folder=str(tmp_path))
    there, here = Tuned(**json.loads((apart / f"{kind}.json").read_text())), tune(env, options)
    assert (there.finalists, there.trials, there.gan_updates) == (here.finalists, here.trials, here.gan_updates)
    assert json.loads(costs.read_text()).keys() == {"wall_s", "peak_mb"}


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
    child = "import agents.worker as w, os, time; w.end_with_parent(); print(os.getpid()); time.sleep(60)"
    parent = "import sys, pathlib, agents.worker as w; w.run_logged(sys.argv[2:], pathlib.Path(sys.argv[1]), 1)"
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
