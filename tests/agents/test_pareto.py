"""The sweep of quality against stability on a tiny budget."""

import json
import math
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from agents.pareto import ParetoOptions, main
from agents.train_ppo import PPOOptions
from gan_env import ConfigError
from gan_env.strict import replace

ARGUMENTS = [
    "env.num_decisions=3", "env.updates_per_decision=2", "env.metric_samples=32", "env.compile=false",
    "agent.rows=4", "agent.rollouts=1", "agent.minibatches=1", "agent.epochs=1", "comparison.rows=4",
    "comparison.instances=2",
    "comparison.gan_seeds=2", "weights=[0,2]",
]  # fmt: skip


def test_each_weight_is_trained_and_judged_and_not_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["agents/pareto.py", f"logs={tmp_path}", *ARGUMENTS])
    main()
    run = tmp_path / "pareto" / "gan_env-Points-v1_1"
    found = json.loads((run / "summary.json").read_text())["controllers"]
    assert set(found) == {"constant knobs", "weight 0", "weight 2"}
    for row in found.values():
        assert row["quality"]["n"] == row["stability"]["n"] == 4
        assert row["stability"]["iqm"] < 0  # the spread of the losses, with a minus
        assert row["crashes"] == 0
    assert imread(run / "pareto.png").std() > 0.01
    for weight in ("0", "2"):
        assert (run / f"weight_{weight}/controller.json").exists()
    before = (run / "evaluations/weight_2.npz").stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", ["agents/pareto.py", f"resume={run}"])
    main()
    assert (run / "evaluations/weight_2.npz").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"term": "fid"}, "loss_spread"),
        ({"weights": [1, 1]}, "none twice"),
        ({"weights": [0.1234567, 0.1234568]}, "none twice"),  # they would share a folder
        ({"weights": [0, math.nan]}, "finite"),
    ],
)
def test_bad_options_are_refused_with_help(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(ParetoOptions(PPOOptions()), options)
