"""What a study consists of: controllers, opponents, settings and sizes. configs/experiment/ lists them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agents.learning.controllers import check_script, training_options
from agents.learning.members import Member, changed, changes_of
from agents.learning.options import TrainOptions
from agents.study.readout import SUFFIXES
from baselines.jobs.executor import ExecutorOptions
from baselines.options import about
from baselines.search.spaces import SPACES
from gan_env.config import PRESETS, RUN_OPTIONS, env_config
from gan_env.errors import require, require_at_least
from gan_env.policies.presets import policies_by_name
from gan_env.strict import replace, to_dict

BY_METHOD = {
    "by_random_search": ("schedule", "random"),
    "by_halving": ("schedule", "halving"),
    "by_cma_es": ("curves", "cma_es"),
    "by_population": ("curves", "population"),
    "linear_rates": ("linear_rates", "cma_es"),
}
"""Opponents that are schedules found by another method than TPE: name -> what is tuned, and how."""
SCHEDULE_KINDS = ("schedule", *BY_METHOD, "curves", "rates", "r3gan")
"""The kinds of tuned opponents that are schedules; the others are rules that react to the training."""
RIVAL_KINDS = (*SCHEDULE_KINDS, "step_size")
"""The kinds that every policy is compared with, of which one is the strongest."""
BEST = "best_schedule"
"""The tuned schedule, which all policies are compared with."""
CONSTANTS = "fixed"
"""The policy that leaves all knobs where a run starts."""
HELD_OUT, TRAINING = "held_out", "training"
"""In every study: the setting with test instances of the environment's own ranges, and runs on training instances."""


def opponent_name(kind: str) -> str:
    """The name that a tuned opponent of a kind plays under."""
    return BEST if kind == "schedule" else f"tuned_{kind}"


def opponent_kind(name: str) -> str:
    """The kind of a tuned opponent: a key of `BY_METHOD`, or one of `baselines.search.spaces.SPACES`."""
    return "schedule" if name == BEST else name.removeprefix("tuned_")


def search_of(name: str) -> tuple[str, str]:
    """What is tuned for an opponent, and by which method."""
    kind = opponent_kind(name)
    return BY_METHOD.get(kind, (kind, "tpe"))


@dataclass(frozen=True)
class Controller:
    """A kind of learned controller.

    Attributes:
        script: agents/train_SCRIPT.py trains it.
        seeds: number of trainings, each with another seed; 0 switches it off.
        agent: hyperparameters that differ from configs/agent/SCRIPT/.
        env: fields of `EnvConfig` that differ, in training and in play: what it sees and how it acts.
        training: fields of `EnvConfig` that differ in training only: what it learns from.
        members: the kinds of GANs that it is trained on in the place of the environment, by name; see `TrainOptions`.
        varies: the controller of which this is an ablation, with the same fields where it doesn't give its own.
    """

    script: str = "ppo"
    seeds: int = 0
    agent: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    varies: str | None = None

    def __post_init__(self) -> None:
        check_script(self.script, "controllers.*.script")
        require(self.seeds >= 0, "controllers.*.seeds", self.seeds, "at least 0")


@dataclass(frozen=True)
class Setting:
    """A test setting that controllers were not trained for.

    Attributes:
        env: fields of `EnvConfig` that differ; a `preset` brings all of its own, as for a `Member`.
        policies: names of those that play in it, besides the tuned schedule; empty: all but ablations.
        instances: test instances; null: as many as the study has.
        gan_seeds: GAN seeds on each of them; null: as many as the study has.
    """

    env: dict[str, Any] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    instances: int | None = None
    gan_seeds: int | None = None

    def __post_init__(self) -> None:
        for name in ("instances", "gan_seeds"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"settings.*.{name}", value, "null, or at least 1")

    @property
    def changes(self) -> dict[str, Any]:
        """What it changes in the environment of the study."""
        return changes_of(self.env)


