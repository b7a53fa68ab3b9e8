"""`python baselines/train_gan.py`: the run folder, going on after a kill, refusals, and the contact sheet."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure
from matplotlib.image import imread
from programs import call, composed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from trainings import tiny

from agents.learning.controllers import train
from agents.learning.run_folder import RunFolder
from baselines import contact_sheet
from baselines.playing import PlayOptions, play_options
from baselines.train_gan import GANRun, TrainGANOptions, own_options
from gan_env import ConfigError, register_dataset
from gan_env.evaluation import pictures
from gan_env.evaluation.rollout import Rollout
from gan_env.files import save_checkpoint
from gan_env.gan.saved import load_generators
from gan_env.metrics.features import ClassifierFeatures
from gan_env.policies.presets import PolicyOptions
from gan_env.records import Dataset
from gan_env.strict import replace

ROOT = Path(__file__).resolve().parents[2]
ENV: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 2, "metric_samples": 32, "compile": False}
LINEAR = PolicyOptions(knobs={"r1": {"kind": "linear", "initial": 3.0, "final": 1.0}})


def make(folder: Path | None, **options: Any) -> GANRun:
    given = {"policy": LINEAR, "env": ENV, "rows": 2, "seed": 5, "folder": folder and str(folder), **options}
    return GANRun(TrainGANOptions(**given))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> GANRun:
    """A finished run of two seeds."""
    run = make(tmp_path_factory.mktemp("gan") / "linear-5")
    run.train()
    return run


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "decisions.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("clothes")
def test_the_command_of_the_readme(tmp_path: Path) -> None:
    arguments = [f"env.{key}={str(value).lower()}" for key, value in ENV.items()]
    done = call("baselines/train_gan.py", "policy=cosine", "env=fashion_mnist", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "real against real" in done.stdout
    summary = json.loads((tmp_path / "logs/gan/fashion_mnist/cosine-0/summary.json").read_text())
    assert summary["extractor_hash"] == ClassifierFeatures(torch.device("cpu")).fingerprint
    image = imread(tmp_path / "logs/gan/fashion_mnist/cosine-0/samples/updates_0000008.png")
    assert image.std() > 0.05


def test_the_folder_has_what_was_promised(run: GANRun) -> None:
    names = {str(path.relative_to(run.folder)) for path in run.folder.rglob("*.*")}
    expected = {"config.yaml", "decisions.csv", "generator.safetensors", "summary.json", "curves.png", "checkpoint.pt"}
    assert expected <= names
    grids = {f"samples/updates_{updates:07d}.png" for updates in (0, 2, 4, 6, 8)}
    assert {*grids, "samples/real.png"} <= names
    assert not [name for name in names if ".part" in name]


def test_decisions_hold_knobs_losses_and_observations(run: GANRun) -> None:
    table = rows(run.folder)
    assert len(table) == 2 * 4
    assert [row["seed"] for row in table[::4]] == ["5", "6"]
    assert [float(row["updates"]) for row in table[:4]] == [2, 4, 6, 8]
    assert [float(row["knob_r1"]) for row in table[:4]] == pytest.approx([3, 7 / 3, 5 / 3, 1], rel=1e-4)
    for row in table:
        loss = float(row["loss_d"])
        assert float(row["obs_loss_d"]) == pytest.approx(np.sign(loss) * np.log1p(abs(loss)), abs=1e-4)
        assert float(row["obs_log_metric"]) == pytest.approx(float(row["log_metric"]), abs=1e-3)
    assert {f"obs_{name}" for name in run.env.observer.names} <= set(table[0])


def test_the_summary_is_that_of_the_decisions(run: GANRun) -> None:
    summary = json.loads((run.folder / "summary.json").read_text())
    final = [float(row["score"]) for row in rows(run.folder)[3::4]]
    assert np.log(summary["final"]) == pytest.approx(final, abs=1e-4)
    assert all(best <= last for best, last in zip(summary["best"], summary["final"], strict=True))
    assert 0 < summary["real"] < min(summary["final"])
    assert summary["crashed"] == [False, False]
    assert summary["gan_updates"] == 2 * 4 * 2
    assert "32 samples" in summary["metric"]


def test_the_saved_generators_are_the_trained_ones(run: GANRun) -> None:
    saved = load_generators(run.folder / "generator.safetensors", torch.device("cpu"))
    assert torch.equal(saved.weights, run.env.population.state.ema)
    assert saved.datasets == ("ring", "ring")


def test_tensorboard_has_all_that_the_policy_saw(run: GANRun) -> None:
    events = EventAccumulator(str(run.folder / "tensorboard/seed_5"), size_guidance={"images": 0})
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {f"observation/{name}" for name in run.env.observer.names} <= scalars
    assert {"knobs/r1", "run/log_metric", "run/score", "run/loss_g", "run/reward"} <= scalars
    assert [event.step for event in events.Scalars("run/log_metric")] == [0, 2, 4, 6, 8]
    assert len(events.Images("samples")) == 5


def test_the_untrained_generators_metric_is_kept(run: GANRun) -> None:
    """Convergence is counted from it."""
    start = json.loads((run.folder / "summary.json").read_text())["start"]
    assert np.log(start) == pytest.approx(run.record().score[:, 0], abs=1e-4)
    events = EventAccumulator(str(run.folder / "tensorboard/seed_6"))
    events.Reload()
    assert events.Scalars("run/score")[0].value == pytest.approx(np.log(start[1]), abs=1e-4)


def test_all_data_and_middling_rates_unless_pinned(run: GANRun) -> None:
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert config["instance"]["num_samples"] == 65_536
    assert config["instance"]["lr_g"] == pytest.approx((3e-5 * 3e-2) ** 0.5)
    assert (config["instance"]["width_g"], config["instance"]["loss"]) == (32, "non_saturating")
    assert config["env"]["preset"] == "points"
    assert config["env"]["num_decisions"] == 4


def test_an_instance_can_be_pinned(tmp_path: Path) -> None:
    run = make(tmp_path / "run", instance={"lr_g": 2e-4, "dataset": "grid", "num_samples": 100})
    assert run.instance.lr_g == 2e-4
    assert [i.dataset for i in run.env.current_instances] == ["grid", "grid"]
    assert run.env.population.settings.num_samples.tolist() == [100, 100]
    with pytest.raises(ConfigError, match="learning_rate"):
        make(tmp_path / "other", instance={"learning_rate": 1e-3})


def test_without_a_folder_the_next_free_one_is_taken(tmp_path: Path) -> None:
    folders = [make(None, logs=str(tmp_path), name="points/linear").folder for _ in range(3)]
    assert [f.name for f in folders] == ["linear-5", "linear-5_2", "linear-5_3"]
    assert folders[0].parent == tmp_path / "points"


@pytest.mark.parametrize("policy", [LINEAR, PolicyOptions(kind="random", hold=2)])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    policy: PolicyOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when TensorBoard has a decision that the checkpoint doesn't have yet, which must not be there twice."""
    whole = make(tmp_path / "whole", policy=policy)
    whole.train()
    grid = GANRun._grid

    def killed(self: GANRun, writer: SummaryWriter) -> None:
        grid(self, writer)
        if self.rollout.decision == 3:
            writer.flush()
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(GANRun, "_grid", killed)
        make(tmp_path / "killed", policy=policy).train()
    assert not (tmp_path / "killed/summary.json").exists()
    resumed = make(tmp_path / "killed", policy=policy)
    resumed.train()
    for name in ("decisions.csv", "summary.json", "generator.safetensors", "samples/updates_0000006.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    events = EventAccumulator(str(tmp_path / "killed/tensorboard/seed_5"), size_guidance={"images": 0})
    events.Reload()
    for found in (events.Scalars("run/log_metric"), events.Images("samples")):
        assert [event.step for event in found] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("options", "other"),
    [
        ({"seed": 6}, r"seed=5, not 6"),
        ({"env": ENV | {"updates_per_decision": 3}}, r"env\.updates_per_decision=2, not 3"),
        ({"policy": PolicyOptions()}, r"policy\.knobs\.r1={.*'linear'.*}, not None"),
    ],
)
def test_a_folder_of_another_run_is_left_alone(run: GANRun, options: dict[str, Any], other: str) -> None:
    before = (run.folder / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=rf"other options: {other}\. .*folder= and no other option"):
        make(run.folder, **options)
    assert (run.folder / "config.yaml").read_text() == before


