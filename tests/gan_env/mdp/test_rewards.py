import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_env.config import PRESETS
from gan_env.errors import ConfigError
from gan_env.mdp.rewards import REWARDS, Reward, RewardTerm, each_decision
from gan_env.records import Moment

MakeMoment = Callable[..., Moment]


@pytest.mark.parametrize("name", REWARDS)
def test_every_term_is_finite_and_one_a_row(name: str, make_moment: MakeMoment) -> None:
    reward = Reward({name: 1.0}, 4.0)(make_moment())
    assert reward.shape == (3,)
    assert reward.dtype == torch.float32
    assert reward.isfinite().all()


# The moment of conftest.py: log metric -1.5, -2, 0.5; before -1, -2.5, 0.5; at first 0, -0.5, 0.6; the last row ends.
BY_HAND = {
    "log_improvement": [0.5, -0.5, 0.0],
    "improvement": [
        math.exp(-1) - math.exp(-1.5),
        math.exp(-2) - math.exp(-1.5),
        0.0,
    ],
    "final_log": [0.0, 0.0, 0.1],
    "loss_spread": [-0.4, -0.3, 0.0],
    "collapse": [-0.2, 0.0, -3.0],
}


@pytest.mark.parametrize("name", REWARDS)
def test_every_term_has_the_value_worked_out_by_hand(name: str, make_moment: MakeMoment) -> None:
    assert REWARDS[name].compute(make_moment()).tolist() == pytest.approx(BY_HAND[name], abs=1e-6)


METRICS = [0.4, -0.3, 0.1, -1.2, -2.0]


def returns(name: str, make_moment: MakeMoment) -> float:
    """The undiscounted return of a run whose log metric goes through `METRICS`."""
    total = 0.0
    for i in range(1, len(METRICS)):
        moment = make_moment(
            log_metric=[METRICS[i]] * 3,
            previous=[METRICS[i - 1]] * 3,
            first=[METRICS[0]] * 3,
            left=[len(METRICS) - 1 - i] * 3,
        )
        total += REWARDS[name].compute(moment)[0].item()
    return total


@pytest.mark.parametrize("name", ["log_improvement", "final_log"])
def test_log_terms_sum_to_the_whole_fall_of_the_log_metric(name: str, make_moment: MakeMoment) -> None:
    assert returns(name, make_moment) == pytest.approx(METRICS[0] - METRICS[-1], abs=1e-5)


def test_improvement_sums_to_the_share_of_the_metric_that_was_lost(make_moment: MakeMoment) -> None:
    assert returns("improvement", make_moment) == pytest.approx(1 - math.exp(METRICS[-1] - METRICS[0]), abs=1e-5)


WEIGHTS = st.fixed_dictionaries({name: st.floats(-5, 5) for name in REWARDS})


@given(WEIGHTS)
def test_a_reward_is_linear_in_its_weights(weights: dict[str, float]) -> None:
    """Without the fixture, which Hypothesis would not renew: the terms are looked at through stand-ins."""
    values = {name: torch.tensor([float(i), -1.0]) for i, name in enumerate(REWARDS)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            term = RewardTerm("", lambda moment, value=value: value, each_decision(-1, 1))
            patch.setitem(REWARDS, name, term)
        found = Reward(weights, 4.0)(None)  # type: ignore[arg-type]
    expected = sum(weight * values[name] for name, weight in weights.items())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_weights_add_up(make_moment: MakeMoment) -> None:
    moment = make_moment()
    one, other = Reward({"log_improvement": 1.0}, 4.0)(moment), Reward({"collapse": 1.0}, 4.0)(moment)
    both = Reward({"log_improvement": 2.0, "collapse": -0.5}, 4.0)(moment)
    torch.testing.assert_close(both, 2 * one - 0.5 * other)


def test_a_broken_row_leaves_the_others(make_moment: MakeMoment) -> None:
    reward = Reward(dict.fromkeys(REWARDS, 1.0), 4.0)
    before, after = reward(make_moment()), reward(make_moment(log_metric=[-1.5, math.nan, 0.5]))
    assert after[1].isnan()
    assert torch.equal(before[[0, 2]], after[[0, 2]])


def test_an_unknown_term_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"reward='fid' can't be used.*'log_improvement'"):
        Reward({"log_improvement": 1.0, "fid": 1.0}, 4.0)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_presets_ask_for_known_terms(preset: str) -> None:
    assert [weight for weight, _ in Reward(PRESETS[preset].reward, 4.0).terms] == [*PRESETS[preset].reward.values()]
