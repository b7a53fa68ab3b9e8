"""A tuning in a process of its own finds what a search here finds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from gymnasium.vector import AutoresetMode

from agents.controllers import run_logged
from agents.tuning import command
from baselines.tune import Tuned, TuneOptions, tune
from gan_env import GANVectorEnv
from gan_env.config import env_config, to_dict

SMALL = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


@pytest.mark.parametrize("kind", ["rates", "ada"])
def test_it_searches_as_the_options_say(kind: str, tmp_path: Path) -> None:
    env_options = {"preset": "points", **to_dict(env_config("points", **SMALL, knobs=["augment", "r1", "lr_g"]))}
    options = TuneOptions(kind, env_options, budget=700, runs=2, finalists=2, rows=8, seed=50, folder=str(tmp_path))
    apart, costs = tmp_path / "a = (part), 'it'", tmp_path / "costs" / "cell.json"
    run_logged(command(replace(options, folder=str(apart)), costs), apart / "log.txt", 1)
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, **env_options)
    there, here = Tuned(**json.loads((apart / f"{kind}.json").read_text())), tune(env, options)
    assert (there.finalists, there.trials, there.gan_updates) == (here.finalists, here.trials, here.gan_updates)
    assert json.loads(costs.read_text()).keys() == {"wall_s", "peak_mb"}
