"""The network and the policy: bounds, rows, memory, files, and adaptation within a run."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from hypothesis import given
from hypothesis import strategies as st

from agents.meta.controller import MetaController, MetaPolicy, meta_layers
from agents.meta.hypergradient import Hypergradient
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import run_episodes
from gan_env.saved_controller import Tensors

F, K = 5, 3
KINDS = ("mlp", "lstm")
ENV: dict[str, Any] = {
    "num_decisions": 4, "updates_per_decision": 2, "metric_samples": 32, "compile": False,
    "knobs": ("instance_noise", "augment", "r1"), "max_first_change": 0.2,
    "losses": ("non_saturating",),
    "instances": {
        "width_g": (8, 8), "width_d": (8, 8), "batch_size": (8, 8), "lr_g": (1e-4, 1e-2), "lr_d": (1e-4, 1e-2),
        "gain_g": (1.0, 1.0), "gain_d": (1.0, 1.0), "input_scale": (1.0, 1.0),
    },
}  # fmt: skip


def controller(kind: str = "mlp", state_dim: int = F, num_params: int = K, scale: float = 1.0) -> MetaController:
    torch.manual_seed(0)
    made = MetaController(meta_layers(state_dim, num_params, (8, 6), kind), state_dim)
    with torch.no_grad():
        made.head.weight.mul_(scale)
    return made


def play(made: MetaController, observation: torch.Tensor, memory: Tensors = ()) -> tuple[torch.Tensor, Tensors]:
    """Coordinates and the next memory; without memory an episode starts."""
    features, memory = made.features(observation, memory or made.blank(len(observation)))
    return made.coordinates(features), memory


def environment(rows: int = 3, **given: Any) -> GANVectorEnv:
    return GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **{**ENV, **given})


def policy(env: GANVectorEnv, kind: str = "mlp", steps: int = 0, scale: float = 5.0) -> MetaPolicy:
    made = controller(kind, len(env.observer.names), scale=scale)
    return MetaPolicy(made, Hypergradient(env, 2, 16), steps, rate=20.0)


# --- the network ---


@given(seed=st.integers(0, 1000), scale=st.floats(0, 1e3), rows=st.integers(1, 6), kind=st.sampled_from(KINDS))
def test_coordinates_are_within_their_bounds(seed: int, scale: float, rows: int, kind: str) -> None:
    observation = scale * torch.randn(rows, F, generator=torch.Generator().manual_seed(seed))
    coordinates, memory = play(controller(kind, scale=scale), observation)
    assert coordinates.shape == (rows, K)
    assert ((coordinates >= 0) & (coordinates <= 1)).all()
    assert [part.shape for part in memory] == [(rows, 6)] * (2 if kind == "lstm" else 0)


@given(seed=st.integers(0, 1000), row=st.integers(0, 3), kind=st.sampled_from(KINDS))
def test_rows_do_not_mix(seed: int, row: int, kind: str) -> None:
    made, observation = controller(kind), torch.randn(4, F, generator=torch.Generator().manual_seed(seed))
    whole, _ = play(made, observation)
    alone, _ = play(made, observation[row : row + 1])
    torch.testing.assert_close(whole[row : row + 1], alone)


def test_an_lstm_remembers_and_an_mlp_does_not() -> None:
    x, y = torch.ones(1, F), -torch.ones(1, F)
    for kind in KINDS:
        made = controller(kind)
        after_x, after_y = (play(made, x, play(made, first)[1])[0] for first in (x, y))
        assert torch.equal(after_x, after_y) == (kind == "mlp")


@given(start=st.lists(st.floats(0.02, 0.98), min_size=K, max_size=K))
def test_it_starts_where_it_is_asked_to_whatever_it_sees(start: list[float]) -> None:
    made = controller()
    made.start_at(torch.tensor(start))
    torch.testing.assert_close(play(made, torch.randn(4, F))[0], torch.tensor(start).expand(4, K), rtol=0, atol=1e-5)


def test_observations_are_centred_and_scaled_and_constants_only_centred() -> None:
    made, seen = controller(), torch.randn(500, F) * torch.tensor([1.0, 9.0, 0.3, 2.0, 0.0]) + 4
    made.normalise_by(seen)
    normal = (seen - made.mean) / made.std
    torch.testing.assert_close(normal.mean(dim=0), torch.zeros(F), rtol=0, atol=1e-4)
    torch.testing.assert_close(normal.std(dim=0, correction=0), torch.tensor([1.0, 1, 1, 1, 0]), rtol=0, atol=1e-4)
    assert made.std[-1] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_coordinates_of_features_are_the_networks_output(kind: str) -> None:
    """What is saved and played without adaptation is the network as a whole."""
    made, observation = controller(kind), torch.randn(3, F)
    made.normalise_by(torch.randn(50, F))
    coordinates, memory = play(made, observation)
    output, after = made(observation, made.blank(3))
    assert torch.equal(output, coordinates)
    assert all(torch.equal(a, b) for a, b in zip(after, memory, strict=True)) and len(after) == len(memory)


# --- the policy ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 1])
def test_the_policy_plays_episodes_whose_rows_are_those_of_single_ones(kind: str, steps: int) -> None:
    """Memory and adaptation included."""
    many, one = environment(3), environment(1)
    played = run_episodes(policy(many, kind, steps), many, range(3), [0, 1, 2]).coordinates
    alone = run_episodes(policy(one, kind, steps), one, [1], [1]).coordinates
    np.testing.assert_allclose(played[1:2], alone, atol=2e-3)
    assert ((played >= 0) & (played <= 1)).all()
    assert np.abs(played[1] - played[0]).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [0, 2])
def test_an_episode_start_forgets_its_own_row_alone(kind: str, steps: int) -> None:
    env = environment(2, action_mode="absolute")
    observation, _ = env.reset(seed=0)
    made = policy(env, kind, steps, scale=1.0)
    fresh, state = made.predict(observation)
    _, state = made.predict(-observation, state)
    assert state is not None
    kept = tuple(part.copy() for part in state)
    action, _ = made.predict(observation, state, np.array([True, False]))
    np.testing.assert_allclose(action[0], fresh[0], atol=1e-6)
    for part, before in zip(state, kept, strict=True):
        np.testing.assert_array_equal(part, before)  # the caller's state is not written to
    if state:
        assert not np.allclose(action[1], fresh[1], atol=1e-6)


def test_in_delta_mode_the_knobs_go_towards_the_coordinate() -> None:
    env = environment(1, max_change=0.1, max_first_change=0.1)
    made = policy(env)
    made.controller.start_at(torch.tensor([0.9, 0.3, 0.63]))
    played = run_episodes(made, env, [0]).coordinates[0]
    start = env.knobs.initial[0].item()
    np.testing.assert_allclose(played[:, 0], start + 0.1 * np.arange(1, 5), atol=1e-5)
    np.testing.assert_allclose(played[:, 1], 0.3, atol=1e-5)


def test_adaptation_goes_down_the_rows_own_slope() -> None:
    """In the middle of a run: with the adapted head the loss of the same window is lower, and nothing is trained."""
    env = environment(
        4, action_mode="absolute", knobs=("lr_g", "lr_d", "r1"), instances={**ENV["instances"], "lr_g": (5e-3, 1e-2)}
    )
    observation, _ = env.reset(seed=0)
    observation, *_ = env.step(np.zeros((4, 3), np.float32))
    made = policy(env, steps=1, scale=0.1)
    before = env.population.get_state()
    plain, adapted = (made.act(torch.from_numpy(observation), made.blank(4))[0] for made.rate in (0.0, 2.0))
    losses = [made.look(coordinates.detach(), draw=1)[0] for coordinates in (plain, adapted)]
    assert (losses[1] < losses[0]).all()
    assert all(torch.equal(tensor, before[name]) for name, tensor in env.population.get_state().items())
