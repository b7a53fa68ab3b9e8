"""One run of the study: same seeds begin alike, optimisers are those of the method, and a run that diverges ends."""

import dataclasses
import math
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from controllers import saved_controller
from torch import nn

from gan_env.errors import ConfigError
from gan_env.records import Dataset, decode


@pytest.fixture
def study(one_run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """With few random images in the place of Fashion-MNIST."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(256, (300, 1, 28, 28), generator=draws, dtype=torch.uint8)
    data = Dataset(images[:100], images[100:])
    monkeypatch.setattr(one_run, "prepared", lambda name, samples: (decode(data.train), one_run.Judge(data, samples)))
    return one_run


def played(study: ModuleType, method: str = "fixed", loop: str = "dcgan", rate: float | None = 1e-3) -> dict[str, Any]:
    run = study.Run(loop, "fashion_mnist", method, 0, rate, rate)
    record: dict[str, Any] = study.play(run, study.Settings(updates=15, samples=100, width=4))
    return record


@pytest.mark.parametrize("loop", ["dcgan", "hinge", "r3gan", "wgan_gp"])
def test_a_loop_is_judged_at_each_third(study: ModuleType, loop: str) -> None:
    record = played(study, loop=loop)
    values = [*record["score"], *record["log_metric"], record["untrained"]]
    assert len(record["score"]) == len(record["log_metric"]) == 3
    assert all(map(math.isfinite, values)) and len(set(values)) == 7
    assert not record["crashed"] and record["rates"] == [1e-3, 1e-3]


def test_a_run_ends_the_same_twice_and_its_rate_matters(study: ModuleType) -> None:
    first, again, other = (played(study, rate=rate) for rate in (1e-3, 1e-3, 1e-2))
    assert first["score"] == again["score"] != other["score"]
    assert first["untrained"] == other["untrained"]


def test_a_controller_moves_the_rates(study: ModuleType) -> None:
    assert played(study, "cosine_rates")["rates"][0] < 1e-3


def test_players_have_the_rates_of_a_random_setting(study: ModuleType) -> None:
    run = study.Run("dcgan", "fashion_mnist", study.RANDOM, 0, 2e-4, 3e-3)
    assert study.play(run, study.Settings(15, 100, 4))["rates"] == [2e-4, 3e-3]


@pytest.mark.parametrize(("method", "package"), [("prodigy", "prodigyopt"), ("schedule_free", "schedulefree")])
@pytest.mark.parametrize("loop", ["dcgan", "r3gan"])
def test_an_optimiser_without_rate_trains(study: ModuleType, method: str, package: str, loop: str) -> None:
    pytest.importorskip(package, reason=f'{package} is not installed: pip install "gan_env[loops]"')
    record = played(study, method, loop, None)
    assert not record["crashed"] and record["score"][-1] != record["untrained"]


def test_the_published_loop_has_the_rate_of_its_paper_and_its_schedule(study: ModuleType) -> None:
    assert played(study, study.PUBLISHED, "wgan_gp", None)["rates"] == [1e-4, 1e-4]
    assert played(study, study.PUBLISHED, "r3gan", None)["rates"] == pytest.approx([5e-5, 5e-5], rel=1e-3)


def test_a_controller_with_its_own_rates_does_not_mind_that_of_a_loop(study: ModuleType, tmp_path: Path) -> None:
    controller = saved_controller(knobs=("lr_g", "lr_d"), observation=("progress", "knobs", "steps"))
    controller.env["instances"] |= {"lr_g": [5e-3, 5e-3], "lr_d": [4e-3, 4e-3]}
    controller.save(tmp_path)
    without, at_a_rate = (played(study, str(tmp_path), "hinge", rate) for rate in (None, 1e-2))
    assert without["rates"] == pytest.approx(at_a_rate["rates"], rel=1e-4)
    assert without["score"] == pytest.approx(at_a_rate["score"], rel=1e-2)


def test_averaged_weights_are_judged_and_training_goes_on_from_the_others(study: ModuleType) -> None:
    pytest.importorskip("schedulefree", reason='schedulefree is not installed: pip install "gan_env[loops]"')
    seen = []
    net = nn.Linear(1, 1, bias=False)

    def judge(network: nn.Module) -> list[float]:
        seen.append(float(network.weight.detach()))  # type: ignore[arg-type]
        return [0.0, 0.0]

    observer = study.Observer(study.Run("dcgan", "fashion_mnist", "schedule_free", 0, None, None), 3, judge)
    optimiser = observer.optimiser(net.parameters(), 0.0, (0.0, 0.9))
    for _ in range(3):
        optimiser.zero_grad()
        net(torch.ones(1, 1)).sum().backward()
        optimiser.step()
        trained = float(net.weight.detach())
        observer.watch(net)
        assert float(net.weight.detach()) == pytest.approx(trained)
    assert len(seen) == 3
    assert abs(seen[-1] - trained) > 1e-4


@pytest.mark.parametrize("loop", ["dcgan", "hinge"])
def test_a_run_that_diverges_counts_as_its_untrained_generator(study: ModuleType, loop: str) -> None:
    record = played(study, loop=loop, rate=1e38)
    assert record["crashed"]
    assert record["score"][-1] == record["untrained"]


def test_an_error_of_ours_is_no_crash(study: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="ada"):
        played(study, "adaa")

    def fails(*_: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(study.Observer, "watch", fails)
    with pytest.raises(RuntimeError, match="shapes differ"):
        played(study)


def test_runs_are_equal_where_they_end_equal(one_run: ModuleType) -> None:
    run = one_run.Run("dcgan", "fashion_mnist", "fixed", 0, 1e-3, 1e-3)
    assert {run, dataclasses.replace(run)} == {run} != {dataclasses.replace(run, seed=1)}


@pytest.mark.usefixtures("one_run")
def test_what_a_loop_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    common, dcgan = import_module("common"), import_module("dcgan")
    monkeypatch.setattr(sys, "argv", ["dcgan.py", "--controller", "steady_wlak", "--updates", "2", "--width", "2"])
    monkeypatch.setattr(common, "pictures", lambda: torch.rand(8, 1, 28, 28))
    with pytest.raises(SystemExit, match=r"^error: controller='steady_wlak' .*did you mean 'steady_walk'"):
        common.command_line(dcgan.train, lr=1e-3, updates=2)
