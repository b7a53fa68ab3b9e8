"""What every training script shares: its options, the run from start to end, progress, and the closing comparison."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from agents.learning.checkpoint import CHECKPOINT, restore_checkpoint, save_checkpoint
from agents.learning.comparison import ComparisonOptions, compare, table
from agents.learning.costs import timed
from agents.learning.run_folder import RunFolder
from agents.page.plots import draw_all
from baselines.options import load
from gan_env import ENV_IDS, GANVectorEnv
from gan_env.adapters.stable_baselines3 import LearnedPolicy, SB3VecEnv
from gan_env.config import CONFIGS, replace
from gan_env.errors import require
from gan_env.policies.presets import PolicyOptions
from gan_env.policies.steering import Policy, start_of

SPENT = "spent.txt"
"""In a run folder: the seconds that the job has taken."""
APART, FAR = 1_000, 2**40
"""How far the runs of trainings are apart, and of rows beyond so many; see `row_seeds`."""


@dataclass(frozen=True)
class AgentOptions:
    """What every algorithm has.

    Attributes:
        rows: GANs that train side by side.
        rollouts: episodes of each row; PPO and ARS update the policy once after each.
        hidden: units of the networks' hidden layers.
    """

    rows: int = 96
    rollouts: int = 96
    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        for name in ("rows", "rollouts"):
            require(getattr(self, name) >= 1, f"agent.{name}", getattr(self, name), "at least 1")
        require(min(self.hidden, default=1) >= 1, "agent.hidden", self.hidden, "at least 1 each")


@dataclass(frozen=True)
class RunOptions:
    """Options of a training script, which narrows `agent` to its algorithm's.

    Attributes:
        agent: hyperparameters of the algorithm.
        env: preset and fields of `EnvConfig`.
        comparison: the comparison at the end.
        base: a policy that the learned one corrects, fields of `PolicyOptions`; empty: none. See
            `gan_env.adapters.stable_baselines3.corrected`.
        seed: of the algorithm, less than `APART`; another seed meets other runs, see `row_seeds`.
        logs: where run folders are made.
        resume: a run folder to go on from, with its own options; no other option is given then.
    """

    agent: AgentOptions = field(default_factory=AgentOptions)
    env: dict[str, Any] = field(default_factory=dict)
    comparison: ComparisonOptions = field(default_factory=ComparisonOptions)
    base: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    logs: str = "logs"
    resume: str | None = None

    def __post_init__(self) -> None:
        others = f"0 to {APART - 1}: from {APART} on it would train on the runs of searches and tests"
        require(0 <= self.seed < APART, "seed", self.seed, others)
        base = replace(PolicyOptions(), self.base, "base.")
        drawn = "a policy that doesn't draw: what it would draw next is in no checkpoint, and nothing would be held"
        require(base.kind != "random", "base.kind", base.kind, drawn)


Model = TypeVar("Model", bound=BaseAlgorithm)
Options = TypeVar("Options", bound=RunOptions)
Trained = tuple[Model, VecNormalize, dict[str, Any]]
"""A model, the normalisation of its observations, and its costs (`gan_updates`)."""


def run(
    algorithm: str, kind: type[Options], train: Callable[[Options, RunFolder], Trained[Any]], config: DictConfig
) -> None:
    """The whole job of a script: trains, compares with all schedules, writes summary, table and pictures.

    Args:
        algorithm: the name of the algorithm's run folders, and of its policy in the table.
        kind: the script's options.
        train: trains, or goes on, in a run folder.
        config: what Hydra composed.
    """
    options, folder = open_folder(algorithm, kind, config)
    with timed(folder.path / SPENT) as clock:
        model, normalize, costs = train(options, folder)
        close(algorithm, partial(learned_policy, model, normalize, options), options, folder, costs, clock)


def learned_policy(model: BaseAlgorithm, normalize: VecNormalize, options: RunOptions, env: GANVectorEnv) -> Policy:
    """What was trained with these options, ready to act in `env`."""
    return LearnedPolicy(model, normalize, base_policy(options.base, env))


def base_policy(fields: dict[str, Any], env: GANVectorEnv) -> Policy | None:
    """The policy that is corrected, ready to act in `env`; None where no field is given."""
    return replace(PolicyOptions(), fields, "base.").make(env) if fields else None


def close(
    algorithm: str,
    policy: Policy | Callable[[GANVectorEnv], Policy],
    options: RunOptions,
    folder: RunFolder,
    costs: dict[str, Any],
    clock: Callable[[], float],
) -> None:
    """What a job ends with: the comparison with all schedules, `summary.json`, `table.txt` and the pictures.

    Args:
        algorithm: the policy's name in the table.
        policy: what was trained, or what makes it for an environment.
        options: of the job.
        folder: where it goes.
        costs: what training took, `gan_updates` among them; it goes into the summary.
        clock: seconds that the job has taken so far, those of earlier processes included.
    """
    summary = compare(algorithm, policy, options.env, folder, options.comparison, costs["gan_updates"])
    summary |= costs | {"seed": options.seed, "wall_s": round(clock(), 1)}
    folder.write_json("summary.json", summary)
    text = table(summary)
    folder.write("table.txt", lambda path: path.write_text(text + "\n"))
    draw_all(folder, summary, options.env)
    print(f"\n{text}\n\nAll in {summary['wall_s']:.0f} s: {folder.path}")


def row_seeds(seed: int, rows: int) -> list[int]:
    """What each row of a training draws its runs from: no two trainings share a run, however many rows they have."""
    return [APART * seed + row % APART + row // APART * FAR for row in range(rows)]


def open_folder(algorithm: str, kind: type[Options], config: DictConfig) -> tuple[Options, RunFolder]:
    """The checked options and a new run folder; or, to resume, a folder that is there with its own options.

    Raises:
        ConfigError: an option is wrong, or one beside `resume` is given, which would not count, or the folder is
            another script's.
    """
    options, given = load(kind, config), list(HydraConfig.get().overrides.task)
    if options.resume:
        others = [text for text in given if not text.startswith("resume=")]
        alone = f"no other option, as a run goes on with those that it began with: leave out {', '.join(others)}"
        require(not others, "resume", options.resume, alone)
        folder, config = RunFolder.open(options.resume)
        began, scripts = folder.script, [path.stem for path in CONFIGS.glob("*.yaml")]
        another = began in scripts and began not in (algorithm, f"train_{algorithm}")
        own = f"a run of {algorithm}: this one goes on by agents/{began}.py"
        require(not another, "resume", options.resume, own)
        options = load(kind, config)
    else:
        name = next(i for i, kwargs in ENV_IDS.items() if kwargs.get("preset") == options.env["preset"])
        folder = RunFolder.create(options.logs, algorithm, name, config, given)
    print(f"run folder: {folder.path}")
    return options, folder


def training_env(options: RunOptions) -> VecNormalize:
    """The training instances, with normalised observations; seeds all random generators."""
    set_random_seed(options.seed)
    env = GANVectorEnv(options.agent.rows, **{**options.env, "split": "train", "initial_knobs": initial_knobs(options)})
    seeds, base = row_seeds(options.seed, options.agent.rows), base_policy(options.base, env)
    return VecNormalize(SB3VecEnv(env, seeds, base), norm_reward=False, gamma=1.0, clip_obs=5.0)


def initial_knobs(options: RunOptions) -> dict[str, float]:
    """The environment's initial values; with a base, the knobs start where it has them start."""
    given = dict(options.env.get("initial_knobs", {}))
    if not options.base:
        return given
    env = GANVectorEnv(**options.env)
    start = start_of(base_policy(options.base, env)).items()
    return given | {name: float(np.clip(value, *env.knobs.table[name].bounds)) for name, value in start}


