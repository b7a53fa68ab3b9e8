"""The benchmark's program: any policy by name, by folder or by import path."""

import json
import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import pytest
import small_env
from programs import call
from small_protocol import SMALL

from gan_env.benchmark import enter
from gan_env.benchmark.protocols import PROTOCOLS
from gan_env.policies.learned import interface_of
from gan_env.saved_controller import Network, SavedController
from gan_env.strict import to_dict

OWN = """
import numpy as np
class Still:
    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.zeros((len(observation), 5), np.float32), state
def still(env):
    return Still()
def nothing(env):
    return 3
"""


def benchmark(folder: Path, *arguments: str) -> CompletedProcess[str]:
    with patch.dict(PROTOCOLS, {"small": SMALL}):
        given = ["protocol=small", "env.compile=false", "rows=8", f"folder={folder}"]
        return call("agents/benchmark.py", *given, *arguments)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_policies.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_policy_by_name_gets_a_card(tmp_path: Path) -> None:
    result = benchmark(tmp_path, "policy=cosine")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "card.json").read_text())
    assert (found["policy"], found["protocol"]) == ("cosine", "small")
    assert found["cost"]["gan_updates"] == 4 * 2 * 3 * 2


@pytest.mark.usefixtures("own")
def test_a_policy_by_import_path_plays(tmp_path: Path) -> None:
    """One that moves nothing is as good as constants."""
    result = benchmark(tmp_path, "policy=their_policies:still")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "card.json").read_text())
    assert found["policy"] == "their_policies:still"
    assert found["against"]["constants"]["gain"]["value"] == 0


def test_a_controller_plays_from_its_folder_with_what_it_saw(tmp_path: Path) -> None:
    env = small_env.make(1, observation=("progress", "knobs"))
    network = Network([("linear", len(env.observer.names), 5)], len(env.observer.names))
    SavedController(network, interface_of(env, "action"), to_dict(env.config), {}).save(tmp_path / "mine")
    (tmp_path / "mine/trained.json").write_text('{"gan_updates": 7}')
    result = benchmark(tmp_path / "card", f"policy={tmp_path}/mine")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "card/card.json").read_text())
    assert found["policy"] == "mine"
    assert found["observation"] == ["progress", "knobs"]
    assert found["cost"]["training"] == 7


def test_a_controller_that_saw_more_is_refused(tmp_path: Path) -> None:
    env = small_env.make(1, observation=("progress", "knobs", "context"))
    network = Network([("linear", len(env.observer.names), 5)], len(env.observer.names))
    SavedController(network, interface_of(env, "action"), to_dict(env.config), {}).save(tmp_path / "mine")
    result = benchmark(tmp_path / "card", f"policy={tmp_path}/mine")
    assert result.returncode == 1
    assert "which small shows" in result.stderr


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("policy=their_policies:lacking", "their_policies has none that is called lacking"),
        ("policy=their_policies:nothing", "a thing that has `predict`"),
        ("policy=os:getcwd", "expected a function of one argument, the environment"),
        ("policy=nowhere.at_all:make", "policy='nowhere.at_all' can't be imported: there is no module"),
        ("policy=nobody", "or module:function"),
        ("policy=steady_walk", "small shows; this one needs balanced, balance"),
        ("protocol=points", "protocol='points' can't be used"),
        ("runs=/nowhere", "can't be read as runs"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, argument: str, message: str) -> None:
    if argument.startswith("runs"):
        pytest.importorskip("pyarrow")
    result = benchmark(tmp_path, argument)
    assert result.returncode == 1
    assert message in result.stderr


def test_the_policy_of_the_page_plays() -> None:
    page = (Path(__file__).parents[2] / "docs/benchmark.md").read_text()
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    assert enter(SMALL, "theirs", names["make"], rows=8, compile=False).against["constants"]["gain"]["value"] != 0
