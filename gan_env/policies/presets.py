"""Policies by name: the options of every kind, and the files of configs/policy/."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from gan_env.config import CONFIGS, RUN_OPTIONS, EnvConfig, env_config
from gan_env.errors import ConfigError, require
from gan_env.mdp.knobs import RATES
from gan_env.mdp.statistics import groups_of
from gan_env.policies.adaptive import RULES, AdaptivePolicy, RuleOnSchedule
from gan_env.policies.random_policy import RandomPolicy
from gan_env.policies.schedules import Anneal
from gan_env.policies.steering import Policy, Steerable
from gan_env.policies.step_size import StepSizePolicy, StepSizeRule
from gan_env.policies.tables import RatesPolicy, TablePolicy, schedule_values
from gan_env.saved_controller import DESCRIPTION
from gan_env.strict import replace, to_dict


def by_rule(name: str, env: Steerable, **constants: Any) -> AdaptivePolicy:
    """The policy of a published rule, some of whose constants differ."""
    return AdaptivePolicy(env, replace(RULES[name], constants, "policy.rule."))


ADAPTIVE: dict[str, Callable[..., Policy]] = {name: partial(by_rule, name) for name in RULES}
"""Policies that react to the training, by name: functions of the environment and of constants."""
KINDS: dict[str, tuple[str, ...]] = {
    "schedule": ("knobs", "until"),
    "rates": ("knobs", "table", "until", "slopes"),
    "step_size": ("knobs", "until", "rule"),
    "published": ("knobs", "until"),
    "table": ("table",),
    "random": ("hold",),
    **dict.fromkeys(RULES, ("rule", "knobs", "until")),
}
"""Kinds of policies, and the fields of `PolicyOptions` that each uses; registered ones of `ADAPTIVE` use `rule`."""


@dataclass(frozen=True)
class PolicyOptions:
    """A policy by name; see configs/policy/. A field that its kind does not use is refused: `KINDS`.

    Attributes:
        kind: "schedule"; "rates" (a schedule whose `lr_g` and `lr_d` are learning rates, not factors); "step_size" (a
            schedule whose `lr_g` and `lr_d` are sizes of steps that the rates are moved to hold: |update| / |weights|;
            or with a `rule.unit` learning rates, as multiples of those of a rule); "published" (a schedule that leaves
            out the knobs that are not controlled); "table" (a schedule by its values); "random"; or the name of a
            policy that reacts ("ada", "apa", "diffusion", or a registered one).
        knobs: the schedule of each knob (kind, initial, final, decay_rate, until, since); knobs that are not named
            stay. With a published rule, those of the other knobs.
        table: the values of each knob over the run, evenly spaced, for the kinds "table" and "rates".
        slopes: of the kind "rates": knob -> rate that the run was started with -> its power in the knob's rate, over
            the run; see `gan_env.policies.tables.RatesPolicy`.
        until: share of the run within which a schedule runs, unless its knob says another.
        hold: decisions for which a random action is held.
        rule: constants of a policy that reacts: those of a published rule that differ (see
            `gan_env.policies.adaptive.Rule`), those of "step_size" (`gan_env.policies.step_size.StepSizeRule`), or the
            keywords of a registered one.
    """

    kind: str = "schedule"
    knobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    table: dict[str, tuple[float, ...]] = field(default_factory=dict)
    slopes: dict[str, dict[str, tuple[float, ...]]] = field(default_factory=dict)
    until: float = 1.0
    hold: int = 1
    rule: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = list({**KINDS, **ADAPTIVE})
        require(self.kind in known, "policy.kind", self.kind, f"one of {known}")
        given = all(self.table.values()) and bool(self.table or self.kind != "table")
        require(given, "policy.table", self.table, "the values of a knob or more, none of them empty")
        require(0 < self.until <= 1, "policy.until", self.until, "a share of the run, more than 0 and at most 1")
        used = KINDS.get(self.kind, ("rule",))
        for name in [option.name for option in fields(self) if option.name not in ("kind", *used)]:
            given, default = getattr(self, name), getattr(PolicyOptions, name, {})  # mappings have no class attribute
            unused = f"{default!r}: the kind {self.kind!r} takes no field but {', '.join(used)}"
            require(given == default, f"policy.{name}", given, unused)
        for name, anneal in self.knobs.items():
            needed = ("kind", "initial") if anneal.get("kind") == "fixed" else ("kind", "initial", "final")
            lacking = [field for field in needed if field not in anneal]
            require(not lacking, f"policy.knobs.{name}", anneal, f"{', '.join(needed)}: it lacks {', '.join(lacking)}")

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of statistics that it looks at, besides progress and knobs; of a registered policy they aren't known.

        Raises:
            ConfigError: the rule of "step_size" has other constants.
        """
        if self.kind == "step_size":
            rule = replace(StepSizeRule(), self.rule, "policy.rule.")
            return groups_of(rule.observed(self.knobs or RATES), (), ())
        if self.kind in RULES:  # those that count images also look at the batch size, and at the updates of the run
            return ("logits", "context", "size") if self.rule.get("speed_images") is not None else ("logits",)
        return ("context",) if self.kind == "rates" else ()

    def make(self, env: Steerable, seed: int = 0) -> Policy:
        """The policy, ready to act in `env`.

        Raises:
            ConfigError: it does not fit the environment: a knob or a statistic is missing, or a value is out of range;
                or that is a single one.
        """
        many = hasattr(env, "observer")
        require(many, "env", type(env).__name__, "a gan_env.GANVectorEnv; in a single one it is env.unwrapped.vector")
        if self.kind == "random":
            return RandomPolicy(env, seed, self.hold)
        if self.kind in ADAPTIVE and not self.knobs:
            return _adaptive(self.kind, env, self.rule)
        anneals = {k: self._anneal(f"policy.knobs.{k}.", a) for k, a in self.knobs.items()}
        if self.kind == "published":
            anneals = _controlled(env, anneals)
        values = schedule_values(env, anneals, self.table)
        if self.kind in RULES:
            rule = by_rule(self.kind, env, **self.rule)
            others = f"knobs without {rule.rule.knob!r}, which the rule sets"
            require(rule.rule.knob not in values, "policy.knobs", list(values), others)
            return RuleOnSchedule(rule, TablePolicy(env, values))
        if self.kind == "step_size":
            return StepSizePolicy(env, values, replace(StepSizeRule(), self.rule, "policy.rule."))
        slopes = {knob: schedule_values(env, {}, by_rate) for knob, by_rate in self.slopes.items()}
        return RatesPolicy(env, values, slopes) if self.kind == "rates" else TablePolicy(env, values)

    def _anneal(self, prefix: str, fields: Mapping[str, Any]) -> Anneal:
        """The schedule of a knob; errors have the prefix, which those of `Anneal` itself lack."""
        try:
            return replace(Anneal("fixed", 0.0, until=self.until), fields, prefix)
        except ConfigError as error:
            if str(error).startswith(prefix):
                raise
            raise ConfigError(f"{prefix}{error}") from error


