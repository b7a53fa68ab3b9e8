"""What all training scripts share: the whole job of each on a tiny budget, resuming, and refusing."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents.learning.comparison import SEARCH_SEED
from hydra import compose, initialize_config_dir
from stable_baselines3.common.vec_env import VecNormalize
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.learning.run_folder import RunFolder
from agents.learning.training import RunOptions, Trained, inner_env, row_seeds, training_env
from agents.meta.training import MetaOptions as MetaAgent
from agents.meta.training import TrainOptions as MetaOptions
from agents.meta.training import train as train_meta
from baselines.options import load, register_presets
from gan_env import PRESETS, ConfigError, GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3VecEnv
from gan_env.config import CONFIGS, replace

ENV: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": False}
OWN: dict[str, dict[str, Any]] = {  # what makes each algorithm's job tiny
    "ppo": {"minibatches": 2, "epochs": 2},
    "recurrent_ppo": {"minibatches": 2, "epochs": 2, "lstm_units": 4},
    "sac": {"warmup": 1, "updates": 2, "batch_size": 8},
    "tqc": {"warmup": 2, "updates": 2, "batch_size": 8, "quantiles": 4, "dropped": 1},
    "ars": {"directions": 2, "top": 1},
}
SIZE = {"rows": 4, "rollouts": 3}
COMPARISON = ["rows=4", "episodes=4", "search_episodes=1", "search_thin=40", "policies=[random]"]


def script(algorithm: str) -> Any:
    return importlib.import_module(f"agents.train_{algorithm}")


def job(algorithm: str, rollouts: int = 3) -> Any:
    """The script's options for a tiny job."""
    kind = script(algorithm).TrainOptions
    agent = {**OWN[algorithm], **SIZE, "rollouts": rollouts, "hidden": [4]}
    env = {**ENV, "updates_per_decision": 2, "crash_penalty": 0.01}  # rows that crash fall out of step with the others
    return replace(kind(), {"agent": agent, "env": env, "seed": 3})


def command(algorithm: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """The script's command line, in this process."""
    register_presets()
    monkeypatch.setattr(sys, "argv", [f"agents/train_{algorithm}.py", *arguments])
    script(algorithm).main()


@pytest.mark.parametrize("algorithm", [a for a in OWN if a != "ppo"])  # test_train_ppo.py looks at PPO's closely
def test_a_job_writes_the_folder_that_the_readme_promises(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = [f"agent.{key}={value}" for key, value in {**OWN[algorithm], **SIZE}.items()]
    env = [f"env.{key}={str(value).lower()}" for key, value in ENV.items()]
    comparison = [f"comparison.{argument}" for argument in COMPARISON]
    command(algorithm, monkeypatch, f"logs={tmp_path}", *agent, *env, *comparison)
    assert "against the best schedule" in capsys.readouterr().out
    name, run = "gan_env-Points-v0", tmp_path / algorithm / "gan_env-Points-v0_1"
    settings = [f"{name}/{file}" for file in ("config.yml", "args.yml", "command.txt", "vecnormalize.pkl")]
    pictures = ["knobs.png", "metric.png", "samples.png"]
    for path in (f"{name}.zip", "checkpoint/state.pt", "table.txt", "schedule.json", *settings, *pictures):
        assert (run / path).stat().st_size > 0, path
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["policies"]) == {algorithm, "replay", "best_schedule", "random"}
    assert summary["gan_updates"] == 3 * 4 * 4
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    for tag in ("gan/final_log_metric", "gan/return"):
        assert len(events.Scalars(tag)) == 3
    assert any(tag.startswith("train/") for tag in events.Tags()["scalars"])
    # Resuming the finished job does nothing again.
    before = (run / f"evaluations/{algorithm}.npz").stat().st_mtime_ns
    command(algorithm, monkeypatch, f"resume={run}")
    assert (run / f"evaluations/{algorithm}.npz").stat().st_mtime_ns == before


def test_an_option_beside_resume_is_refused_not_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"resume=.*leave out seed=7, agent.rollouts=200$"):
        command("sac", monkeypatch, "seed=7", f"resume={tmp_path}", "agent.rollouts=200")


