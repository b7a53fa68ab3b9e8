"""What a study consists of: controllers, opponents, settings and sizes. configs/experiment/ lists them."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from agents.learning.controllers import check_script
from agents.learning.options import RunOptions
from agents.study.readout import RATES_REPLAY, REPLAY
from agents.study.worker import env_fields, training_options
from baselines.search.spaces import SPACES, usual
from gan_env import DataError
from gan_env.config import CONFIGS, env_config, replace, to_dict
from gan_env.errors import ConfigError, require
from gan_env.policies.presets import load_policy
from gan_env.resume import MAY_DIFFER, differences

BASE = "_base"
"""Suffix of the name under which what a controller corrects plays by itself."""
SCHEDULE_KINDS = ("schedule", "rates", "r3gan")
"""The kinds of tuned opponents that are schedules; the others are rules that react."""
_OF_CONTROLLERS = (REPLAY, RATES_REPLAY, BASE)
"""Suffixes of the names of what plays beside a controller."""
BEST = "best_schedule"
"""The tuned schedule, which everything is compared with."""
HELD_OUT, TRAINING = "held_out", "training"
"""What every study has: test instances of the environment's own ranges as a setting, and runs on training instances."""


def opponent_name(kind: str) -> str:
    """The name that a tuned opponent of a kind plays under."""
    return BEST if kind == "schedule" else f"tuned_{kind}"


@dataclass(frozen=True)
class Controller:
    """A kind of learned controller.

    Attributes:
        script: it is trained by agents/train_SCRIPT.py.
        seeds: trainings, each with another seed; 0 switches it off.
        arguments: fields of the script's configuration, as on its command line; an ablation's come after those of what
            it varies.
        env: fields of `EnvConfig` that differ, in training and in play: what it sees and how it acts.
        training: fields of `EnvConfig` that differ in training alone: what it learns from.
        base: the kind of opponent (see `StudyOptions.tuned`) that it corrects; null: none. It is tuned for this alone,
            anew for every training.
        base_updates: GAN updates that tuning the base takes each time.
        varies: the controller that it is an ablation of; what it doesn't say is as there.
        beside: a controller that the report compares it with, as an ablation with what it varies.
        settings: settings that it plays in; empty: all. An ablation plays on held-out instances unless it says more.
    """

    script: str = "ppo"
    seeds: int = 0
    arguments: tuple[str, ...] = ()
    env: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    base: str | None = None
    base_updates: int = 2_000_000
    varies: str | None = None
    beside: str | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_script(self.script, "controllers.*.script")
        bases = sorted(SPACES) if self.script not in ("meta", "maml") else []
        require(self.base in (None, *bases), "controllers.*.base", self.base, f"null or one of {bases}")
        require(self.seeds >= 0, "controllers.*.seeds", self.seeds, "at least 0")


