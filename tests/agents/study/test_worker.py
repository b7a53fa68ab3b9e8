"""The arguments of a study's trainings and tunings say what is wanted, and the worker does it."""

import json
from pathlib import Path
from typing import Any

import pytest
from gymnasium.vector import AutoresetMode
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from agents.study.worker import arguments, hydra_text, work
from agents.train_ppo import TrainOptions
from agents.train_sac import TrainOptions as SACOptions
from baselines.options import load, register_presets
from baselines.search.tuner import Tuned, TuneOptions, tune
from gan_env import PRESETS, GANVectorEnv
from gan_env.config import CONFIGS, env_config, to_dict


def fields(changes: dict[str, Any], *more: str) -> list[str]:
    options = {"preset": "points", **to_dict(env_config("points", **changes))}
    return arguments("train_ppo", Path("somewhere"), Path("costs.json"), more, options)[3:]


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
    with initialize_config_dir(str(CONFIGS), version_base=None):
        config = compose("train_ppo", fields(changes, "agent.rollouts=7"))
    options = load(TrainOptions, config)
    assert options.agent.rollouts == 7
    assert env_config(**options.env) == env_config("points", **changes)


def test_a_base_reaches_the_training_script() -> None:
    rates = {"kind": "step", "initial": 0.001, "final": 0.01, "decay_rate": 4.0}
    base = {"kind": "rates", "knobs": {"lr_g": rates}, "until": 0.5}
    register_presets()
    with initialize_config_dir(str(CONFIGS), version_base=None):
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
    with initialize_config_dir(str(CONFIGS), version_base=None):
        config = compose("train_sac", ["+policy@base=ada"])
    assert load(SACOptions, config).base["kind"] == "ada"


def test_presets_are_environment_groups_too() -> None:
    """The command names the preset as the group `env`."""
    assert set(PRESETS) == {path.stem for path in (CONFIGS / "env").glob("*.yaml")}


SMALL = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


@pytest.mark.parametrize("kind", ["rates", "ada"])
def test_a_tuning_finds_what_a_search_here_finds(kind: str, tmp_path: Path) -> None:
    env_options = {"preset": "points", **to_dict(env_config("points", **SMALL, knobs=["augment", "r1", "lr_g"]))}
    sizes = {"budget": 700, "runs": 2, "finalists": 2, "rows": 8, "seed": 50}
    apart, costs = tmp_path / "a = (part), 'it'", tmp_path / "costs" / "cell.json"
    fields = [f"kind={kind}", *(f"{name}={value}" for name, value in sizes.items())]
    work(*arguments("tune", apart, costs, fields, env_options))
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, **env_options)
    options = TuneOptions(kind, env_options, **sizes, folder=str(tmp_path))
    there, here = Tuned(**json.loads((apart / f"{kind}.json").read_text())), tune(env, options)
    assert (there.finalists, there.trials, there.gan_updates) == (here.finalists, here.trials, here.gan_updates)
    assert json.loads(costs.read_text()).keys() == {"wall_s", "peak_mb"}
