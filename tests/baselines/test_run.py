"""`python baselines/run.py`: its table, its files, and its refusals."""

import csv
import dataclasses
import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import programs
import pytest
from controllers import saved_controller
from gymnasium.vector import AutoresetMode
from programs import composed
from trainings import tiny

from agents.learning.controllers import train
from agents.learning.run_folder import RunFolder
from baselines.playing import PlayOptions, play_options
from baselines.run import RunOptions, run
from baselines.train_gan import TrainGANOptions
from gan_env import ConfigError, GANVectorEnv
from gan_env.config import env_config
from gan_env.evaluation.rollout import run_episodes
from gan_env.evaluation.seeds import EXAMPLES, row_seeds
from gan_env.policies import PolicyOptions, load_policy, policy_names
from gan_env.policies.presets import observing
from gan_env.strict import replace

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["env.num_decisions=3", "env.updates_per_decision=1", "env.metric_samples=32", "env.compile=false"]


def call(script: str, *arguments: str, folder: Path) -> CompletedProcess[str]:
    return programs.call(script, *SMALL, *arguments, folder=folder)


def test_the_command_of_the_readme(tmp_path: Path) -> None:
    done = call("baselines/run.py", "policy=cosine", "env=points", "episodes=6", "seed=1000", "rows=4", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.startswith("medians over 6 runs; score: log distance, lower is better\n") and "IQM" in done.stdout
    )
    folder = tmp_path / "logs/run/cosine-points"
    summary = json.loads((folder / "summary.json").read_text())
    rows = list(csv.DictReader((folder / "decisions.csv").open()))
    assert summary["n"] == 6
    assert summary["crashes"] == 0
    assert len(rows) == 6 * 3
    last = [float(row["score"]) for row in rows if row["decision"] == "2"]
    assert summary["mean"] == pytest.approx(np.mean(last), abs=1e-4)
    assert [int(row["seed"]) for row in rows[::3]] == list(range(1000, 1006))
    assert float(rows[0]["knob_r1"]) == pytest.approx(3.0, rel=1e-4)
    assert float(rows[2]["knob_r1"]) == pytest.approx(0.3, rel=1e-3)


def test_the_plans_setting_is_one_argument(tmp_path: Path) -> None:
    """Noise 1 to 0.01, augmentation 0.8 to 0.1, R1 10 to 1; here with three decisions, so the second is half-way."""
    options = ["env=points", "env.action_mode=absolute", "episodes=2", "rows=2"]
    done = call("baselines/run.py", "+experiment=plan", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs/run/plan-points"
    with (folder / "decisions.csv").open() as file:
        rows = list(csv.DictReader(file))[:3]
    for knob, values in {"instance_noise": [1, 0.1, 0.01], "augment": [0.8, 0.45, 0.1], "r1": [10, 5.5, 1]}.items():
        assert [float(row[f"knob_{knob}"]) for row in rows] == pytest.approx(values, rel=1e-3)
    instances = json.loads((folder / "summary.json").read_text())["env"]["instances"]
    assert instances["batch_size"] == [64, 64]
    assert instances["lr_g"] == instances["lr_d"] == [2e-4, 2e-4]


@pytest.mark.parametrize("given", ["test", "train", None])
def test_the_summary_says_which_instances_were_played(given: str | None, tmp_path: Path) -> None:
    """Those that are asked for; test instances where nothing is said, on the command line as from Python."""
    arguments = [*SMALL, "episodes=2", "rows=2", "folder=here", *([f"env.split={given}"] if given else [])]
    told = replace(RunOptions(), composed("run", "name=x", *arguments))
    env = {name: value for name, value in told.env.items() if name != "split"}
    plain = RunOptions(policy=told.policy, env=env | ({"split": given} if given else {}), episodes=2, rows=2)
    ends = []
    for options in (told, plain):
        ends.append(run(dataclasses.replace(options, folder=str(tmp_path))).final)
        played = json.loads((tmp_path / "summary.json").read_text())["env"]
        assert (played["preset"], played["split"]) == ("points", given or "test")
    expected = GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **env, split=given or "test")
    seeds = [EXAMPLES, EXAMPLES + 1]
    for end in ends:
        np.testing.assert_array_equal(end, run_episodes(told.policy.make(expected), expected, seeds).final)


@pytest.mark.parametrize(("overrides", "preset"), [([], "fashion_mnist"), (["env=points"], "points")])
def test_the_plans_setting_is_for_images_unless_told_otherwise(overrides: list[str], preset: str) -> None:
    env = composed("run", "name=x", "+experiment=plan", *overrides)["env"]
    assert env["preset"] == preset
    assert env["instances"]["batch_size"] == [64, 64]
    assert env["instances"]["train_size"] == 1024  # what the setting doesn't name is the preset's


