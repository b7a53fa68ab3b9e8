"""What can be tuned: search spaces for Optuna, each a function from a trial to a policy's options."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import torch
from optuna.trial import BaseTrial, FixedTrial

from baselines.search.curves import ANCHORS, anchor, curves, linear_rates, rate_knobs, slope, told, value_at
from gan_env import GANVectorEnv
from gan_env.errors import require
from gan_env.mdp.knobs import RATES, DynamicParameter
from gan_env.policies import PolicyOptions, load_policy
from gan_env.policies.adaptive import RULES
from gan_env.policies.schedules import SCHEDULES, Anneal
from gan_env.policies.step_size import StepSizeRule, start_constant
from gan_env.policies.tables import TablePolicy
from gan_env.records import Float32

optuna.logging.set_verbosity(optuna.logging.WARNING)  # no line for each trial

STEP = 0.05
"""Resolution of coordinates and of shares of the run. Zero, which knobs often want, can be drawn exactly."""
GEOMETRIC = ("exponential", "step")
INSTEAD_OF_ZERO = 1e-3  # stands for zero in geometric schedules
USUAL = ("cosine", "rising", "r3gan")
"""Policies that a search of schedules begins with: one that falls, one that rises, a published one."""


def schedule(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """One schedule per controlled knob: any kind, falling or rising, ending early or not."""
    return PolicyOptions(knobs={knob.name: anneal(trial, knob) for knob in env.knobs.controlled})


def constants(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """One value of each controlled knob for the whole run."""
    knobs = env.knobs.controlled
    return PolicyOptions(knobs={k.name: {"kind": "fixed", "initial": end(trial, k, "start", "fixed")} for k in knobs})


def rates(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """Schedules of the learning rates themselves, instead of factors on an instance's rates, and of the other knobs."""
    return PolicyOptions(kind="rates", knobs={knob.name: anneal(trial, knob) for knob in rate_knobs(env)})


