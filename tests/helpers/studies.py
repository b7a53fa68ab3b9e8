"""Episodes and studies made by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from agents.page.plots import SMALLEST

from agents.page.figures import DPI
from agents.study.options import StudyOptions
from gan_env.evaluation.rollout import Episodes

LEGIBLE = 8.5


def text_height(scale: float) -> float:
    """Pixels on the screen of the smallest text in a picture of a report, of which so much of its size is shown."""
    return scale * DPI / 72 * SMALLEST


def episodes(log_metric: list[list[float]], collapse: Any = None, crashed: Any = None) -> Episodes:
    curve = np.array(log_metric, np.float32)
    runs, decisions = curve.shape[0], curve.shape[1] - 1
    blank = np.zeros((runs, decisions), np.float32)
    extras = {"collapse": blank if collapse is None else np.array(collapse, np.float32)}
    extras |= {"loss_d": blank, "loss_g": blank}
    ended = np.zeros(runs, bool) if crashed is None else np.array(crashed)
    return Episodes(curve, curve, blank[..., None], blank, ended, extras, 0)


class Stub:
    """A study of which all that is asked for is given."""

    def __init__(self, finals: dict[str, list[float]], schedules: Sequence[str] = ()) -> None:
        self.finals, self.schedules = finals, schedules
        self.options = StudyOptions(env={"preset": "points"}, instances=3, gan_seeds=2)
        self.mains = [(name, seed) for name, ends in finals.items() for seed in range(len(ends))]
        self.tunings = {name: len(ends) for name, ends in finals.items()}

    def on_training(self, name: str, seed: int = 0) -> Episodes:
        return episodes([[0.0, self.finals[name][seed]]] * 4)