def inner_env(vec_env: VecEnv | None) -> GANVectorEnv:
    """The environment of GANs under stable-baselines3's wrappers."""
    assert vec_env is not None and isinstance(vec_env.unwrapped, SB3VecEnv)
    return vec_env.unwrapped.env


def fit(model: Model, options: RunOptions, folder: RunFolder, callbacks: Sequence[BaseCallback] = ()) -> Trained[Model]:
    """Trains a model, or goes on from the folder's checkpoint; saves model and normalisation.

    Args:
        model: fresh, made on `training_env(options)`.
        options: how long it is trained.
        folder: where it is saved.
        callbacks: called before the checkpoint is saved.
    """
    normalize = model.get_vec_normalize_env()
    assert normalize is not None
    env = inner_env(normalize)
    assert isinstance(normalize.venv, SB3VecEnv)
    normalize.venv.seed(row_seeds(options.seed, env.num_envs))  # again: a model gives its environment its own seed
    if (folder.path / CHECKPOINT).exists():
        restore_checkpoint(folder.path / CHECKPOINT, model, env)
    model.set_logger(learning_curves(folder, model.num_timesteps))
    total = options.agent.rollouts * options.agent.rows * env.config.num_decisions
    remaining = total - model.num_timesteps
    if remaining > 0:
        model.learn(
            remaining,
            callback=[*callbacks, Progress(folder, total)],
            log_interval=None,  # type: ignore[arg-type]  # Progress writes the logs
            reset_num_timesteps=model.num_timesteps == 0,
        )
    normalize.training = False
    folder.write(folder.model.name, model.save)
    folder.write(f"{folder.name}/vecnormalize.pkl", lambda path: normalize.save(str(path)))
    return model, normalize, {"gan_updates": env.gan_updates}


