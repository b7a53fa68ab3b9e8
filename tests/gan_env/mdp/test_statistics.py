"""The table of statistics: each has the value worked out by hand, and what policies ask for has an inverse."""

import math
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_env.config import EnvConfig
from gan_env.instance_lists import HYPERPARAMETERS, Instance
from gan_env.mdp.knobs import knob_table
from gan_env.mdp.observation import Observer
from gan_env.mdp.statistics import BOUND, Statistic, statistics, symlog
from gan_env.mdp.steps import WANTED
from gan_env.records import Moment, RowSettings, TrainStats

KNOBS = ["instance_noise", "augment", "r1"]
LOSSES = ["non_saturating", "hinge", "least_squares"]
TABLE = statistics(KNOBS, LOSSES)
GROUPS = tuple(dict.fromkeys(s.group for s in TABLE))
MakeMoment = Callable[..., Moment]


NOT_BY_DEFAULT = {"context", "balance", "walk", "balanced", "limited", "response", "changes", "size"}


def test_names_are_unique() -> None:
    names = [s.name for s in TABLE]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("statistic", TABLE, ids=lambda s: s.name)
def test_every_statistic_has_finite_bounds_and_a_description(statistic: Statistic) -> None:
    assert -BOUND <= statistic.low < statistic.high <= BOUND
    assert statistic.description


@pytest.mark.parametrize("statistic", TABLE, ids=lambda s: s.name)
def test_every_statistic_is_finite_and_one_a_row(statistic: Statistic, make_moment: MakeMoment) -> None:
    values = statistic.compute(make_moment())
    assert values.shape == (3,)
    assert values.dtype == torch.float32
    assert values.isfinite().all()
    assert len(values.unique()) > 1  # the rows of the moment differ in everything


@pytest.mark.parametrize("statistic", TABLE, ids=lambda s: s.name)
def test_every_statistic_is_finite_before_the_first_update(statistic: Statistic, make_moment: MakeMoment) -> None:
    names = {f.name for f in fields(TrainStats)} - {"finite"}
    zeros = {name: [0.0, 0.0, 0.0] for name in (*names, "progress")}
    assert statistic.compute(make_moment(**zeros)).isfinite().all()


@pytest.mark.parametrize("names", [KNOBS, list(knob_table())])
def test_there_is_a_statistic_for_every_knob(names: list[str]) -> None:
    assert [s.name for s in statistics(names, LOSSES) if s.group == "knobs"] == [f"knob_{name}" for name in names]


def test_the_default_configuration_observes_all_but_the_context_ratios_and_sizes() -> None:
    assert set(EnvConfig().observation) == set(GROUPS) - NOT_BY_DEFAULT


SCALED = {
    "logits": ("logit_real", "logit_fake", "logit_after", "logit_spread_real", "logit_spread_fake"),
    "gradients": ("grad_d", "grad_g", "first_grad_d", "first_grad_g"),
    "steps": ("step_d", "step_g"),
}


@pytest.mark.parametrize("columns", SCALED.values(), ids=SCALED)
def test_what_is_relative_does_not_depend_on_scales(columns: tuple[str, ...], make_moment: MakeMoment) -> None:
    """In the rows where there is anything; the means, norms and sizes themselves do."""
    moment = make_moment()
    values = {name: getattr(moment if hasattr(moment, name) else moment.stats, name) for name in columns}
    scaled = make_moment(**{name: (50 * value).tolist() for name, value in values.items()})
    ratios, plain = ("balance", "response", "changes"), ("logits", "gradients", "steps")
    relative, plain = (Observer(groups, KNOBS, LOSSES) for groups in (ratios, plain))
    torch.testing.assert_close(relative(scaled)[:2], relative(moment)[:2], rtol=0, atol=1e-3)
    assert not torch.allclose(plain(scaled)[:2], plain(moment)[:2], atol=0.1)


def test_the_context_has_every_field_of_an_instance_but_its_data_set() -> None:
    losses = [f"loss_{name}" for name in LOSSES]
    assert {s.name for s in TABLE if s.group == "context"} == {*HYPERPARAMETERS, *losses}
    assert {f.name for f in fields(Instance)} == {"dataset", "loss", *HYPERPARAMETERS}


def test_the_loss_is_a_one_among_zeros(make_moment: MakeMoment) -> None:
    shown = [s.compute(make_moment()) for s in TABLE if s.name in [f"loss_{name}" for name in LOSSES]]
    assert torch.stack(shown, dim=1).tolist() == torch.eye(3).tolist()  # the moment's rows have one each


# --- values by hand: the moment's first row is in conftest.py ---

