"""What a study's figures say, as sentences: each follows from an interval by a rule, so none says more than it may."""

from typing import Any

import numpy as np

from agents.readout import RATES_REPLAY, REPLAY
from agents.study import BEST
from agents.study_options import HELD_OUT

TARGET = (0.75, 0.6)
"""The project's target for the probability of improvement: the estimate, and the lower end of its interval."""
SIGNIFICANT = 0.05


def conclusions(summary: dict[str, Any]) -> list[str]:
    """All sentences, the most important one first."""
    rows, learned = summary["settings"][HELD_OUT]["policies"], summary["learned"]
    mine = rows[learned]
    parts = [
        _against(f"On held-out instances {learned}", "the best tuned schedule", mine["gain"]),
        _target(mine["probability"]),
        _feedback(learned, mine["feedback"]["gain"]),
        *_rates(learned, mine),
        *([_oracle(rows["oracle"]["gain"], mine["against_oracle"]["gain"])] if "oracle" in rows else []),
        *([_seeds(learned, mine)] if mine["seeds"] > 1 else []),
        *_others(rows, learned),
        _crashes(learned, mine, rows[BEST]),
        *(_transfer(name, setting["policies"], learned) for name, setting in summary["settings"].items()
          if name != HELD_OUT),
        *map(_ablation, summary["ablations"]),
        *(_break_even(learned, name, found) for name, found in summary["break_even"].items()),
        _failures(learned, summary["failures"]),
    ]  # fmt: skip
    return parts


def verdict(gain: dict[str, Any]) -> int:
    """1 where the interval is above 0 (better), -1 below, 0 where it holds 0."""
    low, high = gain["ci95"]
    return int(low > 0) - int(high < 0)


def shown(gain: dict[str, Any]) -> str:
    """A gain and its interval."""
    low, high = gain["ci95"]
    return f"{gain['value']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _against(who: str, whom: str, gain: dict[str, Any]) -> str:
    numbers = f"{shown(gain)} in the final log metric"
    if verdict(gain) == 0:
        return f"{who} is not told apart from {whom}: {numbers}."
    percent = abs(np.expm1(-gain["value"]))
    how = ("better", "lower") if verdict(gain) > 0 else ("worse", "higher")
    return f"{who} is {how[0]} than {whom}: {numbers}, so the metric itself is about {percent:.1%} {how[1]}."


def _target(chance: dict[str, Any]) -> str:
    (low, high), (value, end) = chance["ci95"], TARGET
    met = chance["value"] >= value and low > end
    return (
        f"A run of it is better than one of the tuned schedule on the same instance with probability "
        f"{chance['value']:.2f} [{low:.2f}, {high:.2f}]; the target, at least {value} with the lower end above {end}, "
        f"is {'met' if met else 'not met'}."
    )


def _feedback(learned: str, gain: dict[str, Any]) -> str:
    words = {
        1: "Feedback pays: {0} is better than its own mean trajectory played open loop",
        0: "That feedback pays is not shown: {0} is not told apart from its own mean trajectory played open loop",
        -1: "Feedback costs: {0} is worse than its own mean trajectory played open loop",
    }
    return f"{words[verdict(gain)].format(learned)}, {shown(gain)}."


def _rates(learned: str, mine: dict[str, Any]) -> list[str]:
    """What is left when schedules, too, may undo the learning rates that a run was started with."""
    parts = []
    if "against_rates" in mine:
        gain, chance = mine["against_rates"]["gain"], mine["against_rates"]["probability"]
        who = f"Where a schedule sets learning rates themselves, and not factors on those of the run, {learned}"
        low, high = chance["ci95"]
        parts.append(
            f"{_against(who, 'it', gain)} Probability of improvement: {chance['value']:.2f} [{low:.2f}, {high:.2f}]."
        )
    if "feedback_beyond_rates" in mine:
        whom = "its own mean trajectory of learning rates themselves"
        parts.append(_against(f"{learned}", whom, mine["feedback_beyond_rates"]["gain"]))
    return parts


def _oracle(oracle: dict[str, Any], mine: dict[str, Any]) -> str:
    best = "the oracle, which has the best schedule for each instance by itself"
    return f"{_against('A schedule chosen for each instance', 'the tuned one for all', oracle)} " + _against(
        "The learned policy", best, mine
    )


def _seeds(learned: str, row: dict[str, Any]) -> str:
    ends = min(row["by_seed"]), max(row["by_seed"])
    return (
        f"The {row['seeds']} trainings of {learned} end between {ends[0]:.3f} and {ends[1]:.3f} (interquartile means; "
        f"standard deviation {row['spread_over_seeds']:.3f})."
    )


def _others(rows: dict[str, dict[str, Any]], learned: str) -> list[str]:
    """Who else is better than the tuned schedule, and who is worse than constants would suggest."""
    left_out = (learned, learned + REPLAY, learned + RATES_REPLAY, BEST, "oracle")
    better = [name for name, row in rows.items() if name not in left_out and verdict(row["gain"]) > 0]
    if not better:
        return ["No other policy is better than the tuned schedule."]
    listed = ", ".join(f"{name} ({shown(rows[name]['gain'])})" for name in better)
    return [f"Also better than the tuned schedule: {listed}."]


def _crashes(learned: str, mine: dict[str, Any], other: dict[str, Any]) -> str:
    return (
        f"Crashed runs, which count with their penalty: {mine['crashes']} of {mine['n']} with {learned}, "
        f"{other['crashes']} of {other['n']} with the tuned schedule; collapsed ones: {mine['collapse_rate']:.1%} and "
        f"{other['collapse_rate']:.1%}."
    )


def _transfer(setting: str, rows: dict[str, dict[str, Any]], learned: str) -> str:
    """The controllers that are made for this setting alone, or the learned one."""
    made = [n for n in rows if "gain" in rows[n] and rows[n].get("ablation") and n != learned]
    name = made[0] if made else learned
    return _against(f"Transfer without retraining, {setting}: {name}", "the tuned schedule", rows[name]["gain"])


def _ablation(row: dict[str, Any]) -> str:
    words = {1: "better than", 0: "not told apart from", -1: "worse than"}
    return (
        f"{row['name']} is {words[verdict(row['gain'])]} {row['varies']}: {shown(row['gain'])}, {row['seeds']} seeds."
    )


def _break_even(learned: str, name: str, found: dict[str, Any]) -> str:
    saved = found["saved_per_run"]
    numbers = f"{saved['value']:.0f} [{saved['ci95'][0]:.0f}, {saved['ci95'][1]:.0f}] GAN updates a run"
    start = f"On the way to the metric that the tuned schedule ends at, {learned} saves {numbers} against {name}"
    if found["runs"] is None:
        return f"{start}: not shown to be above 0, so that training it pays off is not shown."
    return f"{start}; training it has paid for itself after {found['runs']:,} runs."


def _failures(learned: str, failures: dict[str, Any]) -> str:
    explained = failures["explained"]
    clear = {n: e for n, e in explained.items() if e["p"] < SIGNIFICANT / max(len(explained), 1)}
    worst = failures["worst"][0]
    start = f"{learned} loses most on instance {worst['instance']} ({worst['dataset']}), by {-worst['gain']:.3f}"
    if worst["gain"] >= 0:
        start = f"{learned} loses on no instance on average"
    if not clear:
        return f"{start}; no feature of the instances explains its gain beyond chance."
    reasons = [
        f"{'grows' if e['correlation'] > 0 else 'falls'} with {name} (rank correlation {e['correlation']:+.2f})"
        for name, e in clear.items()
    ]
    return f"{start}; over the instances its gain {' and '.join(reasons)}."