def test_a_run_may_go_on_on_another_device(tmp_path: Path) -> None:
    make(tmp_path, env=ENV | {"device": "cpu"})
    assert make(tmp_path, env=ENV | {"device": "auto", "data_root": "elsewhere"}).folder == tmp_path


def test_the_folder_of_a_begun_run_is_enough_to_go_on(tmp_path: Path) -> None:
    own, given = make(tmp_path, instance={"lr_g": 2e-4}), TrainGANOptions(folder=str(tmp_path))
    again = GANRun(own_options(given, ["folder=here"]))
    assert (again.env.config, again.instance, again.seeds) == (own.env.config, own.instance, own.seeds)
    assert own_options(given, ["folder=here", "seed=0"]) is given


@pytest.mark.usefixtures("tables_as_they_were")
def test_a_data_set_of_fewer_samples_than_the_metric_sees_is_trained_to_the_end(tmp_path: Path) -> None:
    register_dataset("few", lambda root, size: Dataset(torch.randn(20, 2), torch.randn(400, 2)))
    make(tmp_path / "few", env={**ENV, "datasets": ["few"]}).train()
    assert (tmp_path / "few/generator.safetensors").is_file()


def test_the_folder_of_another_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("episodes: 2\n")
    with pytest.raises(ConfigError, match=r"^folder=.* expected that of a run of baselines/train_gan\.py"):
        own_options(TrainGANOptions(folder=str(tmp_path)), ["folder=here"])