@dataclass(frozen=True)
class Setting:
    """A test setting beside the held-out instances: what a controller meets there, it was not trained for.

    Attributes:
        env: fields of `EnvConfig` that differ.
        policies: those that play in it, beside the tuned schedule; empty: all.
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


@dataclass(frozen=True)
class StudyOptions:
    """Options of agents/compare.py.

    Attributes:
        env: preset and fields of `EnvConfig`.
        controllers: name -> fields of `Controller`.
        tuned: how often each kind of opponent is tuned, each time with another seed, as controllers are trained; 0: not
            at all. Kinds are keys of `baselines.search.spaces.SPACES`; "schedule" is tuned at least once.
        budget: GAN updates that tuning each of them takes; null: as many as training a controller took.
        tune_runs: runs of a candidate in tuning.
        policies: names in configs/policy/ that play as well.
        settings: other test settings: name -> fields of `Setting`.
        oracle_runs: runs of a candidate on an instance in the oracle's first round; 0: no oracle.
        instances: test instances.
        gan_seeds: GAN seeds on each of them, the same for all policies.
        rows: GANs that run side by side.
        workers: trainings, then tunings, then policies at play, that run side by side; they share the cores.
        seed: of the first training.
        target: the probability of improvement over the strongest tuned schedule that is aimed at; null: a gain over it
            whose interval is above 0.
        notes: what the report says beside the figures: why they are as they are, and what was tried.
        folder: of the study; one that is there is gone on with.
    """

    env: dict[str, Any] = field(default_factory=lambda: {"preset": "points"})
    controllers: dict[str, dict[str, Any]] = field(default_factory=lambda: {"ppo": {"seeds": 1}})
    tuned: dict[str, int] = field(default_factory=lambda: {"schedule": 1})
    budget: int | None = None
    tune_runs: int = 16
    policies: tuple[str, ...] = ("fixed",)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    oracle_runs: int = 2
    instances: int = 48
    gan_seeds: int = 4
    rows: int = 96
    workers: int = 1
    seed: int = 0
    target: float | None = None
    notes: tuple[str, ...] = ()
    folder: str = "logs/study/points"

    def __post_init__(self) -> None:
        for name in ("tune_runs", "instances", "gan_seeds", "rows", "workers"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("oracle_runs", "seed"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        aimed = self.target is None or 0.5 < self.target < 1
        require(aimed, "target", self.target, "a probability above 0.5 and below 1, or null")
        for kind, times in self.tuned.items():
            require(kind in SPACES, "tuned", kind, f"one of {sorted(SPACES)}")
            require(times >= 0, f"tuned.{kind}", times, "at least 0")
        times = self.tuned.get("schedule", 0)
        require(times > 0, "tuned.schedule", times, "at least 1: it is what all are compared with")
        if self.env:
            there = env_config(**self.env).instances.test_size
            expected = f"at most {there}, the environment's test_size"
            require(self.instances <= there, "instances", self.instances, expected)
        require(len(set(self.policies)) == len(self.policies), "policies", self.policies, "each name once")
        known = sorted(p.stem for p in (CONFIGS / "policy").glob("*.yaml"))
        for name in self.policies:
            require(name in known, "policies", name, f"one of {known}")
        self._check_settings()
        self._check_controllers()

    def _check_settings(self) -> None:
        taken = {HELD_OUT, TRAINING} & set(self.settings)
        require(not taken, "settings", sorted(taken), "other names: these every study has")
        players = [*self._others(), *self.controllers]
        for name, setting in self.elsewhere.items():
            for player in setting.policies:
                require(player in players, f"settings.{name}.policies", player, f"one of {sorted(players)}")

    def _check_controllers(self) -> None:
        mains = [name for name, c in self.active.items() if c.varies is None]
        require(bool(mains), "controllers", list(self.controllers), "one with seeds > 0 that varies no other")
        counts = Counter(["oracle", *self._others(), *self.controllers])
        clash = sorted(name for name, count in counts.items() if count > 1)
        besides = ", ".join(f"NAME{suffix}" for suffix in _OF_CONTROLLERS)
        require(not clash, "controllers", clash, f"names that no other policy has, those of {besides} included")
        elsewhere, everywhere = self.elsewhere, [HELD_OUT, *self.settings]
        for name, controller in self.active.items():
            original = controller.varies
            require(original in (None, *mains), f"controllers.{name}.varies", original, f"null or one of {mains}")
            beside, others = controller.beside, sorted({*self.controllers} - {name})
            require(beside in (None, *others), f"controllers.{name}.beside", beside, f"null or one of {others}")
            for setting in controller.settings:
                require(setting in everywhere, f"controllers.{name}.settings", setting, f"one of {everywhere}")
            wanted = [HELD_OUT, *(place for place, there in elsewhere.items() if name in there.policies)]
            played = not controller.settings or set(wanted) <= set(controller.settings)
            expected = f"{', '.join(wanted)} among them (where it is named, it plays), or none"
            require(played, f"controllers.{name}.settings", controller.settings, expected)

    def _others(self) -> list[str]:
        """Names of what plays and is no controller: policies, tuned opponents, read-outs and bases of controllers."""
        of_controllers = [name + suffix for name in self.controllers for suffix in _OF_CONTROLLERS]
        return [*self.policies, *map(opponent_name, self.tunings), *of_controllers]

    @property
    def tunings(self) -> dict[str, int]:
        """The kinds of opponents that are tuned, and how often."""
        return {kind: times for kind, times in self.tuned.items() if times}

    @property
    def active(self) -> dict[str, Controller]:
        """The controllers that are switched on."""
        return {name: controller for name, controller in self.listed.items() if controller.seeds}

    @property
    def listed(self) -> dict[str, Controller]:
        """All controllers."""
        return {name: replace(Controller(), self._fields(name), f"controllers.{name}.") for name in self.controllers}

    def _fields(self, name: str) -> dict[str, Any]:
        """A controller's fields; what an ablation doesn't say is as in what it varies, but for settings and seeds."""
        fields = self.controllers[name]
        original = dict(self.controllers.get(fields.get("varies", ""), {}))
        if not original:
            return fields
        merged = {key: {**original.get(key, {}), **fields.get(key, {})} for key in ("env", "training")}
        arguments = [*original.get("arguments", ()), *fields.get("arguments", ())]
        return {**original, "settings": [HELD_OUT], "seeds": 0, **fields, **merged, "arguments": arguments}

    @property
    def elsewhere(self) -> dict[str, Setting]:
        """The settings beside the held-out instances."""
        return {n: replace(Setting(), fields, f"settings.{n}.") for n, fields in self.settings.items()}

    def setting(self, name: str) -> Setting:
        """A setting by its name; the held-out one changes nothing."""
        return self.elsewhere.get(name, Setting())

    def changed_env(self, *changes: dict[str, Any]) -> dict[str, Any]:
        """The environment's options with fields changed, nested ones too; later changes win."""
        merged = OmegaConf.to_container(OmegaConf.merge(self.env, *changes))
        assert isinstance(merged, dict)
        return {str(key): value for key, value in merged.items()}