OFF = {"instance_noise": 0.0, "augment": 0.0}
WGAN_GP = {"losses": ["wasserstein"], "knobs": ["gp"], "initial_knobs": {"gp": 10.0, "r1": 0.0, **OFF}}
R3GAN = {
    "architecture": "r3gan",
    "losses": ["relativistic"],
    "knobs": ["augment", "r1", "r2", "lr_g", "lr_d"],
    "initial_knobs": {"r1": 0.05, "r2": 0.05, **OFF},
}


@pytest.mark.parametrize(("script", "kind"), [("run", RunOptions), ("train_gan", TrainGANOptions)])
@pytest.mark.parametrize(
    ("name", "policy", "env"), [("wgan_gp", "fixed", WGAN_GP), ("r3gan", "r3gan", R3GAN)], ids=["wgan_gp", "r3gan"]
)
def test_a_published_combination_is_one_argument(
    script: str, kind: type[Any], name: str, policy: str, env: dict[str, Any]
) -> None:
    """What it doesn't name is the preset's."""
    options = replace(kind(), composed(script, f"+experiment={name}", "name=this"))
    assert options.policy == load_policy(policy)
    there = env_config(**options.env)
    named = {**env, "instances": {"beta_1": [0, 0]}, "split": there.split}
    assert there == env_config("fashion_mnist", **named)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["episode=3"], "episode"),
        (["env.num_decision=3"], "num_decision"),
        (["policy=cosinus"], "cosine"),
        (["policy=5"], "cosine"),
        (["env.preset=nope"], "fashion_mnist"),
        (["episodes=0"], "at least 1"),
        (["env.crash_penalty=-1"], "more than 0"),
        (["policy.knobs.r1.initial=1000"], "0.0 to 30"),
        (["policy=ada", "policy.rule.targets=0.5"], "targets"),
    ],
)
def test_bad_options_are_refused_with_help(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = call("baselines/run.py", *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("place", ["file", "/proc/nothing"])
def test_a_folder_that_can_t_be_written_to_is_refused_before_anything_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Not after the whole run, with a traceback."""
    (tmp_path / "file").touch()
    monkeypatch.setattr("baselines.run.run_episodes", None)
    with pytest.raises(ConfigError, match=r"^folder=.* can't be used: "):
        run(RunOptions(env={"compile": False}, folder=str(tmp_path / place)))


def test_results_of_other_options_are_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a folder, each run has a new one; the given one takes the same run again."""
    monkeypatch.chdir(tmp_path)
    tiny_env = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    options = RunOptions(env=tiny_env, episodes=2, rows=2)
    for _ in range(2):
        run(options)
    assert sorted(path.name for path in Path("logs/run").iterdir()) == ["run", "run_2"]
    again = dataclasses.replace(options, folder="logs/run/run")
    run(again)
    before = Path("logs/run/run/decisions.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"run in logs/run/run was begun with other options: .*seed.*another folder"):
        run(dataclasses.replace(again, seed=7))
    assert Path("logs/run/run/decisions.csv").read_bytes() == before


def test_results_whose_options_are_not_known_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"^folder=.* expected another folder: this one has results, but not the"):
        run(RunOptions(env={"compile": False}, episodes=1, rows=1, folder=str(tmp_path)))


def test_a_controller_that_was_trained_anew_in_its_place_is_another(tmp_path: Path) -> None:
    place, env = tmp_path / "controller", {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32}
    for seed in (0, 1):
        dataclasses.replace(saved_controller(), training={"seed": seed}).save(place)
        fields = {"env": {"preset": "points", "compile": False, **env}, "controller": str(place), "rows": 1}
        options = play_options(RunOptions(), fields | {"episodes": 1, "folder": str(tmp_path / "run")}, [])
        if seed == 0:
            run(options)
    with pytest.raises(ConfigError, match="sha256="):
        run(options)


def test_examples_share_no_run_with_trainings_or_tests() -> None:
    """Seed 1000, the first of before, is the first run of training 1."""
    assert RunOptions().seed == EXAMPLES not in row_seeds(1, 2000)


@pytest.mark.parametrize("name", [name for name in policy_names() if not name.startswith("tuned/")])
def test_every_configured_policy_runs(name: str, tmp_path: Path) -> None:
    env = {"num_decisions": 3, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
    env["knobs"] = ["instance_noise", "augment", "r1", "pseudo", "lr_g", "lr_d"]  # each policy needs some of them
    policy = load_policy(name)
    seen = observing(env, policy.groups)
    episodes = run(RunOptions(policy=policy, env=seen, episodes=2, rows=2, folder=str(tmp_path)))
    assert np.isfinite(episodes.log_metric).all()


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a PPO that was hardly trained, on three knobs."""
    folder = tmp_path_factory.mktemp("trained") / "ppo-0"
    train("ppo", tiny("ppo", knobs=["augment", "r1", "lr_g"]), RunFolder(folder, "controller"))
    return folder


def test_a_trained_controller_plays_by_its_folder(controller: Path, tmp_path: Path) -> None:
    """With the knobs, moves and observation of its training, whatever the environment's own are."""
    done = call("baselines/run.py", f"policy={controller}", "env=points", "episodes=2", "rows=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "logs/run/ppo-0-points"
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["policy"] == str(controller)
    assert summary["env"]["knobs"] == ["augment", "r1", "lr_g"]
    with (folder / "decisions.csv").open() as file:
        rates = [float(row["knob_lr_g"]) for row in csv.DictReader(file)]
    assert len(set(rates)) > 1  # it moves them


def test_a_policy_of_ones_own_plays_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("knobs: {r1: {kind: fixed, initial: 30.0}}\n")
    done = call("baselines/run.py", "policy=mine.yaml", "env=points", "episodes=2", "rows=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "logs/run/mine-points/summary.json").read_text())
    assert summary["policy"]["knobs"]["r1"]["initial"] == 30.0  # what it holds, as the file may change
    with (tmp_path / "logs/run/mine-points/decisions.csv").open() as file:
        values = [float(row["knob_r1"]) for row in csv.DictReader(file)]
    assert values == pytest.approx([30.0] * 6, rel=1e-4)


def test_a_policy_that_is_played_as_it_is_refuses_changes_of_its_parts(controller: Path) -> None:
    with pytest.raises(ConfigError, match=r"ppo-0' is played as it is: leave out policy\.rule\.gain=1"):
        play_options(PlayOptions(), {"controller": str(controller)}, ["seed=1", "policy.rule.gain=1"])


def test_what_the_command_line_gives_is_not_taken_from_the_training(controller: Path) -> None:
    env = {"preset": "points", "knobs": ["r1"], "max_change": 0.5, "num_decisions": 3}
    given = ["env.max_change=0.5", "env.num_decisions=3"]
    found = play_options(PlayOptions(), {"env": env, "controller": str(controller)}, given).env
    assert (found["max_change"], found["num_decisions"], found["preset"]) == (0.5, 3, "points")
    assert found["knobs"] == ["augment", "r1", "lr_g"]
    assert play_options(PlayOptions(), {"env": env}, []).env == env


def test_the_modules_of_a_training_are_imported_besides_those_that_are_given(tmp_path: Path) -> None:
    """They register what the controller sees."""
    made = saved_controller()
    dataclasses.replace(made, env={**made.env, "extensions": ["mine"]}).save(tmp_path)
    for given in ([], ["other"]):
        fields = {"env": {"preset": "points", "extensions": given}, "controller": str(tmp_path)}
        assert play_options(PlayOptions(), fields, []).env["extensions"] == [*given, "mine"]


def test_a_policy_is_shown_what_it_looks_at() -> None:
    """Besides what the command line asks for."""
    fields = {"policy": {"kind": "rates"}, "env": {"observation": ["progress", "steps"]}}
    found = play_options(PlayOptions(), fields, []).env["observation"]
    assert found == ["progress", "steps", "knobs", "context"]


def test_runs_begin_at_the_learning_rate_of_the_training_where_it_had_one_alone(tmp_path: Path) -> None:
    made = saved_controller()
    env = {**made.env, "instances": {**made.env["instances"], "lr_g": [1e-3, 1e-3]}}
    dataclasses.replace(made, env=env).save(tmp_path)
    fields = {"env": {"preset": "points", "instances": {"beta_1": [0.5, 0.5]}}, "controller": str(tmp_path)}
    found = play_options(PlayOptions(), fields, []).env["instances"]
    assert found == {"beta_1": [0.5, 0.5], "lr_g": [1e-3, 1e-3]}
    for given in ("env.instances.lr_g=[1e-4,1e-4]", "env.instances={lr_g: [1e-4,1e-4]}", "instance.lr_g=1e-4"):
        assert "lr_g" not in play_options(PlayOptions(), fields, [given]).env["instances"]
    listed = {"env": {"preset": "points", "instances": "mine.json"}, "controller": str(tmp_path)}
    assert play_options(PlayOptions(), listed, []).env["instances"] == "mine.json"


def test_a_folder_without_a_training_is_refused_in_one_line(tmp_path: Path) -> None:
    done = call("baselines/run.py", f"policy={tmp_path}", folder=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and str(tmp_path) in line


def test_an_unknown_policy_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="schedule"):
        PolicyOptions(kind="learned")
