"""Warnings, each once: where a loop lies outside of its controller's training, and what looks like a mistake."""

import contextlib
import inspect
import math
import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_env.controller.arguments import source
from gan_env.controller.averages import Logits
from gan_env.controller.inputs import KNOBS
from gan_env.controller.player import Player
from gan_env.controller.report import Decision
from gan_env.mdp.knobs import RATES
from gan_env.mdp.observation import Observer
from gan_env.saved_controller import SavedController

FAR = 10.0
"""A horizon that differs by more than this factor is another one, and so is a statistic so many deviations away."""

BEHIND = math.log(2)
"""`separation` of fakes that D takes for real by one standard deviation of its logits."""

SURE = 50
"""Updates after which logits that all lie in [0, 1] are no accident."""

LASTING = 5
"""Decisions in a row after which what is odd is no accident."""

FOLDERS = (Path(__file__).parents[1], Path(torch.__file__).parent)
PACKAGES = (*(f"{folder}{os.sep}" for folder in FOLDERS), contextlib.__file__)
"""How the names of files begin that are not the loop's: those of this package, those of torch, whose optimisers call
hooks, and that of what decorates functions of this package."""
NAMES = {"g": "the generator", "d": "the discriminator"}


def warn_loop(text: str) -> None:
    """Warns by `text` at the loop's own line, the first outside of this package and of torch."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGES):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


class Warnings:
    """Says each thing once."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, key: str, text: str) -> None:
        """Warns by `text`, unless something was said under this `key` before."""
        if key not in self.said:
            self.said.add(key)
            warn_loop(text)


def outside_of_training(saved: SavedController, total_steps: int, context: Mapping[str, Any]) -> list[str]:
    """What of a run's settings its controller was not trained on, for people; empty: nothing."""
    found, envs = [], saved.trained_in
    lengths = sorted({env["num_decisions"] * env["updates_per_decision"] for env in envs})
    if not lengths[0] / FAR <= total_steps <= lengths[-1] * FAR:
        trained = " to ".join(f"{length:,}" for length in dict.fromkeys((lengths[0], lengths[-1])))
        found.append(f"total_steps={total_steps:,} (trained on runs of {trained})")
    loss, losses = context.get("loss"), list(dict.fromkeys(name for env in envs for name in env.get("losses", ())))
    if loss is not None and loss not in losses:
        found.append(f"loss={loss} (trained on {', '.join(losses)})")
    numbers = {name: value for name, value in context.items() if name not in ("loss", "width_g", "width_d")}  # shares
    for name, value in numbers.items():
        ranges = [env.get("instances", {}).get(name, (value, value)) for env in envs]
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        if not low * 0.999 <= value <= high * 1.001:
            found.append(f"{name}={value:g} (trained on {low:g} to {high:g})")
    return found


def beyond_training(saved: SavedController, observer: Observer, seen: Mapping[str, float]) -> list[str]:
    """Statistics that lie where the network can't tell them apart: clipped as they are, or once they are normalised.

    Shares, signs and knobs may be at their ends.
    """
    network = saved.network
    mean, std = (tensor.double().numpy() for tensor in (network.mean, network.std))
    values = np.array([seen[name] for name in observer.names])
    clip = FAR if network.clip is None else network.clip
    normalised = bool((std != 1).any())
    far = (values <= observer.low) | (values >= observer.high) | (normalised & (np.abs(values - mean) >= clip * std))
    open_ended = observer.high - observer.low > 2
    return [name for name, found in zip(observer.names, far & open_ended, strict=True) if found]


def after_the_end(total: int, calls: float) -> str:
    """What is said of a run that goes on after so many updates; `calls` are those of `step` for each step of G."""
    often = f"; each call of step() counts, and there were {calls:.1f} for each step of G" if calls >= 1.5 else ""
    return f"the run is longer than total_steps={total}: the knobs stay as they are{often}"


