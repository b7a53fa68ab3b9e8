"""Two processes with different data see the same, and so decide alike; those that can't are refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import saved_controller
from ranks import left_alone, rank, unlike
from torch import distributed, multiprocessing

from gan_env.controller.averages import Averages
from gan_env.controller.player import find_player
from gan_env.controller.ranks import _by_rank, _digest, _short
from gan_env.controller.watched import relative_rates_of

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="this torch has no torch.distributed")


@pytest.mark.parametrize("infinite", [None, 4])
def test_ranks_with_other_data_move_the_knobs_alike(infinite: int | None, tmp_path: Path) -> None:
    """One rank's infinite gradient is everybody's after averaging, so `GradScaler` skips the step on both."""
    saved_controller().save(tmp_path / "controller")
    multiprocessing.spawn(rank, (str(tmp_path), infinite), nprocs=2)
    first, second = written(tmp_path)
    assert first["losses"] != second["losses"]
    assert first["skipped"] == second["skipped"] == ([] if infinite is None else [infinite])
    assert len(first["decisions"]) == 4 and first["decisions"] == second["decisions"]


def test_means_are_over_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another rank that showed as many finite losses, each larger by 2, and no metric."""
    averages = Averages(torch.device("cpu"))
    for loss in (1.0, 3.0, float("nan")):
        averages.add({"loss_d": torch.tensor(loss), "metric": torch.tensor(5.0)})

    def as_if_of_two(sums: Any) -> None:
        other = sums.clone()
        other[0, 0] += 2 * other[1, 0]
        other[:, -2] = 0
        sums += other

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", as_if_of_two)
    means, _ = averages.take()
    assert {name: float(mean) for name, mean in means.items()} == {"loss_d": 3.0, "metric": 5.0}


def test_norms_of_weights_are_means_over_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights may differ until `DistributedDataParallel` makes them alike; rates may not."""
    adam = torch.optim.Adam([torch.nn.Parameter(torch.full((25,), 2.0))], 1e-2)
    assert relative_rates_of([adam], [[1e-2]]).tolist() == [[pytest.approx(1e-2 / 2)]]

    def as_if_of_two(both: Any) -> None:
        both += torch.stack([3 * both[0], both[1]])  # the other's weights are three times as large

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", as_if_of_two)
    assert relative_rates_of([adam], [[1e-2]]).tolist() == [[pytest.approx(1e-2 / 4)]]


def test_what_another_rank_shows_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric is computed on one of them."""
    averages = Averages(torch.device("cpu"))
    averages.add({"loss_d": torch.tensor(1.0)})
    assert averages.known() == {"loss_d"}
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", lambda flags: flags[-2:].add_(1))
    assert averages.known() == {"loss_d", "metric", "spread"}


UNLIKE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "policy": ({}, {"source": "fixed"}, "policy (cosine_rates on rank 0; fixed on rank 1)"),
    "total_steps": ({}, {"total_steps": 13}, "total_steps (12 on rank 0; 13 on rank 1)"),
    "decisions": ({}, {"total_steps": 4000}, "decisions (3 on rank 0; 1000 on rank 1)"),
    "dry_run": ({"dry_run": True}, {}, "dry_run (True on rank 0; False on rank 1)"),
    "rates": ({}, {"rate": 2e-3}, "learning rates of opt_g (0.001 on rank 0; 0.002 on rank 1)"),
    "momentum": ({}, {"betas": (0.9, 0.99)}, "momentum of opt_g (0.5 on rank 0; 0.9 on rank 1)"),
    "taken": ({}, {"taken": 2}, "steps of opt_d so far (0 on rank 0; 2 on rank 1)"),
    "warmup_steps": ({"warmup_steps": 4}, {}, "warmup_steps (4 on rank 0; 0 on rank 1)"),
    "context": ({"context": {"loss": "hinge"}}, {}, "context ({'beta_1': 0.5, 'loss': 'hinge'} on rank 0; {'beta_1'"),
    "weights": ({"source": "first/mine"}, {"source": "second/mine"}, "SHA-256 of the policy ("),
}
"""Case -> what two processes do differently, and what they are told."""


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Case -> the error of each process; the last case differs in nothing."""
    folder = tmp_path_factory.mktemp("unlike")
    for name in ("first", "second"):
        made = saved_controller()
        made.network.std.fill_(2.0 if name == "first" else 3.0)
        made.save(folder / name / "mine")
    cases: dict[str, tuple[Mapping[str, Any], ...]] = {case: (*both,) for case, (*both, _) in UNLIKE.items()}
    cases["weights"] = tuple({"source": str(folder / part["source"])} for part in cases["weights"])
    multiprocessing.spawn(unlike, (str(folder), {**cases, "alike": ({"rate": 1e-3 + 1e-12}, {})}), nprocs=2)
    return written(folder)


@pytest.mark.parametrize("case", UNLIKE)
def test_ranks_that_would_decide_differently_are_all_refused_and_told_why(
    case: str, refused: list[dict[str, str]]
) -> None:
    first, second = (errors[case] for errors in refused)
    assert first == second
    assert UNLIKE[case][-1] in first and "on every rank" in first


def test_ranks_that_differ_in_nothing_else_load_their_controllers(refused: list[dict[str, str]]) -> None:
    """Rates may differ in their last bits, as processors compute them."""
    assert [errors.keys() for errors in refused] == [UNLIKE.keys()] * 2


def test_a_rank_that_goes_on_alone_waits_at_a_decision_until_the_backend_gives_up(tmp_path: Path) -> None:
    multiprocessing.spawn(left_alone, (str(tmp_path),), nprocs=2)
    found = json.loads((tmp_path / "0.json").read_text())
    assert "Timed out" in found["error"] and found["decisions"] == [0]


def test_a_policy_is_told_by_what_its_file_held_when_it_was_read(tmp_path: Path) -> None:
    file, digests = tmp_path / "mine.yaml", []
    for until in (0.5, 0.5, 0.6):
        file.write_text(f"until: {until}\nknobs: {{lr_g: {{kind: linear, initial: 1.0, final: 0.1}}}}\n")
        player = find_player(file, 12)
        file.unlink()
        digests.append(_digest(player))
    assert digests[0] == digests[1] != digests[2]


def test_of_many_ranks_and_long_values_some_is_told() -> None:
    assert _by_rank(["1"] * 7 + ["2"]) == "1 on ranks 0, 1, 2, 3 and 3 more; 2 on rank 7"
    assert _by_rank(list("abcdef")).endswith("d on rank 3; 2 more")
    assert len(_short("0.001, " * 100)) < 60 and _short("0.001, " * 100) != _short("0.001, " * 101)


def written(folder: Path) -> list[Any]:
    """What both processes wrote."""
    return [json.loads((folder / f"{number}.json").read_text()) for number in range(2)]
