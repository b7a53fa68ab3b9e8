"""What a training script ends with: one comparison, made by the code of studies, in the run folder."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.controllers import RUN_NAME, train, training_options
from agents.learning.members import Member
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder
from agents.study import training_script
from agents.study.records import Summary
from agents.study.study import Study
from agents.study.summary import summarize_study
from agents.study.training_script import compare_training, comparison_of, study_of_one
from baselines.jobs import local
from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies import presets
from gan_env.policies.presets import load_policy

ENV: dict[str, Any] = {
    "preset": "points", "num_decisions": 2, "updates_per_decision": 1, "metric_samples": 32, "compile": False,
}  # fmt: skip
SCHEDULES = [f"tuned/short/schedule_{number}" for number in range(2)]
SIZES: dict[str, Any] = {"instances": 3, "gan_seeds": 2, "rows": 6, "tune_updates": 700}


@pytest.fixture(scope="module", autouse=True)
def opponents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two schedules and one of rates that were tuned in these small runs are committed."""
    folder = tmp_path_factory.mktemp("configs") / "policy"
    shutil.copytree(presets.POLICIES, folder, ignore=shutil.ignore_patterns("tuned"))
    (folder / "tuned/short").mkdir(parents=True)
    (folder / "tuned/short/env.yml").write_text(yaml.safe_dump(ENV))
    for name, kind, start in (
        ("schedule_0", "schedule", 0.1),
        ("schedule_1", "schedule", 4.0),
        ("rates_0", "rates", 0.01),
    ):
        knobs = {"lr_g": {"kind": "exponential", "initial": start, "final": start / 10}}
        (folder / f"tuned/short/{name}.yaml").write_text(yaml.safe_dump({"kind": kind, "knobs": knobs}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(presets, "POLICIES", folder)
        yield


@pytest.fixture(scope="module")
def options() -> TrainOptions:
    made = training_options("ppo", {"rows": 4, "rollouts": 1, "minibatches": 2, "epochs": 1}, ENV, 0)
    return replace(made, comparison=type(made.comparison)(**SIZES, policies=("fixed", "apa")))


@pytest.fixture(scope="module")
def trained(options: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, Any]]:
    folder = RunFolder(tmp_path_factory.mktemp("ppo"), RUN_NAME)
    return folder, train("ppo", options, folder)


def study_of(options: TrainOptions, folder: Path) -> Study:
    return study_of_one(*comparison_of("ppo", options), folder)


@pytest.fixture(scope="module")
def printed(
    options: TrainOptions, trained: tuple[RunFolder, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """What a comparison with committed opponents printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "_submit", None)  # nothing is trained or tuned again
        lines: list[str] = []
        patch.setattr("builtins.print", lambda text="", **_: lines.append(text))
        compare_training(study_of(options, trained[0].path), trained[1])
    return "\n".join(lines)


@pytest.fixture
def summary(printed: str, options: TrainOptions, trained: tuple[RunFolder, dict[str, Any]]) -> Summary:
    return summarize_study(study_of(options, trained[0].path))


def test_opponents_are_committed_schedules_published_ones_and_its_own_mean_trajectory(summary: Summary) -> None:
    """Each committed schedule is a tuning of its own. A rule that lacks its knob here is left out."""
    rows = summary.settings["held_out"].rows
    assert {name: row.seeds for name, row in rows.items()} == {
        "ppo": 1, "ppo_replay": 1, "ppo_rates_replay": 1, "ppo_yoked": 1,
        "best_schedule": 2, "tuned_rates": 1, "fixed": 1,
    }  # fmt: skip
    assert {row.runs for row in rows.values()} == {6, 12}
    assert rows["ppo"].found.gan_updates == 4 * 2
    assert rows["best_schedule"].found.gan_updates is None


def test_what_is_told_the_rates_of_a_run_is_marked_and_comes_second(summary: Summary, printed: str) -> None:
    told = {name for name, row in summary.settings["held_out"].rows.items() if row.told == "the rates"}
    assert told == {"tuned_rates", "ppo_rates_replay"}
    assert summary.strongest == "best_schedule"
    assert printed.index("Best opponent that knows no more") < printed.index("Told more (the rates)")
    assert "tuned rates (told the rates)" in printed


def test_the_run_folder_has_the_table_that_is_printed_and_pictures(
    printed: str, trained: tuple[RunFolder, dict[str, Any]]
) -> None:
    folder = trained[0].path
    assert "not in the comparison, since they can't act in this environment: apa" in printed
    assert (folder / "table.txt").read_text().strip() in printed
    for name in ("gains", "knobs", "metric", "samples"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_committed_schedules_play_as_they_are(printed: str, trained: tuple[RunFolder, dict[str, Any]]) -> None:
    for number, name in enumerate(SCHEDULES):
        played = np.load(trained[0].path / f"evaluations/held_out/best_schedule-{number}.npz")["coordinates"]
        env = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **ENV)
        expected = run_episodes(load_policy(name).make(env), env, [0]).coordinates
        np.testing.assert_allclose(played, np.broadcast_to(expected, played.shape), atol=1e-4)


def test_a_family_meets_constants_and_the_tuned_schedule_on_each_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the member's own held-out instances; a line each below the table of `env`.

    Schedules act by `delta` and see the knobs, whatever the controller does.
    """
    agent = {"rows": 4, "rollouts": 1, "minibatches": 2, "epochs": 1}
    steps = {"action_mode": "steps", "observation": ["steps"]}
    members = {"short": Member(3), "hinge": Member(1, {"losses": ["hinge"], "instances": {"test_size": 2}})}
    made = training_options("ppo", agent, {**ENV, **steps}, 0, members)
    options = replace(made, comparison=type(made.comparison)(**SIZES, policies=("fixed", "cosine")))
    folder = RunFolder(tmp_path / "family", RUN_NAME)
    costs = train("ppo", options, folder)
    lines: list[str] = []
    monkeypatch.setattr("builtins.print", lambda text="", **_: lines.append(text))
    study = study_of(options, folder.path)
    compare_training(study, costs)
    assert study.options.controllers["ppo"].env == steps
    assert study.options.env == {**ENV, "observation": ["steps", "progress", "knobs"]}
    assert [study.size(name) for name in members] == [(3, 1), (2, 1)]
    assert study.test_env("hinge").config.losses == ("hinge",)
    settings = summarize_study(study).settings
    for name in members:
        assert set(settings[name].rows) == {"ppo", "best_schedule", "fixed"}
    found = settings["hinge"].rows["ppo"].against["fixed"].gain.value
    (line,) = [line for line in "\n".join(lines).splitlines() if line.startswith("hinge: ")]
    assert f"over constants {found:+.3f}" in line and "over tuned schedule" in line


def test_where_none_is_committed_a_short_tuning_finds_the_opponent(
    options: TrainOptions,
    trained: tuple[RunFolder, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Which is said before the training, since it may take longer."""
    monkeypatch.setattr(training_script, "committed", lambda config, kind: [])
    study = study_of(options, tmp_path)
    assert "one is tuned after the training, with 700 GAN updates (comparison.tune_updates)" in capsys.readouterr().out
    assert (study.options.tunings, study.options.budget) == ({"best_schedule": 1}, 700)
    assert study.training_folder("ppo", 0) == tmp_path
    monkeypatch.setattr(Study, "training_costs", lambda self, name, seed: trained[1])
    (job,) = study.tunings_due()
    options = job.arguments[0]
    assert (options.kind, options.budget, options.env) == ("schedule", 700, ENV)


def test_a_policy_of_ones_own_that_cannot_play_is_an_error_and_not_left_out(
    options: TrainOptions, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"kind": "schedule", "knobs": {"r1": {"kind": "cosin", "initial": 1, "final": 2}}}))
    own = replace(options, comparison=replace(options.comparison, policies=("fixed", str(path))))
    with pytest.raises(ConfigError, match=r"comparison\.policies: .*mine\.yaml: .*'cosin'"):
        comparison_of("ppo", own)