def learning_curves(folder: RunFolder, decisions: int) -> Logger:
    """What a training logs, to TensorBoard; what was logged there after so many decisions of all rows is dropped.

    After a kill that is what the checkpoint doesn't know of, and it would be there twice.
    """
    place = str(folder.path / "tensorboard")
    logged = any(Path(place).glob("events.*"))
    output = TensorBoardOutputFormat(place)
    if logged:
        output.writer.close()
        output.writer = SummaryWriter(place, purge_step=decisions + 1)  # type: ignore[no-untyped-call]
    return Logger(place, [output])


class Progress(BaseCallback):
    """Shows progress, logs what the knobs did, and saves a checkpoint after each episode of the rows.

    Args:
        folder: where checkpoints are saved.
        total: decisions of all rows in the whole training.
    """

    def __init__(self, folder: RunFolder, total: int) -> None:
        super().__init__()
        self.folder, self.total = folder, total
        self.finals: list[float] = []
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
                self.finals.append(float(info["log_metric"]))
                self.returns.append(float(self.gained[row]))
                self.crashes += bool(info["crashed"])
                self.gained[row] = 0
        decisions = self.env.config.num_decisions
        quarter, decision = decisions // 4, self.n_calls % decisions
        if quarter and decision % quarter == 0 and decision:
            for name, value in zip(self.env.config.knobs, self.env.coordinates().mean(axis=0), strict=True):
                self.logger.record(f"knobs/{name}_at_{decision}", float(value))
        if decision == 0:
            self._write_logs()
        return True

    def _write_logs(self) -> None:
        self.logger.record("gan/final_log_metric", float(np.mean(self.finals)))
        self.logger.record("gan/return", float(np.mean(self.returns)))
        self.logger.record("gan/crashes", self.crashes)
        self.logger.record("gan/updates", self.env.gan_updates)
        self.bar.set_postfix_str(f"final log metric {np.mean(self.finals):.3f}, crashes {self.crashes}")
        self.model.dump_logs()
        self.finals, self.returns, self.crashes = [], [], 0

    def _on_rollout_start(self) -> None:
        """A rollout starts when the policy was updated on the one before: everything is at rest."""
        if self.n_calls and self.n_calls % self.env.config.num_decisions == 0:
            save_checkpoint(self.folder, self.model, self.env)

    def _on_training_end(self) -> None:
        save_checkpoint(self.folder, self.model, self.env)
        self.bar.close()
