"""`python agents/train_ppo.py`: a job that is killed and resumed through the shell, its logs, and learning."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from gymnasium.vector import AutoresetMode
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from trainings import ENV, command, fields, tiny, train_in

from agents.train_ppo import PPOOptions
from gan_env import GANVectorEnv
from gan_env.controller import GANController
from gan_env.evaluation.rollout import run_episodes
from gan_env.mdp.rewards import RewardTerm, each_decision
from gan_env.policies.tables import TablePolicy

ROOT = Path(__file__).resolve().parents[2]


def script(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "agents/train_ppo.py"), *arguments]


def test_a_killed_job_is_resumed_and_compared(tmp_path: Path) -> None:
    small = ["instances=2", "gan_seeds=1", "rows=2", "policies=[fixed]", "tune_updates=700"]
    arguments = [*fields("ppo"), "agent.rollouts=60", *(f"comparison.{each}" for each in small)]
    job = subprocess.Popen(script(f"logs={tmp_path}", *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run = tmp_path / "ppo" / "gan_env-Points-v1_1"
    for _ in range(600):
        if (run / "checkpoint/state.pt").exists():
            break
        time.sleep(0.1)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert (run / "checkpoint/state.pt").exists() and not (run / "trained.json").exists()
    done = subprocess.run(script(f"resume={run}"), capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "trained.json").read_text())["gan_updates"] == 60 * 4 * 4
    assert f"run folder: {run}" in done.stdout and "ppo" in done.stdout.split(str(run), 1)[1]


def test_tensorboard_has_metric_and_knobs(tmp_path: Path) -> None:
    train_in(tmp_path, "ppo", tiny("ppo"))
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"gan/final_log_metric", "gan/crashes", "knobs/r1_at_1"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("gan/final_log_metric")) == 3


def test_a_controller_for_a_loop_of_ones_own_is_shown_logits_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop has no metric and no held-out data; rates are those of a rule at first, whatever they were."""
    ((study, _),) = command("ppo", monkeypatch, f"logs={tmp_path}", "+experiment=own_loop", *fields("ppo"))
    networks = torch.nn.Linear(4, 2), torch.nn.Linear(2, 1)
    opt_g, opt_d = (torch.optim.Adam(network.parameters(), 1e-4) for network in networks)
    control = GANController.load(study.path, opt_g, opt_d, total_steps=8)
    for _ in range(8):
        for network, optimiser in zip(networks, (opt_g, opt_d), strict=True):
            network(torch.ones(3, network.in_features)).sum().backward()
            optimiser.step()
        control.observe(real=1 + torch.arange(3.0), fake=torch.arange(3.0))
        control.step()
    assert len(control.report().decisions) == 4
    assert opt_d.param_groups[0]["lr"] > 1e-3


@pytest.mark.parametrize(("minibatches", "parts"), [(1, [16]), (3, [6, 6, 4]), (5, [4, 4, 4, 4])])
def test_a_rollout_is_cut_into_no_more_parts_than_asked_for(minibatches: int, parts: list[int]) -> None:
    """Sixteen decisions: no tiny part is left over, whose gradient would count as much as that of a whole one."""
    options = tiny("ppo", {"minibatches": minibatches})
    assert isinstance(options.agent, PPOOptions)
    size = options.agent.arguments(decisions=4)["batch_size"]
    assert [min(size, 16 - start) for start in range(0, 16, size)] == parts


@pytest.mark.filterwarnings("error")
def test_a_smaller_last_part_is_no_warning(tmp_path: Path) -> None:
    train_in(tmp_path, "ppo", tiny("ppo", {"minibatches": 3}))


def test_ppo_learns_through_adapter_and_normalisation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toy with a known optimum: with the reward replaced by r1's coordinate, the policy must raise r1."""
    term = RewardTerm("a test's term", lambda m: m.coordinates[:, 2] - 0.5, each_decision(-1, 1))
    monkeypatch.setattr("gan_env.mdp.rewards.REWARDS", {"log_improvement": term})
    agent = {"rows": 16, "rollouts": 32, "epochs": 10, "learning_rate": 3e-3, "hidden": [64, 64]}
    policy = train_in(tmp_path, "ppo", tiny("ppo", agent, seed=0))
    env = GANVectorEnv(8, autoreset_mode=AutoresetMode.DISABLED, split="test", **ENV)
    learned = run_episodes(policy, env, range(8))
    still = run_episodes(TablePolicy(env, {}), env, range(8))
    assert learned.rewards.sum(axis=1).mean() > still.rewards.sum(axis=1).mean() + 0.5
    assert learned.coordinates[:, -1, 2].mean() > 0.9
