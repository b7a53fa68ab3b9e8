"""A saved controller acts where it fits, as its network says."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from gan_env import ConfigError, GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.learned import LearnedPolicy, interface_of, options_of
from gan_env.saved_controller import Adaptation, Interface, Layer, Network, Output, SavedController
from gan_env.strict import to_dict

ENV: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 1, "metric_samples": 32, "compile": False}


def environment(**changes: Any) -> GANVectorEnv:
    return GANVectorEnv(2, autoreset_mode=AutoresetMode.DISABLED, **{**ENV, **changes})


def controller(env: GANVectorEnv, output: Output = "action", scale: float = 1.0) -> SavedController:
    torch.manual_seed(0)
    inputs, knobs = len(env.observer.names), len(env.config.knobs)
    ends: list[Layer] = [("sigmoid",)] if output == "coordinates" else []
    network = Network([("lstm", inputs, 8), ("linear", 8, knobs), *ends], inputs, 5.0)
    with torch.no_grad():
        network.layers[1].weight.mul_(scale)  # type: ignore[union-attr,operator]
    return SavedController(network, interface_of(env, output), to_dict(env.config), {})


def test_actions_are_clipped_and_no_others_changed() -> None:
    env = environment()
    made = controller(env, scale=30.0)
    observation, _ = env.reset(seed=0)
    action, state = LearnedPolicy(made, env).predict(observation)
    with torch.no_grad():
        output, memory = made.network(torch.from_numpy(observation), made.network.blank(2))
    assert output.abs().max() > 1 and action.dtype == np.float32
    np.testing.assert_array_equal(action, output.clamp(-1, 1).numpy())
    assert state is not None
    for part, own in zip(state, memory, strict=True):
        np.testing.assert_array_equal(part, own.numpy())


def test_coordinates_are_where_the_knobs_go() -> None:
    env = environment(action_mode="absolute")
    made = controller(env, "coordinates")
    observation, _ = env.reset(seed=0)
    with torch.no_grad():
        wanted, _ = made.network(torch.from_numpy(observation), made.network.blank(2))
    env.step(LearnedPolicy(made, env).predict(observation)[0])
    np.testing.assert_allclose(env.coordinates(), wanted.numpy(), atol=1e-6)


def test_a_row_forgets_where_its_episode_starts_and_the_callers_state_is_not_written_to() -> None:
    env = environment()
    policy = LearnedPolicy(controller(env), env)
    observation, _ = env.reset(seed=0)
    fresh, state = policy.predict(observation)
    assert state is not None
    kept = [part.copy() for part in state]
    remembered, _ = policy.predict(observation, state)
    mixed, _ = policy.predict(observation, state, np.array([True, False]))
    np.testing.assert_allclose(mixed[0], fresh[0], atol=1e-6)
    np.testing.assert_allclose(mixed[1], remembered[1], atol=1e-6)
    assert np.abs(mixed[1] - fresh[1]).max() > 1e-5
    for part, before in zip(state, kept, strict=True):
        np.testing.assert_array_equal(part, before)


def test_episodes_of_a_batch_are_those_of_single_rows() -> None:
    many = environment(updates_per_decision=2)
    one = GANVectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **{**ENV, "updates_per_decision": 2})
    policies = [LearnedPolicy(controller(many), env) for env in (many, one)]
    together = run_episodes(policies[0], many, [3, 4], [0, 1]).coordinates
    alone = run_episodes(policies[1], one, [4], [1]).coordinates
    np.testing.assert_allclose(together[1:], alone, atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"action_mode": "absolute"},
        {"knobs": ["augment", "r1", "instance_noise"]},
        {"observation": ["progress", "knobs"]},
        {"max_change": 0.1},
        {"max_first_change": 0.5},
    ],
)
def test_an_environment_where_actions_or_observations_mean_something_else_is_refused(changes: dict[str, Any]) -> None:
    made = controller(environment())
    LearnedPolicy(made, environment(num_decisions=7, initial_knobs={"r1": 3.0}))
    (name,) = changes
    with pytest.raises(ConfigError, match=rf"^env\.{name}=.*with which the controller was trained$"):
        LearnedPolicy(made, environment(**changes))


def test_an_environment_whose_rule_sets_the_rates_that_it_multiplies_is_refused() -> None:
    made = controller(environment(knobs=["r1", "lr_g"]))
    with pytest.raises(ConfigError, match=r"^env\.rates='steady_walk'.*'given', with which the controller was trained"):
        LearnedPolicy(made, environment(knobs=["r1", "lr_g"], rates="steady_walk"))
    of_others = controller(environment(knobs=["r1"]))
    LearnedPolicy(of_others, environment(knobs=["r1"], rates="steady_walk"))


def with_interface(made: SavedController, **changes: Any) -> SavedController:
    interface: Interface = replace(made.interface, **changes)
    return replace(made, interface=interface)


def test_statistics_that_are_missing_or_in_another_order_are_named() -> None:
    """As where another version, or somebody's own statistics, made the controller."""
    env = environment()
    made = controller(env)
    names = made.interface.observation
    with pytest.raises(ConfigError, match=r"^env\.observation=.*'curvature'.*\(among them curvature\), with which"):
        LearnedPolicy(with_interface(made, observation=("curvature", *names[1:])), env)
    with pytest.raises(ConfigError, match=r"^statistics=.*in their order$"):
        LearnedPolicy(with_interface(made, observation=(*names[1:], names[0])), env)


def test_the_groups_that_its_statistics_were_in_do_not_matter() -> None:
    """They may be cut anew: a controller is known by the statistics that it sees."""
    env = environment(observation=["progress", "losses", "slope"])
    made = controller(env)
    coarser = replace(made, env={**made.env, "observation": ["progress", "gradients_and_losses"]})
    assert options_of(coarser) == made.env
    LearnedPolicy(coarser, env)


@pytest.mark.parametrize(("field", "value"), [("bounds", (0.0, 9.0)), ("scale", "linear"), ("floor", 0.1)])
def test_a_knob_whose_range_is_another_is_named(field: str, value: Any) -> None:
    env = environment()
    made = controller(env)
    *others, last = made.interface.knobs
    changed = replace(last, **{field: value})
    with pytest.raises(ConfigError, match=rf"^knob {last.name}'s {field}=.*as in the controller's training$"):
        LearnedPolicy(with_interface(made, knobs=(*others, changed)), env)


def test_one_that_adapts_by_gradients_is_left_to_the_agents() -> None:
    env = environment()
    with pytest.raises(ConfigError, match=r"agents\.learning\.controllers\.load_controller plays it"):
        LearnedPolicy(replace(controller(env), adaptation=Adaptation(1, 1.0, 2, 16)), env)


def test_runs_that_begin_at_other_rates_than_those_of_its_training_are_told_of() -> None:
    """There its knob would mean something else."""
    env = environment(instances={"lr_g": [1e-3, 1e-3]})
    made = controller(env)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LearnedPolicy(made, env)
    with pytest.warns(UserWarning, match=r"env\.instances\.lr_g=\[3e-05,0\.03\].*began all runs with 0\.001"):
        LearnedPolicy(made, environment())