@dataclass(frozen=True)
class StudyOptions:
    """Options of agents/compare.py; `study_options` makes them from a mapping.

    Attributes:
        env: preset and fields of `EnvConfig`.
        controllers: by name.
        tuned: how often each kind of opponent is tuned, with another seed each time; 0: not at all. Kinds are keys of
            `baselines.search.spaces.SPACES`, tuned by TPE, and of `BY_METHOD`; "schedule" is tuned at least once.
        budget: GAN updates of each tuning; null: as many as the costliest training of a controller took.
        tune_runs: runs of a candidate in tuning.
        policies: names of files in configs/policy/, or paths of YAML files, that play as well.
        settings: other test settings, by name.
        oracle_runs: runs of each candidate on an instance in the oracle's first round; 0: no oracle.
        instances: test instances.
        gan_seeds: GAN seeds on each of them, the same for all policies.
        rows: GANs that run side by side.
        workers: trainings, then tunings, then shares of the policies at play, at a time.
        executor: where these run.
        seed: of the first training.
        target: the probability of improvement over the strongest tuned opponent that is the aim; null: none.
        notes: sentences for the report: why figures are as they are, and what was tried.
        folder: of the study; a study that it holds continues.
    """

    env: dict[str, Any] = field(default_factory=lambda: {"preset": "points"})
    controllers: dict[str, Controller] = field(default_factory=lambda: {"ppo": Controller(seeds=1)})
    tuned: dict[str, int] = field(default_factory=lambda: {"schedule": 1})
    budget: int | None = None
    tune_runs: int = 16
    policies: tuple[str, ...] = ("fixed",)
    settings: dict[str, Setting] = field(default_factory=dict)
    oracle_runs: int = 2
    instances: int = 48
    gan_seeds: int = 4
    rows: int = 96
    workers: int = 1
    executor: ExecutorOptions = field(default_factory=ExecutorOptions)
    seed: int = 0
    target: float | None = None
    notes: tuple[str, ...] = ()
    folder: str = "logs/study/points"

    def __post_init__(self) -> None:
        require_at_least(self, tune_runs=1, instances=1, gan_seeds=1, rows=1, workers=1, oracle_runs=0, seed=0)
        require(self.budget is None or self.budget >= 1, "budget", self.budget, "null, or at least 1")
        aimed = self.target is None or 0.5 < self.target < 1
        require(aimed, "target", self.target, "a probability above 0.5 and below 1, or null")
        for kind, times in self.tuned.items():
            known = sorted({*SPACES, *BY_METHOD})
            require(kind in known, "tuned", kind, f"one of {known}")
            require(times >= 0, f"tuned.{kind}", times, "at least 0")
        times = self.tuned.get("schedule", 0)
        require(times > 0, "tuned.schedule", times, "at least 1: all policies are compared with it")
        size = env_config(**self.env).instances.test_size
        require(self.instances <= size, "instances", self.instances, f"at most {size}, the environment's test_size")
        self._check_controllers()
        self._check_names()

    def _check_names(self) -> None:
        """Names are known, and each stands for one thing."""
        taken = {HELD_OUT, TRAINING} & set(self.settings)
        require(not taken, "settings", sorted(taken), "other names: every study has these")
        read_outs = [name + suffix for name in self.controllers for suffix in SUFFIXES]
        players = [*self.named, *self.tunings, *read_outs, *self.controllers]
        for name, setting in self.settings.items():
            for player in setting.policies:
                require(player in players, f"settings.{name}.policies", player, f"one of {sorted(players)}")
        clash = sorted(name for name, count in Counter(["oracle", *players]).items() if count > 1)
        expected = f"names that no other policy has, those of NAME{', NAME'.join(SUFFIXES)} included"
        require(not clash, "controllers", clash, expected)
        ends = [name for name in (*self.named, *self.controllers) if name.endswith(SUFFIXES)]
        require(not ends, "policies and controllers", ends, f"names that end in none of {SUFFIXES}")

    def _check_controllers(self) -> None:
        """Controllers refer to others that exist."""
        main = [name for name, controller in self.active.items() if controller.varies is None]
        require(bool(main), "controllers", list(self.controllers), "one with seeds > 0 that varies no other")
        for name, controller in self.active.items():
            original = controller.varies
            require(original in (None, *main), f"controllers.{name}.varies", original, f"null or one of {main}")

    @cached_property
    def named(self) -> dict[str, str]:
        """The policies that play as well, by name: what `load_policy` takes."""
        return policies_by_name(self.policies)

    @property
    def tunings(self) -> dict[str, int]:
        """The tuned opponents by name, and how often each is tuned."""
        return {opponent_name(kind): times for kind, times in self.tuned.items() if times}

    @property
    def active(self) -> dict[str, Controller]:
        """The controllers that are switched on."""
        return {name: controller for name, controller in self.controllers.items() if controller.seeds}

    def plays(self, policy: str, setting: str) -> bool:
        """Whether a policy plays in a setting; an ablation plays on held-out instances, and where it is named."""
        named, controller = self.setting(setting).policies, self.controllers.get(policy)
        ablation = controller is not None and controller.varies is not None
        return setting == HELD_OUT or policy in (BEST, *named) or not (named or ablation)

    def setting(self, name: str) -> Setting:
        """A setting by its name; the held-out one changes nothing."""
        return self.settings.get(name, Setting())

    def changed_env(self, *changes: Mapping[str, Any]) -> dict[str, Any]:
        """The environment's options with fields changed, nested ones too; later changes win."""
        return changed(self.env, *changes)

    def changes_of_preset(self) -> dict[str, Any]:
        """What differs from the environment's preset, without how a machine runs it."""
        preset = to_dict(PRESETS[self.env.get("preset", "points")])
        return _changes({key: value for key, value in self.env.items() if key not in ("preset", *RUN_OPTIONS)}, preset)

    def training(self, name: str, seed: int) -> TrainOptions:
        """The options of a controller's training, its hyperparameters included.

        Raises:
            ConfigError: it can't be trained.
        """
        controller = self.active[name]
        env = self.changed_env(controller.env, controller.training)
        with about(f"controllers.{name}"):
            return training_options(controller.script, controller.agent, env, self.seed + seed, controller.members)


def _changes(options: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `options` that `base` lacks or has with another value."""
    return {
        key: _changes(value, base[key]) if isinstance(value, Mapping) and isinstance(base.get(key), Mapping) else value
        for key, value in options.items()
        if value != base.get(key)
    }


def study_options(**fields: Any) -> StudyOptions:
    """Options from a nested mapping, as Hydra composes it; ablations get the other fields of what they vary.

    Raises:
        ConfigError: an unknown field, a wrong type or a value out of range.
    """
    controllers = fields.get("controllers")
    if controllers:
        fields["controllers"] = {name: _completed(controllers, name) for name in controllers}
    return replace(StudyOptions(), fields)


def _completed(controllers: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A controller's fields; an ablation takes those that it lacks, save seeds, from what it varies."""
    fields = dict(controllers[name])
    original = controllers.get(fields.get("varies") or "")
    if not original:
        return fields
    merged = {key: {**original.get(key, {}), **fields.get(key, {})} for key in ("agent", "env", "training")}
    return {**original, "seeds": 0, **fields, **merged}
