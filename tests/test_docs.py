"""Programs that a reader would copy run, and print the figures that stand beside them."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import real_distances
from plain_gan import PlainGAN
from programs import call

from gan_env import PRESETS, GANVectorEnv, save_instances
from gan_env.controller import GANController
from gan_env.evaluation.rollout import Episodes
from gan_env.gan.saved import save_generators
from gan_env.policies.learned import LearnedPolicy
from gan_env.policies.presets import load_policy
from gan_env.saved_controller import SavedController

ROOT = Path(__file__).parents[1]
PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


def section(page: str, heading: str) -> str:
    return (ROOT / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.usefixtures("clothes")
def test_the_distances_of_real_images_are_those_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To a hundredth, or to the last digit that is shown: another processor rounds otherwise."""
    monkeypatch.chdir(ROOT)
    real_distances.main()
    table = section("docs/images.md", "How near to the data?").split("| real images | distance |\n|---|---|\n")[1]
    rows = [line.split("|")[2] for line in table.split("\n\n")[0].splitlines()]
    shown = [float(number) for row in rows for number in re.findall(r"\d+\.\d", row)]
    printed = [float(number) for number in re.findall(r"\d+\.\d", capsys.readouterr().out)]
    assert len(shown) == 8
    assert [x for x in shown if not any(abs(x - y) <= max(0.1001, 0.01 * x) for y in printed)] == []


def test_gains_with_few_images_and_with_many_of_runs(tmp_path: Path) -> None:
    """The scores of `mine` are made lower by 1."""
    short = ["env=points", "env.compile=false", "env.updates_per_decision=1", "episodes=16", "rows=16"]
    call("baselines/run.py", "policy=fixed", *short, f"folder={tmp_path / 'constants'}")
    shutil.copytree(tmp_path / "constants", tmp_path / "mine")
    head, *lines = (tmp_path / "mine/decisions.csv").read_text().splitlines()
    column, cells = head.split(",").index("score"), [line.split(",") for line in lines]
    for row in cells:
        row[column] = str(float(row[column]) - 1)
    (tmp_path / "mine/decisions.csv").write_text("\n".join([head, *map(",".join, cells)]))
    ended = call("tests/benchmarks/few_and_many.py", "mine", "constants", folder=tmp_path)
    gain = r": \+1\.000 \(0\.000\), \d+ runs\n"
    assert re.fullmatch(f"fewer than 300 images{gain}300 or more{gain}", ended.stdout)


def test_gains_with_few_images_and_with_many_of_the_mean_of_two_trainings(tmp_path: Path) -> None:
    for name, end in {"ppo-0": 2, "ppo-1": 1, "fixed": 4}.items():
        played = np.full((8, 13), end, np.float32)
        Episodes(played, played, played[..., None], played, np.zeros(8, bool), {}, 0).save(tmp_path / f"{name}.npz")
    ended = call("tests/benchmarks/few_and_many.py", "ppo-?.npz", "fixed.npz", folder=tmp_path)
    assert "fewer than 300 images: +2.500 (0.000), 3 runs" in ended.stdout


def test_gains_of_runs_that_are_not_there_are_refused(tmp_path: Path) -> None:
    ended = call("tests/benchmarks/few_and_many.py", "a-?.npz", "b", folder=tmp_path)
    assert ended.returncode == 1 and "a pattern of .npz files" in ended.stderr


def test_mean_trajectories_are_written_as_policies(tmp_path: Path) -> None:
    """Of constants: the factor 1, and the mean of the rates that the runs were given."""
    small = [
        "env=points", "env.knobs=[lr_g,r1]", "env.compile=false", "env.updates_per_decision=1", "env.split=train",
    ]  # fmt: skip
    call("baselines/run.py", "policy=fixed", *small, "episodes=3", "rows=3", f"folder={tmp_path}")
    ended = call("examples/mean_trajectory.py", str(tmp_path))
    assert ended.stdout == "".join(f"wrote {tmp_path / name}\n" for name in ("mean_table.yaml", "mean_rates.yaml"))
    factors, rates = (load_policy(tmp_path / f"mean_{kind}.yaml").table for kind in ("table", "rates"))
    assert factors["lr_g"] == pytest.approx([1] * 12) and factors["r1"] == rates["r1"] == pytest.approx([1] * 12)
    assert len({*rates["lr_g"]}) == 1
    env = GANVectorEnv(1, **json.loads((tmp_path / "summary.json").read_text())["env"])
    moves = np.genfromtxt(tmp_path / "decisions.csv", delimiter=",", names=True)
    given = [env.instances[int(i)].lr_g for i in moves["instance"][::12]]
    assert rates["lr_g"][0] == pytest.approx(np.exp(np.log(given).mean()), rel=1e-3)


def test_in_a_mean_trajectory_crashed_runs_keep_their_knobs_and_rates_of_a_rule_are_left_out(tmp_path: Path) -> None:
    small = ["env=points", "env.compile=false", "env.updates_per_decision=1", "env.rates=steady_walk"]
    knobs = ["env.knobs=[lr_g]", "episodes=2", "rows=2", f"folder={tmp_path}"]
    call("baselines/run.py", "policy=fixed", *small, *knobs)
    lines = (tmp_path / "decisions.csv").read_text().splitlines()
    column = lines[0].split(",").index("knob_lr_g")
    cells = [line.split(",") for line in lines]
    for row in cells[6:13]:
        row[column] = "nan"
    (tmp_path / "decisions.csv").write_text("\n".join(",".join(row) for row in cells))
    ended = call("examples/mean_trajectory.py", str(tmp_path))
    assert ended.stdout == f"wrote {tmp_path / 'mean_table.yaml'}\n"
    assert load_policy(tmp_path / "mean_table.yaml").table["lr_g"] == pytest.approx([1] * 12)