def test_a_run_that_is_stopped_says_by_which_command_it_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: GANRun) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(GANRun, "train", stop)
    fields = [f"env.{name}={value}" for name, value in {"compile": "false", "metric_samples": 32}.items()]
    done = call("baselines/train_gan.py", "env=points", "folder=the run", *fields, folder=tmp_path)
    assert done.returncode == 130
    assert done.stderr == "\nstopped; python baselines/train_gan.py 'folder=the run' continues\n"


def test_a_folder_alone_without_a_run_is_refused(tmp_path: Path) -> None:
    """It is meant to continue one: the name may be wrong."""
    given = TrainGANOptions(folder=str(tmp_path))
    with pytest.raises(ConfigError, match=r"^folder=.*to continue it; to begin a new run in it"):
        own_options(given, ["folder=here"])
    assert own_options(given, ["folder=here", "policy=fixed"]) is given


def test_data_that_are_not_there_are_errors_in_one_line(tmp_path: Path) -> None:
    done = call("baselines/train_gan.py", "env=lsun", f"env.data_root={tmp_path}", folder=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/church_outdoor_train_lmdb/data.mdb is missing")


@pytest.mark.usefixtures("clothes")
@pytest.mark.parametrize("experiment", ["r3gan", "wgan_gp", "plan"])
def test_a_published_combination_trains(tmp_path: Path, experiment: str) -> None:
    tiny = [f"env.{key}={str(value).lower()}" for key, value in ENV.items()] + [
        "env.instances.width_g=[4,4]",
        "env.instances.width_d=[4,4]",
    ]
    fields = composed("train_gan", f"+experiment={experiment}", *tiny, f"logs={tmp_path}", "name=run")
    summary = GANRun(replace(TrainGANOptions(), fields)).train()
    assert np.isfinite(summary["final"]).all()
    assert summary["crashed"] == [False]


@pytest.mark.parametrize("damaged", ["{", "text"])
def test_a_damaged_configuration_is_named(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "config.yaml").write_text(damaged)
    with pytest.raises(ConfigError, match=r"(?s)config\.yaml is damaged .*choose another folder"):
        make(tmp_path)


def test_a_crash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(tmp_path / "run")
    step = Rollout.step

    def poison(self: Rollout) -> None:
        if self.decision == 1:
            run.env.population.state.g[1] = torch.nan
        step(self)

    monkeypatch.setattr(Rollout, "step", poison)
    summary = run.train()
    assert summary["crashed"] == [False, True]
    assert summary["final"][1] > summary["final"][0]
    assert load_generators(run.folder / "generator.safetensors", torch.device("cpu")).crashed == (False, True)
    assert [row["crashed"] for row in rows(run.folder)[::4]] == ["0", "1"]


@pytest.mark.parametrize(
    ("options", "message"), [({"rows": 0}, "rows"), ({"seed": -1}, "seed"), ({"env": {"num_decision": 3}}, "num_deci")]
)
def test_bad_options_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        make(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("option", "place"), [("folder", "file"), ("folder", "file/run"), ("logs", "file")])
def test_a_folder_that_can_t_be_written_to_is_refused(tmp_path: Path, option: str, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"^{option}='.*{place}' can't be used: .*file is a file"):
        GANRun(TrainGANOptions(**{option: str(tmp_path / place)}))


def test_a_trained_controller_steers_a_run_and_is_known_where_it_continues(tmp_path: Path) -> None:
    """One with a memory of its own, which the checkpoint has to hold."""
    controller = str(tmp_path / "trained")
    train("recurrent_ppo", tiny("recurrent_ppo"), RunFolder(tmp_path / "trained", "controller"))
    env = play_options(PlayOptions(), {"env": ENV, "controller": controller}, []).env
    whole = make(tmp_path / "whole", controller=controller, env=env)
    whole.train()
    cut = make(tmp_path / "cut", controller=controller, env=env)
    cut.rollout.step()
    save_checkpoint(cut.folder / "checkpoint.pt", cut.rollout.get_state())
    options = own_options(TrainGANOptions(folder=str(cut.folder)), [f"folder={cut.folder}"])
    assert options.controller == controller
    GANRun(options).train()
    assert (cut.folder / "decisions.csv").read_text() == (whole.folder / "decisions.csv").read_text()
    moved = [len({row[f"knob_{name}"] for row in rows(whole.folder)[:4]}) for name in whole.env.config.knobs]
    assert max(moved) > 1


def test_the_contact_sheet_shows_all_runs_below_a_folder(
    run: GANRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(run.folder.parent / "fixed-5", policy=PolicyOptions()).train()
    drawn: list[Figure] = []

    def keep(runs: Any) -> Figure:
        drawn.append(pictures.contact_sheet(runs))
        return drawn[0]

    monkeypatch.setattr(contact_sheet, "contact_sheet", keep)
    contact_sheet.main([str(run.folder.parent), "--out", str(tmp_path / "sheet.png")])
    shown = {axis.get_title().split("\n")[0]: axis.images for axis in drawn[0].axes}
    assert [name for name, images in shown.items() if images] == ["real", "fixed-5", "linear-5"]
    assert (tmp_path / "sheet.png").is_file()