class Killed(Exception):
    """Stands for a kill in the middle of training."""


def everything(trained: Trained[Any]) -> torch.Tensor:
    """Every weight of a trained model, targets and entropy coefficient included, and the normalisation."""
    model, normalize, _ = trained
    weights = [p.detach().flatten() for p in model.policy.state_dict().values()]
    entropy = [model.log_ent_coef.detach()] if hasattr(model, "log_ent_coef") else []
    statistics = [torch.from_numpy(normalize.obs_rms.mean).float(), torch.from_numpy(normalize.obs_rms.var).float()]
    return torch.cat([*weights, *entropy, *statistics])


@pytest.mark.parametrize("step", [6, 10])
@pytest.mark.parametrize("algorithm", OWN)
def test_a_killed_training_goes_on_to_where_it_would_have_ended(
    algorithm: str, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its second or third episode, while SAC learns and TQC acts at random: the same weights exactly."""
    train, options = script(algorithm).train, job(algorithm)
    # The base acts on what was observed last, which differs from row to row.
    base = {"kind": "rates", "table": {"lr_g": (1e-3,)}}
    options = replace(options, {"base": base, "env": {**options.env, "knobs": ["r1", "lr_g"]}})
    whole = train(options, RunFolder(tmp_path / "whole", "env"))
    with monkeypatch.context() as patch:
        patch.setattr(SB3VecEnv, "step_wait", killing_at(step))
        with pytest.raises(Killed):
            train(options, RunFolder(tmp_path / "cut", "env"))
    resumed = train(options, RunFolder(tmp_path / "cut", "env"))
    assert resumed[0].num_timesteps == whole[0].num_timesteps == 3 * 4 * 4
    assert resumed[2]["gan_updates"] == 3 * 4 * 4 * 2
    assert torch.equal(everything(resumed), everything(whole))


def killing_at(step: int) -> Callable[[SB3VecEnv], Any]:
    """`SB3VecEnv.step_wait` that is killed at its `step`-th call."""
    original, calls = SB3VecEnv.step_wait, iter(range(1, step + 1))

    def step_wait(env: SB3VecEnv) -> Any:
        if next(calls) == step:
            raise Killed
        return original(env)

    return step_wait


def begun(algorithm: str, logs: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunFolder, list[int]]:
    """The folder of a run that has no checkpoint yet, and a list that grows where a script goes on with it."""
    register_presets()
    monkeypatch.setattr(sys, "argv", [f"agents/train_{algorithm}.py"])
    with initialize_config_dir(str(CONFIGS), version_base=None):
        config = compose(f"train_{algorithm}", [f"env.{key}={str(value).lower()}" for key, value in ENV.items()])
    went_on: list[int] = []

    def killed(*_: Any) -> None:
        went_on.append(1)
        raise Killed

    monkeypatch.setattr("agents.learning.training.set_random_seed", killed)
    monkeypatch.setattr("agents.meta.training.Learner", killed)
    return RunFolder.create(str(logs), algorithm, "gan_env/Points-v0", config, []), went_on


@pytest.mark.parametrize(("mine", "other"), [("maml", "meta"), ("tqc", "sac"), ("sac", "tqc")])
def test_a_run_of_another_script_is_refused(
    mine: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a checkpoint too, and where the options would fit."""
    run, went_on = begun(other, tmp_path, monkeypatch)
    with pytest.raises(SystemExit, match=rf"a run of {mine}: this one goes on by agents/train_{other}\.py"):
        command(mine, monkeypatch, f"resume={run.path}")
    assert not went_on


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("algorithm", ["ppo", "maml"])
def test_a_run_goes_on_by_its_own_script(
    algorithm: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainings of a study don't say what began them."""
    run, went_on = begun(algorithm, tmp_path, monkeypatch)
    if not told:
        (run.settings / "command.txt").unlink()
    with pytest.raises(SystemExit):  # Hydra's, for whatever is raised inside
        command(algorithm, monkeypatch, f"resume={run.path}")
    assert went_on


@pytest.mark.parametrize("algorithm", [*OWN, "meta"])
def test_trainings_with_other_seeds_share_no_run(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pair of a GAN seed and an instance; with seed 0 row i draws from seed i."""
    original, met = GANVectorEnv.reset, []

    def reset(env: GANVectorEnv, **given: Any) -> None:
        original(env, **given)
        met.append(runs(env))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(GANVectorEnv, "reset", reset)
        for seed in (0, 1):
            with pytest.raises(Killed):
                start(algorithm, seed, RunFolder(tmp_path / str(seed), "env"))
    env = GANVectorEnv(4, **ENV)
    env.reset(seed=0)
    assert met[0] == runs(env)
    assert len({*met[0], *met[1]}) == 8


def test_trainings_of_very_many_rows_share_no_run() -> None:
    """Neither with each other nor with searches and tests, whose seeds are between the two kinds of rows."""
    seeds = np.array([row_seeds(seed, 2500) for seed in (0, 1, 999)])
    assert len(np.unique(seeds)) == seeds.size
    assert seeds[1, :3].tolist() == [1000, 1001, 1002]
    assert not ((seeds >= SEARCH_SEED) & (seeds < 2**40)).any()


@pytest.mark.parametrize("seed", [-1, 1000, 3000])
def test_a_seed_whose_runs_are_those_of_searches_and_tests_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=rf"seed={seed} .*0 to 999"):
        RunOptions(seed=seed)


def start(algorithm: str, seed: int, folder: RunFolder) -> None:
    """Begins a training of four rows."""
    if algorithm == "meta":
        train_meta(MetaOptions(agent=MetaAgent(rows=4), env=ENV, seed=seed), folder)
    else:
        script(algorithm).train(replace(job(algorithm), {"seed": seed}), folder)


def runs(env: GANVectorEnv) -> list[tuple[Any, ...]]:
    """GAN seed and instance of each row."""
    return list(zip(env.population.settings.key.tolist(), env.current_instances, strict=True))


def test_training_runs_start_with_the_knobs_where_the_base_has_them_start() -> None:
    """In the first episode and in those after it; 10 is the end of the range, and 0.1 no float32."""
    base = {"knobs": {"r1": {"kind": "fixed", "initial": 0.1}, "lr_g": {"kind": "fixed", "initial": 10.0}}}
    given = {**job("ppo").env, "knobs": ["instance_noise", "r1", "lr_g"], "initial_knobs": {"instance_noise": 0.5}}
    normalize = training_env(replace(job("ppo"), {"base": base, "env": given}))
    env, starts = inner_env(normalize), []
    normalize.reset()
    for _ in range(env.config.num_decisions):
        starts.append(env.coordinates())
        normalize.step(np.zeros((env.num_envs, 3), np.float32))
    starts.append(env.coordinates())
    wanted = [float(env.knobs.table[n].encode(torch.tensor(v))) for n, v in (("instance_noise", 0.5), ("r1", 0.1))]
    np.testing.assert_allclose(starts[0], [[*wanted, 1.0]] * env.num_envs, atol=1e-5)
    np.testing.assert_allclose(starts[-1], starts[0], atol=1e-5)


def test_training_changes_the_policy(tmp_path: Path) -> None:
    """Else the comparison of a resumed and a whole training would say nothing."""
    short, long = (script("sac").train(job("sac", n), RunFolder(tmp_path / str(n), "env")) for n in (2, 3))
    assert not torch.equal(everything(short), everything(long))


@pytest.mark.parametrize(
    ("algorithm", "agent", "message"),
    [
        ("recurrent_ppo", {"lstm_units": 0}, "agent.lstm_units=0"),
        ("recurrent_ppo", {"clip_range": 1.5}, "agent.clip_range=1.5"),
        ("ppo", {"schedule": "rising"}, r"agent.schedule='rising'.*falling"),
        ("ppo", {"weight_decay": -1}, "agent.weight_decay"),
        ("ppo", {"target_kl": 0}, "agent.target_kl"),
        ("ppo", {"schedule": "adaptive", "learning_rate": 0.05}, "agent.learning_rate=0.05 .*1e-05 to 0.01"),
        ("ppo", {"schedule": "adaptive", "learning_rate": 1e-6}, "agent.learning_rate=1e-06 .*1e-05 to 0.01"),
        ("sac", {"schedule": "adaptive"}, "agent.schedule='adaptive'"),
        ("sac", {"rollouts": 2, "warmup": 2}, "agent.rollouts=2 .*more than agent.warmup, 2"),
        ("tqc", {"rollouts": 2, "warmup": 3}, "agent.rollouts=2 .*more than agent.warmup, 3"),
        ("sac", {"capacity": 5}, "agent.capacity=5"),
        ("sac", {"entropy": 0}, "agent.entropy"),
        ("tqc", {"dropped": 25}, "agent.dropped=25"),
        ("tqc", {"update": 3}, "did you mean agent.updates"),
        ("ars", {"rows": 24}, "multiple of 2 . directions, 32"),
        ("ars", {"top": 17}, "agent.top=17"),
        ("ars", {"hidden": [0]}, "agent.hidden"),
    ],
)
def test_bad_options_are_refused_with_help(algorithm: str, agent: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(script(algorithm).TrainOptions(), {"agent": agent})


def test_a_minibatch_of_one_decision_is_refused_where_it_would_give_nan(tmp_path: Path) -> None:
    """Sixteen decisions in parts of three leave one, whose advantage RecurrentPPO would divide by no spread."""
    options = job("recurrent_ppo")
    options = replace(options, {"agent": {"minibatches": 6}})
    with pytest.raises(ConfigError, match=r"agent.minibatches=6.*16 decisions"):
        script("recurrent_ppo").train(options, RunFolder(tmp_path, "env"))


@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo"])
def test_minibatches_of_one_decision_are_refused(algorithm: str, tmp_path: Path) -> None:
    options = replace(job(algorithm), {"agent": {"minibatches": 16}})
    with pytest.raises(ConfigError, match=r"agent.minibatches=16 .*16 decisions are to be cut into parts of two"):
        script(algorithm).train(options, RunFolder(tmp_path, "env"))


@pytest.mark.parametrize("algorithm", OWN)
@pytest.mark.parametrize("env", PRESETS)
def test_every_environment_has_options_for_every_algorithm(algorithm: str, env: str) -> None:
    register_presets()
    with initialize_config_dir(str(CONFIGS), version_base=None):
        options = load(script(algorithm).TrainOptions, compose(f"train_{algorithm}", [f"env={env}"]))
    assert options.env["preset"] == env
    assert options.comparison.rows == (96 if env == "points" else 16)
    on_images = 64 if "ppo" in algorithm else 16
    assert options.agent.rows == (96 if env == "points" else on_images)


def test_the_normalised_environment_has_training_instances_and_raw_rewards() -> None:
    vec_env = training_env(RunOptions(env={**ENV, "split": "test"}, agent=script("sac").SACOptions(rows=2)))
    assert isinstance(vec_env, VecNormalize)
    env = inner_env(vec_env)
    assert isinstance(env, GANVectorEnv)
    assert env.config.split == "train"
    vec_env.reset()
    _, rewards, _, _ = vec_env.step(np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(rewards, vec_env.get_original_reward())


def test_what_is_corrected_does_not_draw() -> None:
    """Its generator is in no checkpoint, and without a memory it can hold nothing."""
    with pytest.raises(ConfigError, match=r"base.kind='random' .*doesn't draw"):
        RunOptions(base={"kind": "random", "hold": 5})


def test_a_meta_network_corrects_nothing() -> None:
    with pytest.raises(ConfigError, match=r"base=.*none"):
        MetaOptions(base={"kind": "ada"})
