"""Run folders: what a script writes, what may be resumed, and what is refused before anything is done."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from trainings import ON_COMMAND_LINE, OWN, command, fields, tiny

from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from gan_env import ConfigError
from gan_env.policies.presets import ADAPTIVE
from gan_env.saved_controller import DESCRIPTION, WEIGHTS

NAME = "gan_env-Points-v1"


@pytest.mark.parametrize("script", [*OWN, "meta", "maml"])
def test_a_script_trains_then_asks_for_a_comparison(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed when it is done it trains no more, and compares with the options that it began with."""
    ((study, costs),) = command(script, monkeypatch, f"logs={tmp_path}", *fields(script), "seed=5")
    assert list(study.options.controllers) == [script]
    assert study.path == tmp_path / script / f"{NAME}_1"
    folder = RunFolder.open(study.path)
    options = folder.config
    assert options["seed"] == 5 and options["agent"]["rows"] == 4 and options["env"]["num_decisions"] == 4
    for path in (DESCRIPTION, WEIGHTS, "checkpoint/state.pt"):
        assert (folder.path / path).stat().st_size > 0, path
    assert not list(folder.path.rglob(".part-*")) and not (folder.path / "trained.spent").exists()
    assert options["script"] == script
    assert costs == json.loads((folder.path / "trained.json").read_text())
    assert costs["gan_updates"] >= 3 * 4 * 4 and costs["wall_s"] > 0 and costs["peak_mb"] > 0

    model = folder.path / WEIGHTS
    before = model.stat().st_mtime_ns
    ((again, same),) = command(script, monkeypatch, f"resume={folder.path}")
    assert again.options == study.options and folder.config == options
    assert same == costs and model.stat().st_mtime_ns == before

    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    ((_, same),) = command(script, monkeypatch, f"resume={folder.path}")
    assert same == costs and model.read_bytes() == whole  # it comes from the checkpoint


def test_run_folders_are_numbered_and_made_at_once(tmp_path: Path) -> None:
    logs = tmp_path / "mine"
    folders = [RunFolder.new("ppo", TrainOptions(logs=str(logs))) for _ in range(2)]
    assert [folder.path.name for folder in folders] == [f"{NAME}_1", f"{NAME}_2"]
    assert all(folder.path.is_dir() for folder in folders)


def test_what_is_stopped_before_a_run_begins_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agents.study.training_script.comparison_of", stop)
    with pytest.raises(SystemExit):
        command("ppo", monkeypatch, f"logs={tmp_path / 'logs'}", *fields("ppo"))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("tables_as_they_were")