def go_on(there: dict[str, Any], here: StudyOptions, folder: Path) -> dict[str, Any]:
    """What a study's cells rest on, if it goes on with these options: what it has had so far, and what is new.

    More may be added to a study: controllers, settings, policies, seeds, an oracle. What it has had stays as it was,
    also where it was taken out and is put back, but for where and how it runs (`MAY_DIFFER`). That includes what files
    in configs/ say of policies, of those that searches begin with, and of hyperparameters.

    Args:
        there: what this function gave when the study was last started; empty: it is new.
        here: the options.
        folder: the study's.

    Raises:
        ConfigError: the study would mix results of different options.
    """
    now = _fixed(here)
    kept = {key: value for key, value in there.items() if key in now}  # of an older version: fixed then, free now
    kept = {part: there.get(part, {}) for part in _GROWING} | kept  # or not known then
    found = differences(kept, now, _GROWING) if there else {}
    other = [text for name, text in found.items() if not name.endswith(MAY_DIFFER)]  # the study's own or a setting's
    if other:
        raise ConfigError(
            f"folder={str(folder)!r} holds a study with other options: {'; '.join(other)}. Choose another "
            f"folder, or the options of {folder}/study/config.yml to go on with that one"
        )
    return now | {part: there.get(part, {}) | now[part] for part in _GROWING}


def _fixed(options: StudyOptions) -> dict[str, Any]:
    """What may not change in a study that is there, as JSON has it; all defaults are filled in."""
    kept = {key: value for key, value in to_dict(options).items() if key not in _FREE}
    parts: dict[str, dict[str, Any]] = {"controllers": {**options.listed}, "settings": {**options.elsewhere}}
    kinds = [*options.tunings, *(c.base for c in options.active.values() if c.base)]
    searched = [name for kind in kinds for name in usual(kind)]
    parts["policies"] = {name: load_policy(name) for name in (*options.policies, *searched)}
    parts["agents"] = {name: training(options, name).agent for name in options.active}
    fixed = {
        part: {name: {k: v for k, v in to_dict(entry).items() if k not in _FREE} for name, entry in entries.items()}
        for part, entries in parts.items()
    }
    return dict(json.loads(json.dumps(kept | fixed)))


def training(options: StudyOptions, name: str) -> RunOptions:
    """What the last training of a controller takes: fields of its script, hyperparameters among them.

    Raises:
        ConfigError: it can't be trained.
    """
    controller = options.active[name]
    env = options.changed_env(controller.env, controller.training)
    with named(f"controllers.{name}"):
        last = f"seed={options.seed + controller.seeds - 1}"
        return training_options(controller.script, [last, *controller.arguments, *env_fields(env)])


@contextmanager
def named(key: str, hint: str = "") -> Iterator[None]:
    """Lets errors say which option they are about."""
    try:
        yield
    except (ConfigError, DataError) as error:
        raise type(error)(f"{key}: {error}{hint}") from error


_GROWING = ("controllers", "settings", "policies", "agents")  # entries may be added, or taken out
_FREE = (
    "folder", "policies", "tuned", "oracle_runs", "workers", "seeds", "beside", "settings", "target",
    "notes",
)  # fmt: skip
"""`settings` and `policies` are free where they are lists of names; what these stand for is not."""
