"""Trains PPO to turn the knobs, then compares it with all annealing schedules.

    python agents/train_ppo.py                          # 2-D points
    python agents/train_ppo.py env=fashion_mnist        # real images
    python agents/train_ppo.py resume=logs/ppo/gan_env-Points-v0_1

Any field of configs/ can be set on the command line, as in agent.rollouts=10 env.num_decisions=20.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecNormalize
from tqdm import tqdm

from agents.comparison import ComparisonOptions, compare, table
from agents.plots import draw_all
from agents.run_folder import RunFolder
from agents.sb3_adapter import LearnedPolicy, SB3VecEnv
from baselines.options import CONFIGS, load, register_presets
from gan_env import ENV_IDS, GANVectorEnv
from gan_env.config import require

CHECKPOINT = "checkpoint/state.pt"


@dataclass(frozen=True)
class PPOOptions:
    """Hyperparameters of PPO (Schulman et al. 2017, arXiv:1707.06347) as stable-baselines3 has it.

    Attributes:
        rows: GANs that train side by side.
        rollouts: policy updates; each sees one episode a row.
        minibatches: parts that a rollout is cut into.
        epochs: passes over a rollout.
        learning_rate: at the start; it falls linearly to a tenth.
        gae_lambda: of generalised advantage estimation; the discount is 1.
        clip_range: of the probability ratio.
        hidden: units of the hidden layers of policy and value function.
        log_std_init: logarithm of the actions' initial standard deviation.
    """

    rows: int = 96
    rollouts: int = 96
    minibatches: int = 5
    epochs: int = 10
    learning_rate: float = 1e-3
    gae_lambda: float = 0.95
    clip_range: float = 0.2
    hidden: tuple[int, ...] = (64, 64)
    log_std_init: float = -1.1

    def __post_init__(self) -> None:
        for name in ("rows", "rollouts", "minibatches", "epochs"):
            require(getattr(self, name) >= 1, f"agent.{name}", getattr(self, name), "at least 1")
        require(self.learning_rate > 0, "agent.learning_rate", self.learning_rate, "more than 0")
        require(0 <= self.gae_lambda <= 1, "agent.gae_lambda", self.gae_lambda, "0 to 1")
        require(0 < self.clip_range < 1, "agent.clip_range", self.clip_range, "between 0 and 1")


@dataclass(frozen=True)
class TrainOptions:
    """Options of this script.

    Attributes:
        agent: hyperparameters of PPO.
        env: preset and fields of `EnvConfig`.
        comparison: the comparison at the end.
        seed: of PPO and of the training episodes.
        logs: where run folders are made.
        resume: a run folder to go on from.
    """

    agent: PPOOptions = field(default_factory=PPOOptions)
    env: dict[str, Any] = field(default_factory=dict)
    comparison: ComparisonOptions = field(default_factory=ComparisonOptions)
    seed: int = 0
    logs: str = "logs"
    resume: str | None = None

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "at least 0")


class Progress(BaseCallback):
    """Shows progress, logs what the knobs did, and saves a checkpoint after each policy update."""

    def __init__(self, folder: RunFolder, rollouts: int) -> None:
        super().__init__()
        self.folder, self.rollouts, self.done = folder, rollouts, 0
        self.finals: list[float] = []
        self.crashes = 0

    def _on_training_start(self) -> None:
        vec_env = self.training_env.unwrapped
        assert isinstance(vec_env, SB3VecEnv)
        self.env = vec_env.env
        per_rollout = self.env.num_envs * self.env.config.num_decisions
        self.done = self.num_timesteps // per_rollout
        self.bar = tqdm(total=self.rollouts * per_rollout, initial=self.num_timesteps, desc="PPO", unit="decision")

    def _on_step(self) -> bool:
        self.bar.update(self.env.num_envs)
        for info in self.locals["infos"]:
            if "log_metric" in info:
                self.finals.append(float(info["log_metric"]))
                self.crashes += bool(info["crashed"])
        quarter = self.env.config.num_decisions // 4
        decision = self.n_calls % self.env.config.num_decisions
        if quarter and decision % quarter == 0 and decision:
            for name, value in zip(self.env.config.knobs, self.env.coordinates().mean(axis=0), strict=True):
                self.logger.record(f"knobs/{name}_at_{decision}", float(value))
        return True

    def _on_rollout_end(self) -> None:
        self.logger.record("gan/final_log_metric", float(np.mean(self.finals)))
        self.logger.record("gan/crashes", self.crashes)
        self.logger.record("gan/updates", self.env.gan_updates)
        self.bar.set_postfix_str(f"final log metric {np.mean(self.finals):.3f}, crashes {self.crashes}")
        self.finals, self.crashes = [], 0

    def _on_rollout_start(self) -> None:
        """A rollout starts when the policy was updated on the one before: everything is at rest."""
        if self.n_calls:
            save_checkpoint(self.folder, self.model, self.env)

    def _on_training_end(self) -> None:
        save_checkpoint(self.folder, self.model, self.env)
        self.bar.close()


def save_checkpoint(folder: RunFolder, model: BaseAlgorithm, env: GANVectorEnv) -> None:
    """Saves all that training is made of, in one file: policy, normalisation, every GAN, random states."""
    normalize = model.get_vec_normalize_env()
    assert normalize is not None
    state = {
        "parameters": model.get_parameters(),
        "counters": (model.num_timesteps, model._n_updates),
        "normalize": (normalize.obs_rms, normalize.old_obs, model._last_obs),
        "env": env.get_state(),
        "random": (random.getstate(), np.random.get_state(), torch.get_rng_state()),
    }
    folder.write(CHECKPOINT, lambda path: torch.save(state, path))


def restore_checkpoint(path: Path, model: BaseAlgorithm, env: GANVectorEnv) -> None:
    """Puts everything where `save_checkpoint` found it."""
    state = torch.load(path, weights_only=False)  # our own file: it holds random states and numpy arrays
    normalize = model.get_vec_normalize_env()
    assert normalize is not None
    normalize.reset()
    model.set_parameters(state["parameters"])
    model.num_timesteps, model._n_updates = state["counters"]
    normalize.obs_rms, normalize.old_obs, model._last_obs = state["normalize"]
    model._last_episode_starts = np.ones(env.num_envs, bool)
    env.set_state(state["env"])
    python_state, numpy_state, torch_state = state["random"]
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    torch.set_rng_state(torch_state)


def train(options: TrainOptions, folder: RunFolder) -> tuple[PPO, VecNormalize, dict[str, Any]]:
    """Trains PPO, or goes on from the folder's checkpoint."""
    agent, started = options.agent, time.perf_counter()
    set_random_seed(options.seed)
    env = GANVectorEnv(agent.rows, **{**options.env, "split": "train"})
    decisions = env.config.num_decisions
    vec_env = VecNormalize(SB3VecEnv(env, options.seed), norm_reward=False, gamma=1.0, clip_obs=5.0)
    model = PPO(
        "MlpPolicy",
        vec_env,
        n_steps=decisions,  # one episode a row, so every rollout holds whole returns
        batch_size=max(1, agent.rows * decisions // agent.minibatches),
        n_epochs=agent.epochs,
        gamma=1.0,
        gae_lambda=agent.gae_lambda,
        clip_range=agent.clip_range,
        learning_rate=falling(agent.learning_rate),
        policy_kwargs={"net_arch": list(agent.hidden), "log_std_init": agent.log_std_init},
        seed=options.seed,
        device="cpu",  # a policy of a few thousand weights is faster there
    )
    model.set_logger(configure(str(folder.path / "tensorboard"), ["tensorboard"]))
    if (folder.path / CHECKPOINT).exists():
        restore_checkpoint(folder.path / CHECKPOINT, model, env)
    total = agent.rollouts * agent.rows * decisions
    remaining = total - model.num_timesteps
    if remaining > 0:
        model.learn(remaining, callback=Progress(folder, agent.rollouts), reset_num_timesteps=model.num_timesteps == 0)
    vec_env.training = False
    folder.write(folder.model.name, model.save)
    folder.write(f"{folder.name}/vecnormalize.pkl", lambda path: vec_env.save(str(path)))
    costs = {"gan_updates": env.gan_updates, "train_wall_s": round(time.perf_counter() - started, 1)}
    return model, vec_env, costs


def falling(start: float) -> Callable[[float], float]:
    """A learning rate that falls linearly to a tenth."""
    return lambda remaining: start * (0.1 + 0.9 * remaining)


@hydra.main(version_base=None, config_path=CONFIGS, config_name="train_ppo")
def main(config: DictConfig) -> None:
    """Entry point."""
    started = time.perf_counter()
    options = load(TrainOptions, config)
    if options.resume:
        folder, config = RunFolder.open(options.resume)
        options = load(TrainOptions, config)
    else:
        name = next(i for i, kwargs in ENV_IDS.items() if kwargs.get("preset") == options.env["preset"])
        folder = RunFolder.create(options.logs, "ppo", name, config, list(HydraConfig.get().overrides.task))
    print(f"run folder: {folder.path}")
    model, normalize, costs = train(options, folder)
    policy = LearnedPolicy(model, normalize)
    summary = compare("ppo", policy, options.env, folder, options.comparison, costs["gan_updates"])
    earlier = folder.path / "summary.json"
    before = json.loads(earlier.read_text())["wall_s"] if earlier.exists() else 0.0
    summary |= costs | {"seed": options.seed, "wall_s": round(before + time.perf_counter() - started, 1)}
    folder.write_json("summary.json", summary)
    text = table(summary)
    folder.write("table.txt", lambda path: path.write_text(text + "\n"))
    draw_all(folder, summary, options.env)
    print(f"\n{text}\n\nAll in {summary['wall_s']:.0f} s: {folder.path}")


if __name__ == "__main__":
    register_presets()
    main()
