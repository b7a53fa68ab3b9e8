"""What scripts that train by stable-baselines3 share: options, environment, and training that can be continued."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from agents.learning.checkpoint import restore_training, save_training
from agents.learning.export import network_of
from agents.learning.options import AgentOptions, TrainOptions
from agents.learning.run_folder import CHECKPOINT, RunFolder
from gan_env import Fleet, GANVectorEnv
from gan_env.adapters.stable_baselines3 import SB3VecEnv
from gan_env.evaluation.seeds import row_seeds


@dataclass(frozen=True)
class SB3Options(AgentOptions):
    """What the algorithms of stable-baselines3 and sb3-contrib have."""

    def arguments(self, decisions: int) -> dict[str, Any]:
        """Arguments of the algorithm, given the number of decisions per episode."""
        raise NotImplementedError

    def network(self) -> dict[str, Any]:
        """Arguments of its policy."""
        return {"net_arch": list(self.hidden)}

    def callbacks(self) -> list[BaseCallback]:
        """What is called as it trains."""
        return []

    def prepare(self, model: BaseAlgorithm) -> None:
        """What comes before the first rollout of a training."""


def training_env(options: TrainOptions) -> VecNormalize:
    """The training instances, of all members if there are any, with normalised observations; seeds all generators."""
    set_random_seed(options.seed)
    vec_env = SB3VecEnv(options.make_env(), row_seeds(options.seed, options.agent.rows))
    return VecNormalize(vec_env, norm_reward=False, gamma=1.0, clip_obs=5.0)


def inner_env(vec_env: VecEnv | None) -> GANVectorEnv | Fleet:
    """The environment of GANs under stable-baselines3's wrappers."""
    assert vec_env is not None and isinstance(vec_env.unwrapped, SB3VecEnv)
    return vec_env.unwrapped.env


def train_sb3(
    algorithm: Callable[..., BaseAlgorithm], options: TrainOptions, folder: RunFolder, policy: str = "MlpPolicy"
) -> dict[str, Any]:
    """Trains by an algorithm of stable-baselines3 or sb3-contrib, or continues from the folder's checkpoint.

    Args:
        algorithm: its class.
        options: of the training, with an `SB3Options`.
        folder: where checkpoints and the trained controller are saved.
        policy: name of the policy's class.

    Returns:
        `gan_updates`: how many the training took.
    """
    agent, normalize = options.agent, training_env(options)
    assert isinstance(agent, SB3Options)
    env = inner_env(normalize)
    arguments = agent.arguments(env.config.num_decisions)
    # A policy of a few thousand weights is faster on the CPU.
    common = {"policy_kwargs": agent.network(), "seed": options.seed, "device": "cpu"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You have specified a mini-batch size")  # that the last one is smaller
        model = algorithm(policy, normalize, **common, **arguments)
    normalize.venv.seed(row_seeds(options.seed, env.num_envs))  # type: ignore[arg-type]  # a model gave it its own
    if (folder.path / CHECKPOINT).exists():
        restore_training(folder.path / CHECKPOINT, model, env)
    else:
        agent.prepare(model)
    model.set_logger(learning_curves(folder, model.num_timesteps))
    total = agent.rollouts * agent.rows * env.config.num_decisions
    remaining = total - model.num_timesteps
    if remaining > 0:
        model.learn(
            remaining,
            callback=[*agent.callbacks(), Progress(folder, total, list(options.members))],
            log_interval=None,  # type: ignore[arg-type]  # Progress writes the logs
            reset_num_timesteps=model.num_timesteps == 0,
        )
    folder.save_controller(network_of(model, normalize), env, "action")
    return {"gan_updates": env.gan_updates}


def learning_curves(folder: RunFolder, decisions: int) -> Logger:
    """A logger to TensorBoard, which drops what a killed training logged after its checkpoint, as it is logged again.

    Args:
        folder: of the training.
        decisions: of all rows up to the checkpoint.
    """
    place = str(folder.path / "tensorboard")
    logged = any(Path(place).glob("events.*"))
    output = TensorBoardOutputFormat(place)
    if logged:
        output.writer.close()
        output.writer = SummaryWriter(place, purge_step=decisions + 1)  # type: ignore[no-untyped-call]
    return Logger(place, [output])


def knob_curves(env: GANVectorEnv | Fleet, decision: int) -> dict[str, float]:
    """Where the rows' knobs are on average, after each quarter of an episode's decisions but the last; else nothing."""
    quarter = env.config.num_decisions // 4
    if not quarter or decision % quarter or decision in (0, env.config.num_decisions):
        return {}
    means = env.coordinates().mean(axis=0)
    return {f"knobs/{k}_at_{decision}": float(mean) for k, mean in zip(env.config.knobs, means, strict=True)}


class Progress(BaseCallback):
    """Shows progress, logs what the knobs did, and saves a checkpoint after each episode of the rows.

    Args:
        folder: where checkpoints are saved.
        total: decisions of all rows in the whole training.
        members: names of the members, in the order of the fleet; empty: there is one environment.
    """

    def __init__(self, folder: RunFolder, total: int, members: Sequence[str] = ()) -> None:
        super().__init__()
        self.folder, self.total, self.members = folder, total, members
        self.finals: list[tuple[int, float]] = []  # the row, and how its run ended
        self.returns: list[float] = []
        self.crashes = 0

    def _on_training_start(self) -> None:
        self.env = inner_env(self.training_env)
        self.gained = np.zeros(self.env.num_envs)
        name = type(self.model).__name__
        self.bar = tqdm(total=self.total, initial=self.num_timesteps, desc=name, unit="decision")

    def _on_step(self) -> bool:
        self.bar.update(self.env.num_envs)
        self.gained += self.locals["rewards"]
        for row, info in enumerate(self.locals["infos"]):
            if "log_metric" in info:
                self.finals.append((row, float(info["log_metric"])))
                self.returns.append(float(self.gained[row]))
                self.crashes += bool(info["crashed"])
                self.gained[row] = 0
        decisions = self.env.config.num_decisions
        for name, value in knob_curves(self.env, self.n_calls % decisions).items():
            self.logger.record(name, value)
        if self.n_calls % decisions == 0:
            self._write_logs()
        return True

    def _write_logs(self) -> None:
        rows, finals = np.array(self.finals).T
        self.logger.record("gan/final_log_metric", float(finals.mean()))
        if isinstance(self.env, Fleet):
            for name, own in zip(self.members, self.env.rows, strict=True):
                mine = finals[(rows >= own.start) & (rows < own.stop)]
                self.logger.record(f"gan/final_log_metric_{name}", float(mine.mean()))
        self.logger.record("gan/return", float(np.mean(self.returns)))
        self.logger.record("gan/crashes", self.crashes)
        self.logger.record("gan/updates", self.env.gan_updates)
        self.bar.set_postfix_str(f"final log metric {finals.mean():.3f}, crashes {self.crashes}")
        self.model.dump_logs()
        self.finals, self.returns, self.crashes = [], [], 0

    def _on_rollout_start(self) -> None:
        """Saves a checkpoint: when a rollout starts, the policy has been updated on the previous one."""
        if self.n_calls and self.n_calls % self.env.config.num_decisions == 0:
            save_training(self.folder, self.model, self.env)

    def _on_training_end(self) -> None:
        save_training(self.folder, self.model, self.env)
        self.bar.close()
