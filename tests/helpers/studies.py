"""Episodes, studies and their records made by hand."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from agents.study.options import study_options
from agents.study.pictures import DPI, SMALLEST
from agents.study.records import Cost, Failure, Row, SettingSummary, Summary
from gan_env.evaluation.comparison import Comparison, Estimate, Gain
from gan_env.evaluation.rollout import Episodes

LEGIBLE = 8.5
INSTANCE = {
    "dataset": "photographs_of_faces", "num_samples": 12_345, "lr_g": 0.00123, "lr_d": 0.00123, "beta_1": 0.5,
    "batch_size": 32, "width_g": 32, "width_d": 16, "gain_g": 1.0, "gain_d": 0.5, "input_scale": 0.33,
    "loss": "non_saturating",
}  # fmt: skip


def text_height(scale: float) -> float:
    """Pixels on the screen of the smallest text in a picture of a report, of which so much of its size is shown."""
    return scale * DPI / 72 * SMALLEST


def episodes(score: list[list[float]], collapse: Any = None, crashed: Any = None, metric: Any = None) -> Episodes:
    """Episodes with these scores [E, T + 1]; their log metric, by which is chosen, is the same or `metric`."""
    curve = np.array(score, np.float32)
    runs, decisions = curve.shape[0], curve.shape[1] - 1
    blank = np.zeros((runs, decisions), np.float32)
    extras = {"collapse": blank if collapse is None else np.array(collapse, np.float32)}
    extras |= {"loss_d": blank, "loss_g": blank}
    ended = np.zeros(runs, bool) if crashed is None else np.array(crashed)
    chosen_by = curve if metric is None else np.array(metric, np.float32)
    return Episodes(chosen_by, curve, blank[..., None], blank, ended, extras, 0)


class Stub:
    """A study with given final log metrics of every training or tuning, by name."""

    def __init__(self, finals: dict[str, list[float]], rivals: Sequence[str] = ()) -> None:
        self.finals, self.rivals = finals, rivals
        trained = {name: {"seeds": len(ends)} for name, ends in finals.items()} or {"ppo": {"seeds": 1}}
        controllers = {} if rivals else {"controllers": trained}
        self.options = study_options(env={"preset": "points"}, instances=3, gan_seeds=2, **controllers)
        self.tunings = {name: len(ends) for name, ends in finals.items()}

    def env_options(self, name: str) -> dict[str, Any]:
        """All see the same."""
        return dict(self.options.env)

    def told_rates(self, name: str) -> bool:
        return name == "tuned_rates"

    def reads(self, name: str) -> tuple[str, ...]:
        return ("steps",) if name == "tuned_step_size" else ()

    def training_episodes(self, name: str, seed: int = 0) -> Episodes:
        """Their scores say the opposite, and must not matter."""
        end = self.finals[name][seed]
        return episodes([[0.0, -end]] * 4, metric=[[0.0, end]] * 4)


def gain(value: float, low: float, high: float, **more: Any) -> Gain:
    return Gain(value, (low, high), **{"over_instances": (low, high), **more})


def comparison(value: float = 1.0, low: float = 0.5, high: float = 1.5, **more: Any) -> Comparison:
    return Comparison(gain(value, low, high, **more), Estimate(0.8, (0.7, 0.9), (0.66, 0.95)))


def row(iqm: float = 0.0, **more: Any) -> Row:
    score = Estimate(iqm, (iqm - 0.5, iqm + 0.5))
    plain = Row(
        seeds=1, runs=8, iqm=score, spread_over_seeds=None, spread_over_gan_seeds=0.25,
        crashes=0, collapsed=0.0, reached_target=1.0, updates_to_target=5.0, against={}, told="", found=Cost(),
        played=Cost(wall_s=2.0),
    )  # fmt: skip
    return replace(plain, **more)


def summary(mine: Row | None = None, **changes: Any) -> Summary:
    """Of a study in which "ppo" is compared with tuned schedules."""
    rows = {
        "ppo": mine or row(-1.0, against={"best_schedule": comparison(), "tuned_rates": comparison()}),
        "best_schedule": row(crashes=2),
        "tuned_rates": row(-0.5, against={"best_schedule": comparison(0.5)}),
        "fixed": row(1.0, against={"best_schedule": comparison(-1.0, -2.0, -0.5)}),
    }
    worst = Failure(3, INSTANCE, gain=-0.4, standard_error=0.1, learned=0.0, opponent=-0.4, crashes=0)
    plain = Summary(
        name="points", learned="ppo", strongest="tuned_rates",
        by_tuning=(gain(1.0, 0.5, 1.5),), target=None,
        updates_saved=Estimate(0.25, (0.1, 0.4)), settings={"held_out": SettingSummary("a distance", rows)},
        failures=(worst,),
    )  # fmt: skip
    return replace(plain, **changes)
