"""Protocols: what is played is fixed by a hash, and what may be seen is held."""

from dataclasses import replace

import pytest

from gan_env import ConfigError
from gan_env.benchmark.protocols import PROTOCOLS, protocol_named, rounded


@pytest.mark.parametrize("name", PROTOCOLS)
def test_this_version_plays_what_the_hash_says(name: str) -> None:
    env = protocol_named(name).make_env(1, compile=False)
    assert env.config.split == "test"
    assert env.config.observation == PROTOCOLS[name].observation


def test_every_protocol_has_its_own_hash() -> None:
    assert len({protocol.sha256 for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_another_budget_would_be_another_protocol() -> None:
    other = replace(PROTOCOLS["points-v1"], env={"num_decisions": 13})
    with pytest.raises(ConfigError, match="would not be the same"):
        other.make_env(1, compile=False)
    with pytest.raises(ConfigError, match="would not be the same"):
        replace(PROTOCOLS["points-v1"], runs=5).make_env(1, compile=False)


def test_the_last_bits_of_a_number_change_nothing() -> None:
    assert rounded({"lr_g": 0.1 + 0.2, "loss": "hinge", "num_samples": 30}) == rounded(
        {"lr_g": 0.3, "loss": "hinge", "num_samples": 30}
    )


def test_what_is_hidden_cant_be_seen() -> None:
    with pytest.raises(ConfigError, match="which points-v1 shows"):
        PROTOCOLS["points-v1"].make_env(1, ["progress", "context"])


def test_a_policy_moves_knobs_by_delta_or_by_steps() -> None:
    for mode in ("delta", "steps"):
        assert PROTOCOLS["points-v1"].make_env(1, action_mode=mode, compile=False).config.action_mode == mode
    with pytest.raises(ConfigError, match=r"^action_mode='absolute'"):
        PROTOCOLS["points-v1"].make_env(1, action_mode="absolute")


def test_options_that_decide_results_are_refused() -> None:
    with pytest.raises(ConfigError, match="points-v1 decides the others"):
        PROTOCOLS["points-v1"].make_env(1, max_change=1.0)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^protocol='points' .*points-v1"):
        protocol_named("points")


def test_every_run_has_a_seed_of_its_own() -> None:
    instances, seeds = PROTOCOLS["points-v1"].jobs()
    assert len(set(seeds)) == len(seeds) == 144 * 4
    assert instances[:5] == [0, 0, 0, 0, 1]
