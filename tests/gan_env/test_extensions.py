"""The option `extensions`: modules that register what users wrote, imported in every process."""

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from programs import call
from small_env import SMALL, make, still

from gan_env import ConfigError
from gan_env.config import env_config, load_extensions
from gan_env.mdp.statistics import REGISTERED
from gan_env.policies.presets import ADAPTIVE
from gan_env.strict import to_dict

pytestmark = pytest.mark.usefixtures("tables_as_they_were")

MODULE = """
import numpy as np
import gan_env

class Push:
    def __init__(self, env, push=0.25):
        self.knobs, self.push = len(env.config.knobs), push
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.full((len(observation), self.knobs), self.push, np.float32), state

gan_env.register_statistic("twice_progress", lambda moment: 2 * moment.progress)
gan_env.register_policy("push", Push)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_additions.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_additions", raising=False)
    return "own_additions"


def test_a_module_of_the_options_is_imported_in_every_process(module: str) -> None:
    own = {"extensions": (module,), "observation": ("progress", "twice_progress")}
    envs = gym.make_vec("gan_env/Points-v1", 1, "async", vector_kwargs={"context": "spawn"}, **SMALL, **own)
    try:
        envs.reset(seed=0)
        obs, *_ = envs.step(np.zeros((1, 5), np.float32))
        np.testing.assert_allclose(obs, [[1 / 3, 2 / 3]], rtol=1e-5)
    finally:
        envs.close()


def test_a_module_is_imported_again_for_options_that_were_saved(module: str) -> None:
    saved = to_dict(env_config(extensions=[module], observation=["twice_progress"]))
    REGISTERED.clear()
    sys.modules.pop(module)
    assert make(2, **{**saved, **SMALL}).observer.names == ["twice_progress"]


def test_runs_with_and_without_a_module_may_continue_each_other(module: str) -> None:
    """It says where names are found, not what comes out."""
    env, other = make(2, extensions=(module,)), make(2)
    env.reset(seed=0)
    other.set_state(env.get_state())
    np.testing.assert_array_equal(env.step(still(env))[0], other.step(still(other))[0])


def test_a_command_line_names_the_module(module: str, tmp_path: Path) -> None:
    small = [f"env.{key}={str(value).lower()}" for key, value in SMALL.items()] + ["episodes=2", f"folder={tmp_path}/a"]
    words = ["policy=random", "policy.kind=push", f"env.extensions=[{module}]", "env.observation=[twice_progress]"]
    ran = call("baselines/run.py", *words, *small)
    assert ran.returncode == 0, ran.stderr
    assert '"twice_progress"' in (tmp_path / "a/summary.json").read_text()


def test_a_begun_run_names_the_module(module: str, tmp_path: Path) -> None:
    """It goes on with `folder=` alone, in a process that has not imported it."""
    small = [f"env.{key}={str(value).lower()}" for key, value in SMALL.items()] + [f"folder={tmp_path}/a"]
    words = ["policy=random", "policy.kind=push", f"env.extensions=[{module}]"]
    assert call("baselines/train_gan.py", *words, *small).returncode == 0
    del ADAPTIVE["push"]
    sys.modules.pop(module)
    ran = call("baselines/train_gan.py", f"folder={tmp_path}/a")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", ["my/file.py", "own.py", "../module", "", "a b"])
def test_a_file_is_no_module(name: str) -> None:
    with pytest.raises(ConfigError, match=r"extensions=.*the name of a module.*not a file"):
        env_config(extensions=[name])


def test_a_module_that_is_not_there_is_refused_with_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"extensions='no_such_module'.*PYTHONPATH"):
        env_config(extensions=["no_such_module"])
    (tmp_path / "lacks.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        env_config(extensions=["lacks"])


def test_one_name_that_is_no_list_is_refused() -> None:
    """It would be taken letter by letter."""
    with pytest.raises(ConfigError, match=r"extensions='mine' .*a list of names: \[mine\]"):
        load_extensions("mine")