def test_the_program_of_the_large_run_draws_all_its_policies(
    generators: GANVectorEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From runs that were hardly trained."""
    runs, names = tmp_path / "logs/gan/fashion_mnist", dict[str, Any]()
    policies = ("family", "steady_walk", "fixed", "ada", "rates_images", "cosine_rates", "tuned_schedule_0")
    for folder in (*(f"{name}-0" for name in policies), "fixed-0_2"):
        save_generators(runs / folder / "generator.safetensors", generators.population, ["fashion_mnist"] * 2)
        (runs / folder / "summary.json").write_text(json.dumps({"final": [37.12, 40.0]}))
    monkeypatch.chdir(tmp_path)
    exec(PROGRAM.findall((ROOT / "docs/carry_over.md").read_text())[0], names)
    assert [*names["shown"]][:2] == ["real images", "family: 37.1"] and len(names["shown"]) == 9
    assert (tmp_path / "images_family.png").stat().st_size > 10_000


@pytest.mark.usefixtures("tables_as_they_were")
def test_an_environment_as_a_file_takes_what_the_page_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of one's own, its statistic and reward, and files of instances."""
    page = (ROOT / "docs/extend.md").read_text()
    own = page[page.index("def confidence(") : page.index("envs = gan_env.GANVectorEnv(4, observation=")]
    (tmp_path / "my_module.py").write_text(f"import gan_env\n\n\n{own}")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("train", "test"):
        save_instances(tmp_path / f"{name}.json", [GANVectorEnv(1, compile=False).instances[0]] * 2)
    (tmp_path / "conf/env").mkdir(parents=True)
    (tmp_path / "conf/env/my.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    (command,) = re.findall(r"`PYTHONPATH=\. python (baselines/run\.py [^`]*env=my[^`]*)`", page)
    small = ["env.compile=false", "env.updates_per_decision=1", "episodes=2", "rows=2", "folder=here"]
    done = call(*command.split(), *small, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    env = json.loads((tmp_path / "here/summary.json").read_text())["env"]
    assert env["observation"] == ["progress", "steps", "confidence", "knobs"]  # which the schedule looks at
    assert (env["reward"]["calm"], env["instances"]["test_size"]) == (0.1, 2)


def test_what_the_programs_of_the_page_on_libraries_save_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the environment, by the program, and in a loop; the trained one as stable-baselines3 does."""
    sb3 = pytest.importorskip("stable_baselines3", reason="stable-baselines3 is not installed")
    short = replace(PRESETS["points"], compile=False, updates_per_decision=1, metric_samples=64)
    monkeypatch.setitem(PRESETS, "points", short)
    monkeypatch.chdir(tmp_path)
    names = dict[str, Any]()
    for program in PROGRAM.findall((ROOT / "docs/libraries.md").read_text()):
        exec(program, names)
    env, model, envs = names["env"], names["model"], names["envs"]
    assert isinstance(model, sb3.PPO)
    observation, _ = env.reset(seed=0)
    action, _ = LearnedPolicy(SavedController.load("logs/ppo"), env).predict(observation)
    expected, _ = model.predict(envs.normalize_obs(observation), deterministic=True)
    np.testing.assert_allclose(action, expected, atol=1e-5)
    done = call("baselines/run.py", "policy=logs/mine", "env=points", "episodes=2", "rows=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    gan = PlainGAN.make()
    control = gan.control("logs/ppo", 12)
    for _ in range(12):
        gan.update()
        control.step()
    assert len(control.report().decisions) == 12


def test_the_program_of_the_warm_up_plays_loops_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one loop, in a few updates of small networks."""
    pytest.importorskip("skimage", reason="photo tiles need scikit-image")
    (program,) = PROGRAM.findall((ROOT / "docs/learning_rates.md").read_text())
    small = {
        "in LOOPS": "in ['r3gan']", "in DATA": "in ['photo_tiles']", "Settings())": "Settings(24, 100, 4))",
        "warmup_steps=400": "warmup_steps=4",
    }  # fmt: skip
    for whole, part in small.items():
        assert program.count(whole) == 1
        program = program.replace(whole, part)
    monkeypatch.setattr(GANController, "load", GANController.load)  # which the program replaces
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(ROOT)
    exec(program, {})
    loaded: Any = GANController.load
    assert loaded.keywords == {"warmup_steps": 4}
    assert re.fullmatch(r"r3gan photo_tiles \d\.\d+\n", capsys.readouterr().out)


def test_the_program_that_measures_steps_shows_them(tmp_path: Path) -> None:
    """In 15 updates instead of 3,000, with the page's file."""
    pytest.importorskip("skimage", reason="photo tiles need scikit-image")
    text = (ROOT / "docs/learning_rates.md").read_text()
    (tmp_path / "measure.yaml").write_text(text.split("cat > measure.yaml << END\n")[1].split("END\n")[0])
    (line,) = re.findall(r"^python (examples/loops/hinge.py .*)", text, re.MULTILINE)
    program, *options = line.replace("3000", "15").split()
    command = [sys.executable, str(ROOT / program), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| 0\.01 \| 0\.01 \|.*step_g -\d.*step_d -\d", done.stdout), done.stdout
