"""Observations: the groups that are asked for, in the order of the table, within their bounds."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_env.errors import ConfigError
from gan_env.mdp.observation import Observer
from gan_env.mdp.statistics import BOUND, statistics
from gan_env.records import Moment

KNOBS = ["instance_noise", "augment", "r1"]
LOSSES = ["non_saturating", "hinge", "least_squares"]
TABLE = statistics(KNOBS, LOSSES)
GROUPS = tuple(dict.fromkeys(s.group for s in TABLE))
MakeMoment = Callable[..., Moment]


def test_the_space_is_a_finite_box_of_all_statistics() -> None:
    space = Observer(GROUPS, KNOBS, LOSSES).space
    assert space.shape == (len(TABLE),)
    assert space.dtype == np.float32
    assert np.isfinite(space.low).all()
    assert np.isfinite(space.high).all()


def test_an_observation_is_in_the_space(make_moment: MakeMoment) -> None:
    observer = Observer(GROUPS, KNOBS, LOSSES)
    observation = observer(make_moment())
    assert observation.shape == (3, len(TABLE))
    for row in observation.numpy():
        assert row in observer.space


def test_entries_follow_the_names(make_moment: MakeMoment) -> None:
    observer = Observer(GROUPS, KNOBS, LOSSES)
    row = dict(zip(observer.names, observer(make_moment())[0].tolist(), strict=True))
    assert row == pytest.approx({s.name: s.compute(make_moment())[0].item() for s in TABLE})


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_selects_its_statistics_alone(group: str, make_moment: MakeMoment) -> None:
    observer = Observer((group,), KNOBS, LOSSES)
    assert observer.names == [s.name for s in TABLE if s.group == group]
    assert observer.space.shape == (len(observer.names),)
    assert observer(make_moment()).shape == (3, len(observer.names))


def test_the_order_of_entries_is_the_tables_whatever_that_of_the_groups() -> None:
    assert Observer(GROUPS[::-1], KNOBS, LOSSES).names == Observer(GROUPS, KNOBS, LOSSES).names


def test_only_controlled_knobs_are_observed() -> None:
    assert Observer(("knobs",), ["r1"], LOSSES).names == ["knob_r1"]


def test_values_beyond_the_bounds_are_clipped(make_moment: MakeMoment) -> None:
    moment = make_moment(log_metric=[50.0, -50.0, 0.5])
    values: Tensor = Observer(("quality",), KNOBS, LOSSES)(moment)[:, 0]
    assert values.tolist() == [BOUND, -BOUND, 0.5]


def test_a_broken_row_leaves_the_others(make_moment: MakeMoment) -> None:
    observer = Observer(GROUPS, KNOBS, LOSSES)
    before = observer(make_moment())
    after = observer(make_moment(loss_d=[1.3, math.nan, 0.2], log_metric=[-1.5, math.nan, 0.5]))
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert after[1, observer.place("loss_d")] == 0  # NaN counts as 0
    assert after.isfinite().all()


def test_an_unknown_group_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"observation='logit' can't be used.*'logits'"):
        Observer(("progress", "logit"), KNOBS, LOSSES)


def test_an_observation_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"observation=\(\).*at least one of"):
        Observer((), KNOBS, LOSSES)


def test_a_statistic_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigError, match=r"the policy's statistic='sign_reel' .*'sign_real'"):
        Observer(("logits",), ("r1",), ("hinge",)).place("sign_reel")
