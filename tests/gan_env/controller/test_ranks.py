"""Two processes with different data see the same, and so decide alike."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import saved_controller
from ranks import rank
from torch import distributed, multiprocessing

from gan_env.controller.averages import Averages

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="this torch has no torch.distributed")


@pytest.mark.parametrize("infinite", [None, 4])
def test_ranks_with_other_data_move_the_knobs_alike(infinite: int | None, tmp_path: Path) -> None:
    """One rank's infinite gradient is everybody's after averaging, so `GradScaler` skips the step on both."""
    saved_controller().save(tmp_path / "controller")
    multiprocessing.spawn(rank, (str(tmp_path), infinite), nprocs=2)
    first, second = (json.loads((tmp_path / f"{number}.json").read_text()) for number in range(2))
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


def test_what_another_rank_shows_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric is computed on one of them."""
    averages = Averages(torch.device("cpu"))
    averages.add({"loss_d": torch.tensor(1.0)})
    assert averages.known() == {"loss_d"}
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "all_reduce", lambda flags: flags[-2:].add_(1))
    assert averages.known() == {"loss_d", "metric", "spread"}
