"""How runs stand: the crash law for every reward, what a crash is, and the two judgements of a run."""

import math
from dataclasses import fields
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gan_env.config import EnvConfig
from gan_env.mdp.knobs import TARGETS
from gan_env.mdp.observation import Observer
from gan_env.mdp.progress import Progress
from gan_env.mdp.rewards import REWARDS, Reward
from gan_env.mdp.steps import LARGEST
from gan_env.records import FLOOR, Quality, RowSettings, TrainStats

Columns = dict[str, Tensor]
LEAST = math.log(FLOOR)


def follow(
    weights: dict[str, float], decisions: int, rows: int = 2, penalty: float = 4.0, mode: str = "delta"
) -> Progress:
    sees = ("progress", *({mode} & set(TARGETS)))
    config = EnvConfig(num_decisions=decisions, action_mode=mode, observation=sees)  # type: ignore[arg-type]
    return Progress(Observer(("progress",), ["r1"], []), Reward(weights, penalty), config, torch.zeros(rows, 1))


def started(progress: Progress, **given: list[float]) -> Columns:
    everyone = torch.ones(len(progress.decision), dtype=torch.bool)
    ones = torch.ones(len(everyone), 2)
    return progress.start(everyone, *moment(len(everyone), **given), ones, ones, ones)


def advanced(progress: Progress, **given: list[float] | list[bool]) -> Columns:
    ones = torch.ones(len(progress.decision), 2)
    return progress.advance(*moment(len(progress.decision), **given), ones, ones)


def moment(rows: int, **given: Any) -> tuple[TrainStats, Quality, RowSettings]:
    """Zeros and finite rows where nothing is given; without a score it is that of the validation half plus one."""
    columns = {"finite": [True] * rows} | given
    columns.setdefault("score", [value + 1 for value in columns.get("log_metric", [0.0] * rows)])

    def column(name: str) -> Tensor:
        return torch.tensor(columns.get(name, [0.0] * rows))

    stats = TrainStats(**{field.name: column(field.name) for field in fields(TrainStats)})
    quality = Quality(column("log_metric"), column("score"), column("collapse"), {"modes": torch.ones(rows)})
    return stats, quality, RowSettings(*(torch.ones(rows) for _ in fields(RowSettings)))


@st.composite
def runs(draw: st.DrawFn, highest: float) -> list[dict[str, float]]:
    """What one to six intervals of a run without a crash bring, up to the ends of what they can."""

    def between(low: float, high: float) -> st.SearchStrategy[float]:
        return st.sampled_from([low, high]) | st.floats(low, high)

    interval = st.fixed_dictionaries(
        {
            "log_metric": between(LEAST, highest - 1e-3),
            "collapse": between(LEAST, 2.0),
            "spread_d": between(0.0, 1e4),
            "spread_g": between(0.0, 1e4),
        }
    )
    return draw(st.lists(interval, min_size=1, max_size=6))


@given(data=st.data(), penalty=st.sampled_from([0.1, 4.0]), scale=st.sampled_from([1.0, 100.0]))
def test_a_crash_costs_more_than_the_rest_of_any_run_could_lose(
    data: st.DataObject, penalty: float, scale: float
) -> None:
    """Both rows have the same past, then one crashes and the other plays on: for all weights of all terms at once."""
    weights = {name: scale * data.draw(st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1, 1), name) for name in REWARDS}
    first = data.draw(st.sampled_from([-5.0, 0.0, 3.0]), "first")
    run = data.draw(runs(first + penalty), "run")
    crash = data.draw(st.integers(0, len(run) - 1), "crash")
    progress = follow(weights, len(run), penalty=penalty)
    started(progress, log_metric=[first] * 2)
    for decision, interval in enumerate(run):
        columns = {name: [value] * 2 for name, value in interval.items()}
        made = advanced(progress, **columns, finite=[decision != crash, True])
        if decision == crash:
            crashed, penalised = progress.gained[0].item(), made["reward"][0].item() <= -penalty
    rounding = 1e-3 * scale
    assert crashed < progress.gained[1].item() + rounding
    assert crashed <= -penalty + rounding
    assert penalised


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("term", REWARDS)
def test_a_crash_never_costs_as_little_as_the_worst_run(term: str, sign: float) -> None:
    """The law is strict, where one term is all the reward and every interval is as bad for it as can be."""
    worst = {"log_metric": [LEAST if sign < 0 else 3.99] * 2, "collapse": [LEAST if sign > 0 else 0.0] * 2}
    worst |= {"spread_d": [1e5 if sign > 0 else 0.0] * 2}
    progress = follow({term: sign}, decisions=4)
    started(progress)
    for decision in range(4):
        advanced(progress, **worst, finite=[decision != 0, True])
        if decision == 0:
            crashed = progress.gained[0].item()
    assert crashed < progress.gained[1].item()