BY_HAND = {
    "progress": 0.25,
    "knob_instance_noise": -1.0,
    "knob_augment": 0.0,
    "knob_r1": 1.0,
    "logit_real": math.log(1.1),
    "logit_fake": -math.log(1.1),
    "sign_real": 0.1,
    "sign_fake": -0.1,
    "clean_train": math.log(1.2),
    "overfitting": math.log(1.1),
    "loss_d": math.log(2.3),
    "loss_g": math.log(1.7),
    "spread_d": -1.0,
    "spread_g": math.log10(0.3),
    "grad_d": math.log10(0.5),
    "grad_g": math.log10(0.05),
    "grad_ratio": -1.0,
    "penalty": math.log10(0.5),
    "step_d": math.log10(1e-3 + 1e-6),
    "step_g": math.log10(1e-2 + 1e-6),
    "walk_d": math.log10(1e-3 / 0.2 + 1e-6),
    "walk_g": math.log10(1e-2 / 0.1 + 1e-6),
    "balanced_d": math.log10(0.01 * 30 / 0.6 + 1e-6),
    "balanced_g": math.log10(0.02 * 20 / min(0.08 * (1 + 0.2 / math.sqrt((0.3**2 + 0.1**2) / 2)) ** 4, 1) + 1e-6),
    "limited_d": math.log10(0.01 * math.sqrt(800) / 0.6 + 1e-6),
    "limited_g": math.log10(0.02 / 0.03 + 1e-6),
    "align_d": 0.5,
    "align_g": 0.1,
    "separation": math.log(1 + 0.2 / math.sqrt((0.3**2 + 0.1**2) / 2)),
    "variety": math.log10(0.1 / 0.3),
    "step_ratio": 1.0,
    "push_d": math.log(1 + 10 * 0.1 / math.sqrt((0.3**2 + 0.1**2) / 2)),
    "saturated_real": 0.2,
    "saturated_fake": 0.1,
    "grad_d_change": -1.0,
    "grad_g_change": 1.0,
    "size_g": 0.0,
    "size_d": -1.0,
    "updates": -1.0,
    "log_metric": -1.5,
    "improvement": -1.5,
    "change": -2.5,
    "above_best": -1.5,
    "collapse": -0.2,
    "lr_g": -1.0,
    "lr_d": 0.0,
    "beta_1": 0.9,
    "num_samples": math.log10(30) - 3,
    "batch_size": -1.0,
    "width_g": 1.0,
    "width_d": 0.5,
    "gain_g": -1.0,
    "gain_d": 0.0,
    "input_scale": 1.0,
    "loss_non_saturating": 1.0,
    "loss_hinge": 0.0,
    "loss_least_squares": 0.0,
}


@pytest.mark.parametrize("name", [s.name for s in TABLE])
def test_every_statistic_has_the_value_worked_out_by_hand(name: str, make_moment: MakeMoment) -> None:
    value = {s.name: s for s in TABLE}[name].compute(make_moment())[0].item()
    assert value == pytest.approx(BY_HAND[name], abs=1e-4)


# --- inverses ---

INVERSES = [s for s in TABLE if s.inverse is not None]


def test_what_policies_ask_for_has_an_inverse() -> None:
    knobs = (f"knob_{name}" for name in KNOBS)
    sizes = {f"{what}_{player}" for what in ("step", "walk", "balanced", "limited") for player in "dg"}
    assert {s.name for s in INVERSES} == {"progress", "updates", *sizes, *HYPERPARAMETERS, *knobs}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # they keep nothing
@given(
    share=st.floats(0, 1),
    rate=st.floats(1e-6, 1),
    samples=st.integers(2, 10**6),
    batch=st.integers(2, 4096),
)
def test_an_inverse_gives_back_what_was_observed(
    share: float,
    rate: float,
    samples: int,
    batch: int,
    make_moment: MakeMoment,
    make_settings: Callable[..., RowSettings],
) -> None:
    """A statistic and its inverse can't drift apart: policies act on what the inverse says."""
    given = {
        "lr_g": rate,
        "lr_d": rate / 2,
        "beta_1": share,
        "width_g": share,
        "width_d": share,
        "gain_g": rate,
        "gain_d": rate * 10,
        "input_scale": rate * 100,
        "num_samples": samples,
        "batch_size": batch,
    }
    rows = make_settings(**{name: [value] * 3 for name, value in given.items()})
    knobs = dict(zip((f"knob_{k}" for k in KNOBS), (share, 1 - share, 0.5), strict=True))
    moment = replace(make_moment(progress=[share] * 3, coordinates=[list(knobs.values())] * 3), settings=rows)
    steps = {"step_d": rate, "step_g": rate / 2}
    measured = replace(moment.stats, **{name: torch.full((3,), value) for name, value in steps.items()})
    moment = replace(moment, stats=measured)
    moment = replace(moment, walk=torch.full((3, 2), 0.25), updates=torch.full((3,), float(samples)))
    moment = replace(moment, relative_rates=torch.full((3, 2), 0.5))
    walks = {"walk_d": 4 * rate, "walk_g": 2 * rate}
    relative = {}
    for unit, wanted in WANTED.items():
        of_g, of_d = wanted(moment.stats, moment.ages).T.numpy()
        relative |= {f"{unit}_d": 0.5 / of_d, f"{unit}_g": 0.5 / of_g}
    expected = given | knobs | steps | walks | relative | {"progress": share, "updates": samples}
    for statistic in INVERSES:
        assert statistic.inverse is not None
        found = statistic.inverse(statistic.compute(moment).numpy().astype(np.float64))
        np.testing.assert_allclose(found, expected[statistic.name], rtol=1e-5, atol=1e-6, err_msg=statistic.name)


def test_symlog_is_odd_and_tames_heavy_tails() -> None:
    x = torch.tensor([0.0, 1e-3, 1.0, math.e - 1, 1e4])
    torch.testing.assert_close(
        symlog(x), torch.tensor([0.0, 1e-3, math.log(2), 1.0, math.log(1e4 + 1)]), rtol=1e-3, atol=0
    )
    assert torch.equal(symlog(-x), -symlog(x))