def why_kept(lacking: Collection[str], stepped: Collection[str]) -> str:
    """Why a decision can't be taken, for people.

    Args:
        lacking: averages that the policy needs, and that have no finite value.
        stepped: the players that took a step in the interval.
    """
    unread = {name: name[-1] for name in lacking if source(name) == "gradients" and name[-1] not in stepped}
    why = [f"{NAMES[player]} took no step" for player in dict.fromkeys(unread.values())]
    shown = dict.fromkeys(source(name) for name in lacking if name not in unread)
    if shown:
        why.append(f"nothing finite was shown of {', '.join(shown)}")
    return " and ".join(why)


def oddities(
    player: Player,
    seen: Mapping[str, float],
    recent: Sequence[Decision],
    logits: Logits,
    updates: int,
    unused: Collection[str],
    lost: Collection[str],
    stale: Collection[str],
) -> dict[str, str]:
    """What looks like a mistake in an interval, or lies far from the controller's training: key -> text.

    Args:
        player: what decides.
        seen: what there was to see at the interval's end.
        recent: the last `LASTING` decisions, fewer at the start.
        logits: all of them so far.
        updates: how many there were so far.
        unused: knobs that are moved, and that the loop never asked for.
        lost: arguments that were shown, but were never finite.
        stale: what should be shown once an interval, and was not.
    """
    found = dict[str, str]()
    if updates >= SURE:
        found |= _of_logits(logits)
        if len(recent) == LASTING:
            found |= _of_decisions(player, recent)
    found |= _of_what_is_shown(unused, lost, stale)
    far = [] if player.saved is None else beyond_training(player.saved, player.loop.observer, seen)
    if far:
        found["far"] = f"{player.name!r} sees what it hardly saw in its training: {', '.join(far)}"
    return found


def _of_logits(logits: Logits) -> dict[str, str]:
    """That they may be something else: key -> text, as in all of these."""
    found = {}
    if logits.lowest >= 0 and 0 < logits.highest <= 1:
        found["sigmoid"] = "all logits lie in [0, 1]: if they come after a sigmoid, pass p.logit(1e-6)"
    if logits.most == 1:
        found["single"] = "every batch of logits has one element: if that is their mean, pass the logits themselves"
    return found


def _of_decisions(player: Player, recent: Sequence[Decision]) -> dict[str, str]:
    """What lasts: logits the wrong way round, rates at their limits."""
    found = {}
    if all(decision.seen.get("separation", 0.0) < -BEHIND for decision in recent):
        labels = "if your labels are the other way round, pass them negated"
        found["inverted"] = f"logits on fake are far above those on real, for {LASTING} decisions: {labels}"
    for rate in (name for name in RATES if player.reads and name in player.moves):
        lowest, highest = player.loop.knobs.table[rate].bounds
        values = [decision.values[rate] for decision in recent]
        since = f"times yours, since update {recent[0].step}"
        if min(values) >= 0.999 * highest:
            why = f"your rate may be far too low, or {NAMES[rate[-1]]} may have no gradient left"
            found[f"limit {rate}"] = f"{rate} is at its limit, {highest:g} {since}: {why}"
        elif max(values) <= 1.001 * lowest:
            found[f"limit {rate}"] = f"{rate} is at its limit, {lowest:g} {since}: your rate may be far too high"
    return found


def _of_what_is_shown(unused: Collection[str], lost: Collection[str], stale: Collection[str]) -> dict[str, str]:
    """Knobs and arguments that the loop seems to have forgotten; see `oddities`."""
    found = {}
    if unused:
        disturbing, others = ([name for name in unused if (name in KNOBS) == inside] for inside in (True, False))
        ways = [f"{', '.join(disturbing)} by `control.augment(x)`"] if disturbing else []
        how = ", ".join([*ways, *(f'{name} by `control["{name}"]`' for name in others)])
        moved = f"the loop never asked for {', '.join(unused)}, which the controller moves"
        found["unused"] = f"{moved}: without effect until the loop applies {how}"
    if lost:
        found["lost"] = f"what was shown was never finite in an interval: {', '.join(lost)}"
    if stale:
        how = "show it where `decides_next` is true"
        found["stale"] = f"the last value counts of what was not shown anew in an interval: {', '.join(stale)}; {how}"
    return found