def step_size(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """Schedules of step sizes in the place of learning rates, of the other knobs, and the rule's own constants."""
    knobs = {knob.name: anneal(trial, knob) for knob in step_knobs(env)}
    rule: dict[str, Any] = {"gain": _rounded(trial.suggest_float("gain", 0.1, 1.0, step=STEP))}
    for name in (name for name in RATES if name in knobs):
        start = replace(env.knobs.table[name], name=start_constant(name))
        rule[start.name] = end(trial, start, "factor", "fixed")
    return PolicyOptions(kind="step_size", knobs=knobs, rule=rule)


def step_knobs(env: GANVectorEnv) -> list[DynamicParameter]:
    """The controlled knobs, with the range of |update| / |weights| where a knob is a factor on a learning rate."""
    size = DynamicParameter("size", 1e-3, (1e-4, 1e-1), "log")
    return [replace(size, name=k.name) if k.name in RATES else k for k in env.knobs.controlled]


def anneal(trial: BaseTrial, knob: DynamicParameter) -> dict[str, Any]:
    """One knob's kind, ends (evenly spaced in its coordinate) and shape."""
    kind = trial.suggest_categorical(f"{knob.name}.kind", list(SCHEDULES))
    found: dict[str, Any] = {"kind": kind, "initial": end(trial, knob, "start", kind)}
    if kind == "fixed":
        return found
    found |= {"final": end(trial, knob, "end", kind), "until": share(trial, f"{knob.name}.until")}
    if kind == "power":
        found["decay_rate"] = trial.suggest_float(f"{knob.name}.exponent", 0.25, 4, log=True)
    if kind == "step":
        found["decay_rate"] = float(trial.suggest_int(f"{knob.name}.plateaus", 2, 8))
    return found


def end(trial: BaseTrial, knob: DynamicParameter, which: str, kind: str) -> float:
    """A value of the knob; geometric schedules, which can't have zero, get `INSTEAD_OF_ZERO` for it."""
    coordinate = trial.suggest_float(f"{knob.name}.{which}", 0.0, 1.0, step=STEP)
    value = value_at(knob, coordinate)
    return value or INSTEAD_OF_ZERO if kind in GEOMETRIC else value


def share(trial: BaseTrial, name: str) -> float:
    """A share of the run within which a schedule runs."""
    return _rounded(trial.suggest_float(name, STEP, 1.0, step=STEP))


def r3gan(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
    """R3GAN's burn-in with other parameters: where each of its knobs starts and ends, and when the cosine ends."""
    names = [name for name in load_policy("r3gan").knobs if name in env.config.knobs]
    require(bool(names), "env.knobs", list(env.config.knobs), "at least one of R3GAN's knobs")
    ends = {n: [end(trial, env.knobs.table[n], which, "cosine") for which in ("start", "end")] for n in names}
    knobs = {name: {"kind": "cosine", "initial": start, "final": final} for name, (start, final) in ends.items()}
    return PolicyOptions(kind="published", knobs=knobs, until=share(trial, "until"))


def rule(kind: str) -> Callable[[BaseTrial, GANVectorEnv], PolicyOptions]:
    """An adaptive rule with other parameters (its target, and how fast it moves) and schedules of the other knobs."""

    def space(trial: BaseTrial, env: GANVectorEnv) -> PolicyOptions:
        knobs = {knob.name: anneal(trial, knob) for knob in other_knobs(kind, env)}
        target = _rounded(trial.suggest_float("target", -0.5, 0.95, step=STEP))
        speed = trial.suggest_float("speed_share", fastest(env), 1.0, log=True)
        return PolicyOptions(kind=kind, knobs=knobs, rule={"target": target, "speed_share": speed})

    return space


def other_knobs(kind: str, env: GANVectorEnv) -> list[DynamicParameter]:
    """The controlled knobs that a rule leaves to schedules."""
    return [knob for knob in env.knobs.controlled if knob.name != RULES[kind].knob]


def fastest(env: GANVectorEnv) -> float:
    """The share of the run in which p goes from 0 to 1 where it moves by `max_change` a decision; none is faster."""
    return min(0.5, 1 / (env.config.max_change * env.config.num_decisions))


SPACES: dict[str, Callable[[BaseTrial, GANVectorEnv], PolicyOptions]] = {
    "schedule": schedule,
    "constants": constants,
    "curves": curves,
    "rates": rates,
    "step_size": step_size,
    "linear_rates": linear_rates,
    "r3gan": r3gan,
    "ada": rule("ada"),
    "diffusion": rule("diffusion"),
}


def random_schedules(env: GANVectorEnv, count: int, seed: int) -> list[PolicyOptions]:
    """Schedules drawn from the space that opponents are tuned in."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed % 2**31))
    return [SPACES["schedule"](study.ask(), env) for _ in range(count)]


def table_of(schedule: PolicyOptions, env: GANVectorEnv) -> Float32:
    """The coordinates that a schedule wants during each interval, [T, K] in [0, 1]."""
    policy = schedule.make(env)
    assert type(policy) is TablePolicy  # what the space "schedule" gives
    return policy.table


def usual_tables(env: GANVectorEnv) -> list[Float32]:
    """Constants and the usual schedules of the knobs that there are, as tables, [T, K] each."""
    return [table_of(policy, env) for policy in _first("schedule", env)]


def usual(kind: str) -> tuple[str, ...]:
    """Names in configs/policy/ of the policies that a search of a kind begins with."""
    if kind in ("step_size", "constants"):
        return ()
    if kind in ("schedule", "curves", "rates", "linear_rates"):
        return USUAL
    return (kind, *USUAL) if kind in RULES else (kind,)


def first_guesses(kind: str, env: GANVectorEnv) -> list[dict[str, Any]]:
    """The first candidates of a search: constants and the usual schedules; of a rule, published constants on these."""
    if kind == "curves":
        return [_at_anchors(policy, env.knobs.controlled) for policy in _first("schedule", env)]
    if kind == "linear_rates":
        flat = {anchor(slope(k, rate), a): 0.5 for k in told(env) for rate in told(env) for a in range(ANCHORS)}
        return [_at_anchors(policy, rate_knobs(env)) | flat for policy in _first("rates", env)]
    if kind == "constants":
        return [{f"{knob.name}.start": _on_grid(knob, knob.value) for knob in env.knobs.controlled}]
    if kind in ("schedule", "rates", "step_size"):
        tuned = {"rates": rate_knobs(env), "step_size": step_knobs(env)}.get(kind, env.knobs.controlled)
        return [_guess(tuned, policy) for policy in (PolicyOptions(kind), *map(load_policy, usual(kind)))]
    if kind == "r3gan":
        knobs = {n: a for n, a in load_policy("r3gan").knobs.items() if n in env.config.knobs}
        starts = {f"{n}.start": _on_grid(env.knobs.table[n], a["initial"]) for n, a in knobs.items()}
        ends = {f"{n}.end": _on_grid(env.knobs.table[n], a["final"]) for n, a in knobs.items()}
        return [{**starts, **ends, "until": _rounded(max(load_policy("r3gan").until, STEP))}]
    options, others = load_policy(kind).rule, other_knobs(kind, env)
    rule = {"target": _rounded(options["target"]), "speed_share": max(options["speed_share"], fastest(env))}
    return [rule | _guess(others, policy) for policy in (PolicyOptions(), *map(load_policy, USUAL))]


def example(kind: str, env: GANVectorEnv) -> PolicyOptions:
    """The first candidate of a search, as a policy; a `ConfigError` where the kind has nothing to tune in `env`."""
    return _first(kind, env)[0]


def _first(kind: str, env: GANVectorEnv) -> list[PolicyOptions]:
    """The first candidates of a search, as policies."""
    return [SPACES[kind](FixedTrial(guess), env) for guess in first_guesses(kind, env)]


def _at_anchors(policy: PolicyOptions, knobs: Sequence[DynamicParameter]) -> dict[str, float]:
    """The coordinates of a schedule's knobs at the anchors."""
    found: dict[str, float] = {}
    for knob in knobs:
        values = Anneal(**policy.knobs[knob.name]).values(np.linspace(0, 1, ANCHORS))
        coordinates = knob.encode(torch.from_numpy(values)).clamp(0, 1).tolist()
        found |= {anchor(knob.name, a): coordinate for a, coordinate in enumerate(coordinates)}
    return found


def _guess(tuned: Sequence[DynamicParameter], policy: PolicyOptions) -> dict[str, Any]:
    """A schedule in the search space's terms; factors on learning rates act on the rate in the middle of the range."""
    found: dict[str, Any] = {}
    for knob in tuned:
        anneal = policy.knobs.get(knob.name, {"kind": "fixed", "initial": knob.value})
        is_factor = knob.name in RATES and knob.name in policy.knobs and policy.kind not in ("rates", "step_size")
        unit = knob.value if is_factor else 1.0
        found |= {f"{knob.name}.kind": anneal["kind"], f"{knob.name}.start": _on_grid(knob, unit * anneal["initial"])}
        if anneal["kind"] != "fixed":
            until = _rounded(max(anneal.get("until", policy.until), STEP))
            found |= {f"{knob.name}.end": _on_grid(knob, unit * anneal["final"]), f"{knob.name}.until": until}
    if policy.kind == "step_size":
        found |= _guessed_rule(tuned, replace(StepSizeRule(), **policy.rule))
    return found


def _guessed_rule(tuned: Sequence[DynamicParameter], rule: StepSizeRule) -> dict[str, Any]:
    """The constants of `step_size` in the search space's terms."""
    starts = [(knob, start_constant(knob.name)) for knob in tuned if knob.name in RATES]
    factors = {f"{start}.factor": _on_grid(knob, getattr(rule, start)) for knob, start in starts}
    return {"gain": _rounded(rule.closes)} | factors


def _on_grid(knob: DynamicParameter, value: float) -> float:
    return _rounded(float(knob.encode(torch.tensor(value, dtype=torch.float64))))


def _rounded(value: float) -> float:
    return round(round(value / STEP) * STEP, 10)