def _adaptive(name: str, env: Steerable, constants: dict[str, Any]) -> Policy:
    """A policy of `ADAPTIVE`, which may be a user's own."""
    make = ADAPTIVE[name]
    try:
        inspect.signature(make).bind(env, **constants)
    except TypeError as error:
        raise ConfigError(f"policy.rule={constants!r} can't be used: {name!r} is made by {make}: {error}") from error
    policy = make(env, **constants)
    require(callable(getattr(policy, "predict", None)), f"the policy {name!r}", policy, "a thing that has `predict`")
    return policy


def _controlled(env: Steerable, anneals: dict[str, Anneal]) -> dict[str, Anneal]:
    """The part of a published schedule whose knobs the environment controls, or doesn't know; the others don't move."""
    controlled = {k: anneal for k, anneal in anneals.items() if k in env.config.knobs or k not in env.knobs.table}
    needed = f"at least one of the schedule's knobs {sorted(anneals)}"
    require(len(controlled) > 0, "env.knobs", list(env.config.knobs), needed)
    return controlled


def observing(env: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    """Options of an environment in which these groups of statistics are observed as well."""
    observed = env_config(**env).observation
    lacking = [group for group in dict.fromkeys(groups) if group not in observed]
    return {**env, "observation": [*observed, *lacking]} if lacking else dict(env)


POLICIES = CONFIGS / "policy"
ENDINGS = (".yaml", ".yml")
"""Of a policy's file."""
_WITH_EXPONENT = re.compile(r"[-+]?\d[\d_]*\.?[\d_]*[eE][-+]?\d+$")


def _read(path: Path) -> Any:
    """What a YAML file holds; the package is imported here, since a learned controller in a loop needs none."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes 1e1 for a number, as Hydra does; YAML 1.1 wants 1.0e+1."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _WITH_EXPONENT, [*"-+0123456789"])
    try:
        return yaml.load(path.read_text(), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML file that can be read: {error}") from error


def policy_names() -> list[str]:
    """Names of the files in configs/policy/, those in its folders with a slash, and of policies that react."""
    files = (path.relative_to(POLICIES).with_suffix("").as_posix() for path in POLICIES.rglob("*.yaml"))
    return sorted({*files, *ADAPTIVE})


OR_A_FILE = "or the path of a YAML file with the fields of such a policy"


def policies_by_name(policies: Sequence[str], key: str = "policies") -> dict[str, str]:
    """What `load_policy` takes, by the names that tables and files have: without folders and endings, "_" for "-".

    Args:
        policies: names, or paths of YAML files.
        key: the option that they are of.

    Raises:
        ConfigError: there is no such policy, or two have one name.
    """
    known, found = policy_names(), dict[str, str]()
    for policy in policies:
        own = own_file(policy)
        require(bool(own) or policy in known, key, policy, f"one of {known}, {OR_A_FILE}")
        name = own.stem.replace("-", "_") if own else policy.rpartition("/")[2]  # "-" comes before a training's number
        once = name not in found and not (own and name in known)
        taken = f"{name!r} comes with gan_env: give the file another" if name in known else f"two are called {name!r}"
        require(once, key, list(policies), f"each name once; {taken}")
        found[name] = policy
    return found


def shipped_controllers() -> dict[str, Path]:
    """Folders of the trained controllers in configs/policy/, by name: "learned/family"."""
    folders = sorted(path.parent for path in POLICIES.rglob(DESCRIPTION))
    return {folder.relative_to(POLICIES).as_posix(): folder for folder in folders}


def load_policy(name: str | Path) -> PolicyOptions:
    """The options of a policy in configs/policy/, of a registered one, or of a YAML file of one's own; no controller.

    Raises:
        ConfigError: there is none of that name, or the file holds something else.
    """
    path, names = own_file(name), policy_names()
    if path is None:
        learned = str(name) in shipped_controllers() or (Path(name) / DESCRIPTION).is_file()
        plays = "a schedule or a rule: this controller is played by LearnedPolicy(SavedController.load(FOLDER), env)"
        require(not learned, "policy", str(name), plays)
        require(Path(name).suffix not in ENDINGS, "policy", str(name), "a file, and there is none here of that name")
        require(str(name) in names, "policy", str(name), f"one of {', '.join(names)}, {OR_A_FILE}")
        path = POLICIES / f"{name}.yaml"
    fields = _read(path) if path.is_file() else {"kind": str(name)}
    mapping = isinstance(fields, Mapping)
    require(mapping, f"the policy in {path}", fields, "fields such as `kind: schedule`, as in configs/policy/")
    return policy_of(fields)


def policy_of(fields: Mapping[str, Any]) -> PolicyOptions:
    """The policy of which these are the fields that are not at their defaults."""
    return replace(PolicyOptions(), fields, "policy.")


def own_file(name: str | Path) -> Path | None:
    """The YAML file that is meant by a policy's name, where that is a path."""
    path = Path(name)
    return path if path.suffix in ENDINGS and path.is_file() else None


def committed(config: EnvConfig, kind: str) -> list[str]:
    """Names of the policies that studies have tuned for runs like those of an environment; there may be none.

    They are opponents that need no search. Each folder of configs/policy/tuned/ has the options of its environment in
    env.yml; which instances are drawn, what is observed, what actions mean and what is rewarded may differ.

    Args:
        config: of the environment.
        kind: of the search, "schedule", "rates" or "step_size".

    Returns:
        What `load_policy` takes, in the order of the tunings.
    """
    for path in sorted(POLICIES.glob("tuned/*/env.yml")):
        if kinds_of_runs(env_config(**_read(path))) == kinds_of_runs(config):
            names = (f"tuned/{path.parent.name}/{file.stem}" for file in path.parent.glob(f"{kind}_*.yaml"))
            return sorted(names, key=lambda name: int(name.rpartition("_")[2]))
    return []


def kinds_of_runs(config: EnvConfig) -> dict[str, Any]:
    """What kinds of runs an environment has, for whatever policy."""
    fields = to_dict(config)
    for name in (*RUN_OPTIONS, "split", "action_mode", "observation", "reward", "crash_penalty", "metric_samples"):
        del fields[name]
    for name in ("seed", "train_size", "test_size"):
        del fields["instances"][name]
    return fields