def test_a_training_that_continues_imports_the_modules_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They brought a policy that another option names."""
    (tmp_path / "own_pushes.py").write_text("import gan_env\ngan_env.register_policy('push', lambda env: env)\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = ("env.extensions=[own_pushes]", "comparison.policies=[fixed,push]")
    ((study, _),) = command("ppo", monkeypatch, f"logs={tmp_path}", *fields("ppo"), *words)
    del ADAPTIVE["push"], sys.modules["own_pushes"]
    ((again, _),) = command("ppo", monkeypatch, f"resume={study.path}")
    assert again.options == study.options and "push" in ADAPTIVE


def test_a_folder_without_a_run_is_refused_with_help(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yml: expected a run folder such as"):
        RunFolder.open(tmp_path)


def test_a_folder_is_begun_again_with_the_same_options_alone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "env")
    folder.begin("ppo", tiny("ppo"))
    folder.begin("ppo", tiny("ppo", device="cpu"))  # where it runs is no other training
    before = folder.config
    for script, options, difference in (
        ("sac", tiny("sac"), "agent"),
        ("ppo", tiny("ppo", {"epochs": 3}), r"agent\.epochs=2, not 3"),
        ("ppo", tiny("ppo", latent_dim=2), r"env\.latent_dim=4, not 2"),
        ("ppo", tiny("ppo", seed=4), "seed=3, not 4"),
    ):
        with pytest.raises(
            ConfigError, match=f"the training in {tmp_path} was begun with other options: .*{difference}"
        ):
            folder.begin(script, options)
    assert folder.config == before


def test_a_training_that_was_begun_before_an_option_of_its_algorithm_may_continue(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "env")
    folder.begin("ppo", tiny("ppo"))
    older = folder.config
    assert older["agent"].pop("imitates") == ""
    (tmp_path / "env/config.yml").write_text(yaml.safe_dump(older))
    with pytest.raises(ConfigError, match=r"agent\.imitates='', not 'fixed'"):
        folder.begin("ppo", tiny("ppo", {"imitates": "fixed"}))
    folder.begin("ppo", tiny("ppo"))
    assert folder.config["agent"]["imitates"] == ""


def test_an_option_beside_resume_is_refused_not_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"resume=.*leave out seed=7, agent.rollouts=200$"):
        command("sac", monkeypatch, "seed=7", f"resume={tmp_path}", "agent.rollouts=200")


@pytest.mark.parametrize(("mine", "other"), [("maml", "meta"), ("tqc", "sac"), ("sac", "tqc"), ("ppo", "pareto")])
def test_a_run_of_another_script_is_refused(
    mine: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkpoint too, and where the options would fit."""
    folder = RunFolder(tmp_path, NAME)
    folder.begin(other, tiny("ppo" if other == "pareto" else other))
    with pytest.raises(SystemExit, match=f"resume=.*expected a run of {mine}, not of {other}"):
        command(mine, monkeypatch, f"resume={tmp_path}")


def test_a_run_of_an_earlier_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env/config.yml").write_text(yaml.safe_dump({"agent": {}, "env": {}}))
    with pytest.raises(SystemExit, match="a run of ppo, not of None"):
        command("ppo", monkeypatch, f"resume={tmp_path}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["+agent.rolouts=3"], "did you mean agent.rollouts"),
        (["agent.learning_rate=fast"], "expected float"),
        (["agent.log_std_init=nan"], "agent.log_std_init=nan .*a finite number"),
        (["comparison.policies=[best]"], "cosine"),
        (["env.preset=nope"], r"env\.preset='nope'"),
        (["env.split=test"], r"env\.split='test'"),
        (["env.knobs=[nope]"], r"env\.knobs='nope' .*'lr_d'"),
        (["env.reward={}"], r"env\.reward={} .*a weight for at least one term"),
        (["env.knobs=[r1]", "comparison.tune_updates=9"], r"comparison\.tune_updates=9 .*at least \d+"),
        (["env.datasets=[nope]"], "unknown data set 'nope'"),
        (["seed=1000"], "seed=1000"),
    ],
)
def test_a_bad_command_line_ends_in_one_line_and_makes_nothing(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=f"^error: .*{message}[^\n]*$"):
        command("ppo", monkeypatch, f"logs={tmp_path / 'logs'}", *ON_COMMAND_LINE, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_logs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    for logs in ("file", "file/below"):
        with pytest.raises(SystemExit, match=r"error: logs=.*file is a file; give another folder"):
            command("ppo", monkeypatch, f"logs={tmp_path / logs}", *ON_COMMAND_LINE)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("option", ["logs", "resume"])
def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's user may be root, whom no permission holds back, so the system's answer is replaced."""
    RunFolder(tmp_path, NAME).begin("ppo", tiny("ppo"))

    def refuse(dir: Path) -> None:
        raise PermissionError

    monkeypatch.setattr("gan_env.files.TemporaryFile", refuse)
    monkeypatch.setattr("agents.study.training_script.train_once", lambda *_: pytest.fail("it trains"))
    others: list[Any] = ON_COMMAND_LINE if option == "logs" else []
    with pytest.raises(SystemExit, match=f"{option}='{tmp_path}.*may not be written to"):
        command("ppo", monkeypatch, f"{option}={tmp_path}", *others)