@pytest.mark.parametrize("gained", [1.5, -1.5])
def test_with_the_default_reward_a_crash_takes_back_what_was_gained_and_costs_the_penalty(gained: float) -> None:
    """Losses are not refunded."""
    progress = follow({"log_improvement": 1.0}, decisions=5)
    started(progress)
    advanced(progress, log_metric=[-gained] * 2)
    made = advanced(progress, finite=[False, True])
    assert made["reward"][0].item() == pytest.approx(-4.0 - max(gained, 0.0))


def test_a_crash_shows_the_untrained_generators_judgements_and_the_penalty() -> None:
    """As do a log metric that is not a number and one that rises by the penalty; the score alone ends no run."""
    progress = follow({"log_improvement": 1.0}, decisions=3, rows=5)
    infos = started(progress, log_metric=[1.0] * 5, score=[2.0] * 5)
    assert infos["log_metric"].tolist() == [1.0] * 5
    assert infos["score"].tolist() == [2.0] * 5
    made = advanced(
        progress,
        finite=[False, True, True, True, True],
        log_metric=[0.5, math.nan, 5.0, 0.5, 4.9],
        score=[0.7, 0.7, 0.7, 100.0, 0.7],
    )
    assert made["crashed"].tolist() == [True, True, True, False, False]
    assert made["ended"].tolist() == made["crashed"].tolist()
    assert made["log_metric"].tolist() == pytest.approx([5.0, 5.0, 5.0, 0.5, 4.9])
    assert made["score"].tolist() == pytest.approx([6.0, 6.0, 6.0, 100.0, 0.7])
    assert made["collapse"][:3].tolist() == [-math.inf] * 3
    assert made["loss_d"][:3].isnan().all()
    assert made["modes"].tolist() == [0, 0, 0, 1, 1]


def test_the_reward_does_not_see_the_score() -> None:
    progress = follow(dict.fromkeys(REWARDS, 1.0), decisions=2)
    started(progress, score=[0.0, 50.0])
    made = advanced(progress, log_metric=[-1.0] * 2, score=[1.0, -1.0])
    assert made["reward"][0] == made["reward"][1]


def test_gradient_norms_of_the_first_interval_are_kept_until_a_new_run() -> None:
    observer, reward = Observer(("changes",), ["r1"], []), Reward({"log_improvement": 1.0}, 4.0)
    progress = Progress(observer, reward, EnvConfig(num_decisions=3), torch.zeros(2, 1))
    places = [observer.place(f"grad_{player}_change") for player in ("d", "g")]
    started(progress)
    seen = [progress.observation]
    for norm in (1.0, 10.0, 0.1):
        seen.append(advanced(progress, grad_d=[norm, 2 * norm], grad_g=[0.1, norm])["obs"])
    changes = torch.stack(seen)[:, :, places].flatten(1)  # [T + 1, N * 2]
    moved, still = [0.0, 0.0, 1.0, -1.0], [0.0] * 4
    torch.testing.assert_close(changes.T, torch.tensor([moved, still, moved, moved]), rtol=0, atol=1e-3)
    progress.start(torch.tensor([True, False]), *moment(2), *(torch.ones(2, 2) for _ in range(3)))
    assert [progress.first_grad_d.tolist(), progress.first_grad_g.tolist()] == [[0.0, 2.0], [0.0, 1.0]]


@pytest.mark.parametrize("mode", TARGETS)
def test_new_runs_leave_the_others_as_they_stand(mode: str) -> None:
    progress = follow({"log_improvement": 1.0}, decisions=3, mode=mode)
    started(progress, log_metric=[1.0, 1.0])
    advanced(progress, log_metric=[0.5, 0.2])
    before = progress.get_state()
    progress.start(
        torch.tensor([True, False]), *moment(2, log_metric=[7.0, 8.0]), *(torch.ones(2, 2) for _ in range(3))
    )
    for name, tensor in progress.get_state().items():
        assert torch.equal(tensor[1], before[name][1]), name
    assert [progress.decision[0], progress.first[0], progress.gained[0]] == [0, 7, 0]
    assert progress.first_score[0] == 8
    begun = {  # relative rates of 1 at the age of 0
        "steps": [0.0, 0.0],
        "balanced": [10 / 0.08, 10 / 0.6],
        "limited": [1 / LARGEST, 1 / LARGEST],
    }
    assert progress.steps[0].tolist() == pytest.approx(begun[mode])
