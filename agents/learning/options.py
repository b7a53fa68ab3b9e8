"""Options of the training scripts; configs/agent/ and configs/comparison/ have their values for points and images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from agents.learning.members import Member, changed, changes_of, check_members
from baselines.options import errors_about_env
from gan_env import Fleet, GANVectorEnv
from gan_env.config import EnvConfig, env_config, require_training
from gan_env.errors import require, require_at_least
from gan_env.evaluation.seeds import APART
from gan_env.policies.presets import policies_by_name


@dataclass(frozen=True)
class AgentOptions:
    """What every algorithm has.

    Attributes:
        rows: GANs that train side by side.
        rollouts: episodes of each row; PPO, ARS and ES update the policy once after each.
        hidden: units of the networks' hidden layers.
        takes_members: whether the algorithm can be trained on a family.
    """

    takes_members: ClassVar[bool] = False
    rows: int = 96
    rollouts: int = 96
    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        require_at_least(self, "agent.", rows=1, rollouts=1)
        require(min(self.hidden, default=1) >= 1, "agent.hidden", self.hidden, "at least 1 each")

    def require_fit(self, env: EnvConfig) -> None:
        """Raises a `ConfigError` where these hyperparameters don't fit the environment, above all its decisions."""

    def require_members(self, members: Mapping[str, Member]) -> None:
        """Raises a `ConfigError` where these hyperparameters don't fit the members of a family."""


@dataclass(frozen=True)
class ComparisonOptions:
    """How the trained controller is compared with schedules at the end, on test instances.

    Attributes:
        instances: test instances.
        gan_seeds: GAN seeds on each of them, the same for all policies.
        rows: GANs that run side by side.
        policies: names in configs/policy/, or YAML files, that are compared: published and usual schedules.
        tune_updates: GAN updates of a short tuning, where no tuned schedule is committed for the environment.
    """

    instances: int = 48
    gan_seeds: int = 4
    rows: int = 96
    policies: tuple[str, ...] = ("fixed", "linear", "exponential", "cosine", "power", "step", "rising", "random")
    tune_updates: int = 2_000_000

    def __post_init__(self) -> None:
        require_at_least(self, "comparison.", instances=1, gan_seeds=1, rows=1, tune_updates=1)
        policies_by_name(self.policies, "comparison.policies")


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training script.

    Attributes:
        agent: hyperparameters of the algorithm, of the class that its script has.
        env: preset and fields of `EnvConfig`.
        comparison: the comparison at the end.
        seed: of the algorithm, less than `APART`; another seed meets other runs, see `row_seeds`.
        members: kinds of GANs that it is trained on in the place of `env`, by name; empty: `env` alone. All have in
            common what is seen, done and rewarded, and the number of decisions: those are the fields of `env`.
        logs: where run folders are made.
        resume: a run folder to continue, with its own options; no other option is given then.
    """

    agent: AgentOptions = field(default_factory=AgentOptions)
    env: dict[str, Any] = field(default_factory=dict)
    comparison: ComparisonOptions = field(default_factory=ComparisonOptions)
    seed: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    logs: str = "logs"
    resume: str | None = None

    def __post_init__(self) -> None:
        others = f"0 to {APART - 1}: from {APART} on it would train on the runs of searches and tests"
        require(0 <= self.seed < APART, "seed", self.seed, others)
        with errors_about_env():
            env = env_config(**self.env)
        require_training(self.env)
        self.agent.require_fit(env)
        if self.members:
            able = (
                "none here: train_ppo.py, train_recurrent_ppo.py, train_sac.py, train_tqc.py and train_es.py take them"
            )
            require(self.agent.takes_members, "members", sorted(self.members), able)
            check_members(self.env, self.members, self.agent.rows)
            self.agent.require_members(self.members)

    @cached_property
    def kinds(self) -> dict[str, Member]:
        """The members with all options of their environments; without any, "all" is `env` alone."""
        found = {name: Member(m.rows, changed(self.env, changes_of(m.env))) for name, m in self.members.items()}
        return found or {"all": Member(self.agent.rows, self.env)}

    def make_env(self, **more: Any) -> Fleet | GANVectorEnv:
        """The environment that is trained in: of all members if there are any; `more` are arguments of its class."""
        kinds = [{"num_envs": kind.rows, **kind.env} for kind in self.kinds.values()]
        return Fleet(kinds, **more) if self.members else GANVectorEnv(**kinds[0], **more)
