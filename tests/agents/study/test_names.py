"""No reader meets a code name."""

import pytest
from small_study import LISTED

from agents.study.names import NAMES, UNITS, knob_label, plain
from agents.study.options import opponent_name
from baselines.search.spaces import SPACES
from gan_env.config import CONFIGS
from gan_env.mdp.knobs import knob_table

POLICIES = [path.stem for path in (CONFIGS / "policy").glob("*.yaml")]
KNOWN = [*NAMES, *POLICIES, *map(opponent_name, SPACES), *LISTED["controllers"], *LISTED["settings"], *knob_table()]


@pytest.mark.parametrize("name", dict.fromkeys([*KNOWN, "somebody_s_own_rule"]))
def test_every_name_is_words(name: str) -> None:
    """Those of the study on points, of all policies and knobs, and one that the table lacks."""
    for read in (name, f"{name}_replay", f"{name}_rates_replay"):
        assert plain(read) and "_" not in plain(read)


def test_two_things_that_are_compared_never_share_a_name() -> None:
    compared = {*POLICIES, *map(opponent_name, SPACES), *LISTED["controllers"]}
    compared |= {name + suffix for name in compared for suffix in ("_replay", "_rates_replay")}
    assert len({plain(name) for name in compared}) == len(compared)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ppo", "PPO"), ("best_schedule", "tuned schedule"), ("fixed", "constants"), ("cosine", "cosine"),
        ("ppo_replay", "PPO's mean trajectory, open loop"), ("ppo_rates_replay", "PPO's mean rates, open loop"),
        ("tuned_ada", "tuned ADA"), ("recurrent_ppo_large", "recurrent PPO large"), ("unseen_shapes", "unseen shapes"),
    ],
)  # fmt: skip
def test_plain_names(name: str, expected: str) -> None:
    assert plain(name) == expected


def test_every_knob_has_a_unit() -> None:
    assert set(UNITS) < set(knob_table())
    assert {name: knob_label(name) for name in ("r1", "flip")} == {
        "r1": "R1 penalty (gamma)",
        "flip": "flip (probability)",
    }
