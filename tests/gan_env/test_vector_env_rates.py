"""Learning rates that a rule of the environment sets, whatever the policy does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANVectorEnv
from gan_env.policies.presets import load_policy, observing
from gan_env.policies.steering import Policy
from gan_env.records import Float32

SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 4, "metric_samples": 32, "compile": False}
RULES = pytest.mark.parametrize("rule", ["steady_walk", "limited_walk"])


def make(rows: int = 3, mode: AutoresetMode = AutoresetMode.DISABLED, **options: Any) -> GANVectorEnv:
    return GANVectorEnv(rows, autoreset_mode=mode, **{**SMALL, "knobs": ("r1",), **options})


def played(env: GANVectorEnv, policy: Policy) -> tuple[Float32, Float32]:
    """Log metric and observation after each decision, [T, N] and [T, N, F]."""
    obs, _ = env.reset(seed=3)
    curve, seen = [], []
    for _ in range(env.config.num_decisions):
        obs, _, _, _, infos = env.step(policy.predict(obs)[0])
        curve.append(infos["log_metric"])
        seen.append(obs)
    return np.array(curve), np.array(seen)


def still(env: GANVectorEnv) -> tuple[Float32, Float32]:
    return played(env, load_policy("fixed").make(env))


@pytest.mark.parametrize("times", [1.0, 2.0])
@RULES
def test_it_does_what_the_policy_of_that_name_does(rule: str, times: float) -> None:
    """With a knob as a factor, too. The policy's knobs are rounded to coordinates, so runs agree to a few digits."""
    wanted = {"lr_g": {"kind": "fixed", "initial": times}, "lr_d": {"kind": "fixed", "initial": 1.0}}
    policy = replace(load_policy(rule), knobs=wanted)
    wide = {"knobs": ["r1", "lr_g", "lr_d"], "knob_bounds": {"lr_g": (1e-4, 1e4), "lr_d": (1e-4, 1e4)}}
    env = make(**observing(wide, policy.groups))
    by_policy, _ = played(env, policy.make(env))
    by_env, _ = still(make(rates=rule, initial_knobs={"lr_g": times}))
    assert by_env == pytest.approx(by_policy, abs=0.01)
    given, _ = still(make())
    assert np.abs(by_env - given).max() > 0.05  # and it matters


@RULES
def test_the_rates_of_an_instance_make_no_difference(rule: str) -> None:
    curves = [still(make(rates=rule, instances={"lr_g": (r, r), "lr_d": (r, r)}))[0] for r in (1e-4, 1e-2)]
    assert curves[0] == pytest.approx(curves[1], abs=0.01)


def test_a_snapshot_continues_with_the_same_rates() -> None:
    env, again = make(rates="steady_walk"), make(rates="steady_walk")
    env.reset(seed=0)
    env.step(np.zeros((3, 1), np.float32))
    again.set_state(env.get_state())
    after = [one.step(np.zeros((3, 1), np.float32)) for one in (env, again)]
    assert (after[0][0] == after[1][0]).all()


def test_a_new_run_begins_with_the_rates_of_a_new_run() -> None:
    """A row that autoreset starts trains as one that `reset` starts."""
    env = make(rates="steady_walk", mode=AutoresetMode.SAME_STEP, instances={"train_size": 1})
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros((3, 1), np.float32))
    first = make(rates="steady_walk", instances={"train_size": 1})
    first.reset(seed=0)
    ratio = env._progress.bases / first._progress.bases  # weights differ by their seeds alone
    assert float(ratio.min()) > 0.5 and float(ratio.max()) < 2


def test_actions_that_ask_for_steps_are_refused_beside_a_rule() -> None:
    with pytest.raises(ConfigError, match=r"^action_mode='steps' .*'delta' or 'absolute': with rates='steady_walk'"):
        make(rates="steady_walk", action_mode="steps")


def test_a_rule_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^rates='steady' .*'steady_walk'"):
        make(rates="steady")
