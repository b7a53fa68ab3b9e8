"""Options of the training scripts: what is refused, before any work."""

from typing import Any

import pytest
from trainings import tiny

from agents.learning.options import ComparisonOptions, TrainOptions
from gan_env import ConfigError
from gan_env.strict import replace


@pytest.mark.parametrize(
    ("script", "agent", "message"),
    [
        ("recurrent_ppo", {"lstm_units": 0}, "agent.lstm_units=0"),
        ("recurrent_ppo", {"clip_range": 1.5}, "agent.clip_range=1.5"),
        ("ppo", {"schedule": "rising"}, r"agent.schedule='rising'.*falling"),
        ("ppo", {"weight_decay": -1}, "agent.weight_decay"),
        ("ppo", {"log_std_init": float("nan")}, "agent.log_std_init=nan .*a finite number"),
        ("ppo", {"learning_rate": float("inf")}, "agent.learning_rate=inf .*a finite number"),
        ("meta", {"max_grad_norm": float("inf")}, "agent.max_grad_norm=inf .*a finite number"),
        ("ppo", {"schedule": "adaptive", "learning_rate": 0.05}, "agent.learning_rate=0.05 .*1e-05 to 0.01"),
        ("ppo", {"schedule": "adaptive", "learning_rate": 1e-6}, "agent.learning_rate=1e-06 .*1e-05 to 0.01"),
        ("sac", {"schedule": "adaptive"}, "agent.schedule='adaptive'"),
        ("sac", {"rollouts": 2, "warmup": 2}, "agent.rollouts=2 .*more than agent.warmup, 2"),
        ("tqc", {"rollouts": 2, "warmup": 3}, "agent.rollouts=2 .*more than agent.warmup, 3"),
        ("sac", {"capacity": 3}, "agent.capacity=3"),
        ("sac", {"entropy": 0}, "agent.entropy"),
        ("tqc", {"dropped": 25}, "agent.dropped=25"),
        ("tqc", {"update": 3}, "did you mean agent.updates"),
        ("ars", {"rows": 6}, "multiple of 2 . directions, 4"),
        ("ars", {"top": 17}, "agent.top=17"),
        ("ars", {"hidden": [0]}, "agent.hidden"),
        ("es", {"hidden": [8]}, "agent.hidden.*linear"),
        ("es", {"rows": 5, "hidden": []}, "agent.rows=5 .*an even number"),
        ("es", {"noise": 0.0, "hidden": []}, "agent.noise=0.0 .*more than 0"),
        ("es", {"rollouts": 1, "hidden": []}, "agent.rollouts=1 .*at least 2"),
        ("meta", {"kind": "gru"}, r"agent.kind='gru' .*lstm"),
        ("meta", {"hidden": []}, "agent.hidden.*at least one layer"),
        ("meta", {"hidden": [0]}, "agent.hidden"),
        ("meta", {"rollouts": 0}, "agent.rollouts=0 .*at least 1"),
        ("meta", {"learning_rate": 0.0}, "agent.learning_rate=0.0 .*more than 0"),
        ("maml", {"inner_steps": -1}, "agent.inner_steps=-1 .*at least 0"),
    ],
)
def test_bad_hyperparameters_are_refused_with_help(script: str, agent: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        tiny(script, agent)


@pytest.mark.parametrize(
    ("script", "minibatches", "message"),
    [
        ("ppo", 16, r"agent.minibatches=16 .*cuts 16 decisions into parts of two"),
        ("recurrent_ppo", 16, r"agent.minibatches=16 .*cuts 16 decisions into parts of two"),
        ("recurrent_ppo", 6, r"agent.minibatches=6.*16 decisions"),  # parts of three leave one
    ],
)
def test_a_minibatch_of_one_decision_is_refused_where_it_would_give_nan(
    script: str, minibatches: int, message: str
) -> None:
    """Its advantage would be divided by no spread."""
    with pytest.raises(ConfigError, match=message):
        tiny(script, {"minibatches": minibatches})


@pytest.mark.parametrize("seed", [-1, 1000, 3000])
def test_a_seed_whose_runs_are_those_of_searches_and_tests_is_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=rf"seed={seed} .*0 to 999"):
        TrainOptions(seed=seed)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"preset": "nope"}, r"env\.preset='nope' .*expected one of \['celeba'.*'points'\]"),
        ({"split": "test"}, r"env\.split='test' .*train: what is learned or chosen is tested"),
        ({"knob": ["r1"]}, "did you mean knobs"),
    ],
)
def test_an_environment_to_train_on_is_checked(env: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainOptions(env=env)


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        ({"instances": 0}, "comparison.instances=0 .*at least 1"),
        ({"gan_seeds": 0}, "comparison.gan_seeds=0 .*at least 1"),
        ({"policies": ["best"]}, "comparison.policies='best' .*cosine"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(comparison: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(ComparisonOptions(), comparison)
