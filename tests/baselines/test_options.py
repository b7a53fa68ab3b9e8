"""What the scripts with Hydra options share: how they show what they refuse, choices, and policies by name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from programs import call, composed

from baselines.options import checked_arguments, player
from gan_env import ConfigError
from gan_env.config import CONFIGS
from gan_env.evaluation.seeds import EXAMPLES, HEADROOM, TUNE
from gan_env.policies import PolicyOptions
from gan_env.strict import replace

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
from baselines.options import script
from gan_env import ConfigError

@script("run", None, None)
def main(fields):
    raise {error}("told by the script")

main()
"""


def fail(folder: Path, error: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that fails in this way."""
    path = folder / "fails.py"
    path.write_text(SCRIPT.format(error=error))
    return subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )


def test_a_script_tells_in_one_line_what_it_refuses(tmp_path: Path) -> None:
    done = fail(tmp_path, "ConfigError")
    assert done.returncode == 1
    assert done.stderr == "error: told by the script\n"


def test_a_bug_in_a_script_keeps_its_traceback(tmp_path: Path) -> None:
    done = fail(tmp_path, "ValueError")
    assert done.returncode == 1
    assert 'fails.py", line 7, in main' in done.stderr
    assert "ValueError: told by the script" in done.stderr


def test_all_scripts_do_so() -> None:
    scripts = [path for package in ("baselines", "agents") for path in (ROOT / package).glob("*.py")]
    assert [path.name for path in scripts if "hydra.main(" in path.read_text()] == ["options.py"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy=5", r"^policy='5' .*cosine.*or the folder of a training, a policy's YAML file, or module:function$"),
        ("policy=cosinus", r"^policy='cosinus' .*cosine"),
        ("policy=nofile.yaml", r"^policy='nofile\.yaml' .*a file, and there is none here"),
        ("env=nope", r"^env='nope' .*expected one of celeba, "),
        ("+experiment=nope", r"^\+experiment='nope' .*wgan_gp"),
    ],
)
def test_a_choice_that_is_not_there_is_refused_with_those_that_are(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        checked_arguments([text])


@pytest.mark.parametrize(
    "arguments",
    [
        ["policy=cosine", "env=points", "+experiment=plan"],
        ["policy=tuned/schedule_0", "--config-dir=FOLDER"],
        ["policy.kind=table", "env.preset=points", "~settings.mnist", "folder=policy", "seed=3"],
        ["policy=cosine,linear", "-m"],  # for Hydra's multirun
        ["--config-dir=FOLDER", "policy=own"],
        ["policy=own", "--config-dir", "FOLDER"],
    ],
)
def test_what_is_there_is_left_to_hydra(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "policy/tuned").mkdir(parents=True)
    for name in ("own", "tuned/schedule_0"):
        (tmp_path / f"policy/{name}.yaml").touch()
    given = [text.replace("FOLDER", str(tmp_path)) for text in arguments]
    assert checked_arguments(given) == given


def test_a_folder_in_the_place_of_a_policy_is_that_of_a_controller(tmp_path: Path) -> None:
    folder = tmp_path / "it's one, = (really)"
    folder.mkdir()
    (found,) = checked_arguments([f"policy={folder}"])
    assert composed("train_gan", found, "name=run")["controller"] == str(folder)


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_mapping_that_is_given_whole_replaces_what_is_there(plus: str) -> None:
    """Hydra would merge it: a reward would be added to the default one, and {} would be ignored."""
    given = [plus + "env.reward={collapse: 1}", plus + "env.initial_knobs={}"]
    env = composed("train_gan", "name=run", "+experiment=r3gan", *given)["env"]
    assert env["reward"] == {"collapse": 1} and env["initial_knobs"] == {}
    assert composed("run", "name=x", plus + "env.reward={}")["env"]["reward"] == {}


def test_the_lists_of_a_study_and_a_policys_knobs_are_replaced_too() -> None:
    whole = {"controllers": {}, "tuned": {"schedule": 1}, "settings": {"far": {"gan_seeds": 1}}}
    study = composed("compare", "controllers={}", "tuned={schedule: 1}", "settings={far: {gan_seeds: 1}}")
    assert {key: study[key] for key in whole} == whole
    assert composed("compare", "tuned.schedule=1")["tuned"]["step_size"] == 3  # one by one they merge
    knobs = composed("run", "name=x", "policy.knobs={r1: {kind: fixed, initial: 2}}")["policy"]["knobs"]
    assert list(knobs) == ["r1"]


def test_other_mappings_are_merged() -> None:
    """Of many fields, who gives one wants the others to stay."""
    instances = composed("run", "name=x", "env.instances={seed: 5}")["env"]["instances"]
    assert instances["seed"] == 5 and instances["train_size"] == 1024


@pytest.mark.parametrize(
    ("program", "words", "message"),
    [
        ("baselines/run.py", ["episode=4"], "episode=4: there is no option episode; did you mean episodes?\n"),
        ("baselines/run.py", ["rows=4", "row=3"], "error: row=3: there is no option row; did you mean rows?\n"),
        ("agents/compare.py", ["tuned.shedule=1"], "did you mean tuned.schedule? (+tuned.shedule=1 would add it)"),
        ("agents/compare.py", ["controllers.mine.seeds=1"], "no option controllers.mine; expected one of ['ars', "),
        ("baselines/tune.py", ["--config-dir=.", "seed=[1"], "no viable alternative at input '[1'"),
        ("baselines/run.py", ["policy=cosine,linear"], "Ambiguous value for argument 'policy=cosine,linear'"),
    ],
)
def test_what_hydra_refuses_is_told_in_one_line(program: str, words: list[str], message: str, tmp_path: Path) -> None:
    done = call(program, *words, folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: ") and message in done.stderr


def test_errors_about_the_environment_name_its_options_as_the_command_line_does(tmp_path: Path) -> None:
    for program in ("run", "train_gan", "headroom", "tune"):
        done = call(f"baselines/{program}.py", "env.max_change=2", folder=tmp_path)
        assert done.stderr.startswith("error: env.max_change=2.0 can't be used"), program


def test_without_hydra_a_program_says_what_brings_it(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['hydra'] = None; import baselines.tune"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr == 'error: hydra is missing: pip install "gan_env[study]" brings it\n'


@pytest.mark.parametrize(("name", "first"), [("run", EXAMPLES), ("headroom", HEADROOM), ("tune", TUNE)])
def test_seeds_on_the_command_line_are_those_of_the_one_table(name: str, first: int) -> None:
    assert yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["seed"] == first


KNOBS = {"r1": {"kind": "fixed", "initial": 1.0}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "ada", "hold": 5},
            "policy.hold=5 .*expected 1: the kind 'ada' takes no field but rule, knobs, until",
        ),
        ({"kind": "ada", "table": {"r1": (1.0,)}}, "policy.table=.*the kind 'ada' takes no field but rule"),
        ({"kind": "random", "knobs": KNOBS}, "policy.knobs=.*the kind 'random' takes no field but hold"),
        ({"kind": "random", "until": 0.5}, "policy.until=0.5 .*the kind 'random' takes no field but hold"),
        (
            {"kind": "table", "table": {"r1": (1.0,)}, "knobs": KNOBS},
            "policy.knobs=.*the kind 'table' takes no field but table",
        ),
        ({"kind": "schedule", "hold": 5}, "policy.hold=5 .*expected 1: .*'schedule' takes no field but knobs, until"),
        (
            {"kind": "schedule", "table": {"r1": (1.0,)}},
            "policy.table=.*the kind 'schedule' takes no field but knobs, until",
        ),
        (
            {"kind": "published", "rule": {"target": 0.5}},
            "policy.rule=.*the kind 'published' takes no field but knobs, until",
        ),
        ({"kind": "table"}, "policy.table={} .*the values"),
    ],
)
def test_a_field_that_a_kind_of_policy_does_not_use_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PolicyOptions(**options)


@pytest.mark.parametrize(
    ("anneal", "lacking"),
    [
        ({"kind": "linear", "final": 2.0}, "initial"),
        ({"kind": "linear", "initial": 2.0}, "final"),
        ({"initial": 2.0}, "kind, final"),
        ({"initial": 2.0, "final": 1.0}, "kind"),
    ],
)
def test_a_schedule_without_an_end_or_a_kind_is_refused(anneal: dict[str, Any], lacking: str) -> None:
    with pytest.raises(ConfigError, match=rf"policy.knobs.r1={{.* expected kind, initial, final: it lacks {lacking}$"):
        PolicyOptions(knobs={"r1": anneal})


FILES = [*ROOT.glob("configs/policy/**/*.yaml"), *ROOT.glob("docs/results/*/configs/policy/*.yaml")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_policy_that_is_published_can_be_read(path: Path) -> None:
    replace(PolicyOptions(), yaml.safe_load(path.read_text()))


def test_a_function_that_makes_a_policy_takes_the_place_of_a_controller() -> None:
    assert checked_arguments(["policy=my_package.mine:make"]) == ["controller='my_package.mine:make'"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (None, "cosine"),
        ("logs/ppo/gan_env-Points-v1_2", "ppo-gan_env-Points-v1_2"),
        ("gan_env-Points-v1_2", "gan_env-Points-v1_2"),
        ("logs/study/training/ppo-3", "ppo-3"),
        ("own:make_2", "own:make_2"),
        (str(CONFIGS / "policy/ada.yaml"), "ada"),
    ],
)
def test_what_plays_is_named_by_its_algorithm_where_it_has_a_number(folder: str | None, name: str) -> None:
    assert player("cosine", folder) == name


def test_a_policys_yaml_file_is_played_by_its_path() -> None:
    path = CONFIGS / "policy/ada.yaml"
    assert checked_arguments([f"policy={path}"]) == [f"controller='{path}'"]


def test_a_file_here_comes_before_a_policy_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checked_arguments(["policy=ada.yaml"]) == ["policy=ada.yaml"]
    (tmp_path / "ada.yaml").write_text("kind: ada\n")
    assert checked_arguments(["policy=ada.yaml"]) == ["controller='ada.yaml'"]


def test_a_controller_that_comes_with_gan_env_has_a_name() -> None:
    family = CONFIGS / "policy/learned/family"
    assert checked_arguments(["policy=learned/family"]) == [f"controller='{family}'"]
    with pytest.raises(ConfigError, match=r"policy='learned/famly' .*learned/family"):
        checked_arguments(["policy=learned/famly"])


@pytest.mark.parametrize("flag", [["--config-dir={}"], ["--config-dir", "{}"]])
def test_help_knows_choices_of_another_folder(flag: list[str], tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env/mine.yaml").write_text("defaults: [preset_points, _self_]\nnum_decisions: 7\n")
    done = call("baselines/run.py", *[word.format(tmp_path) for word in flag], "env=mine", "--help")
    assert done.returncode == 0 and "env.num_decisions=7" in done.stdout
