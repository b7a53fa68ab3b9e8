"""What a study's figures say, as sentences: each follows from an interval by a rule, so none says more than it may."""

from typing import Any

from agents.page.wording import BETTER, compared, other_intervals, over, schedule, shown, verdict
from agents.study.options import BASE, BEST, HELD_OUT
from agents.study.readout import controller_of
from baselines.search.oracle import AGAIN

TARGET_LOW, TARGET_SEEDS, GAIN_SEEDS, TUNINGS = 0.6, 5, 3, 2
"""Where a study aims at a probability of improvement: the lower end of its interval, and trainings that it takes;
trainings where it aims at a gain; and tunings of the opponent in either case."""
SIGNIFICANT = 0.05
ONCE = " That schedule was tuned once: how much of a gain over it is luck of its tuning is in no interval."
FEEDBACK = "Feedback is acting on all that it observes, the numbers of the instance included where it is shown them."


def conclusions(summary: dict[str, Any]) -> list[str]:
    """All sentences, the most important one first."""
    rows, learned = summary["settings"][HELD_OUT]["policies"], summary["learned"]
    mine = rows[learned]
    parts = [
        *([f"{learned} corrects a tuned opponent of the kind {summary['base']}."] if summary["base"] else []),
        compared(f"On held-out instances {learned}", "the tuned schedule", mine["gain"]),
        _target(summary, mine),
        *_tunings(summary),
        *_rates(summary, mine),
        *_feedback(learned, mine),
        *_corrected(rows, learned),
        *_oracle(summary, rows, mine),
        _seeds(learned, mine),
        *_others(rows, learned),
        *_feedback_of_others(rows, learned),
        _crashes(learned, mine, rows[BEST]),
        *(sentence for name, setting in summary["settings"].items() if name != HELD_OUT
          for sentence in _transfer(name, setting["policies"], learned, summary["strongest"])),
        *map(_ablation, summary["ablations"]),
        *(_break_even(learned, name, found) for name, found in summary["break_even"].items()),
        _failures(learned, summary["failures"]),
        *_datasets(learned, summary["failures"]),
    ]  # fmt: skip
    return parts


def _target(summary: dict[str, Any], mine: dict[str, Any]) -> str:
    """What the study aims at, against the tuned schedule that is the strongest on training instances."""
    strongest = summary["strongest"]
    against = over(mine, strongest)
    chance, aim = against["probability"], summary["target"]
    low, high = chance["ci95"]
    whom, tunings = schedule(strongest), summary["settings"][HELD_OUT]["policies"][strongest]["seeds"]
    if aim is None:
        runs = f"at least {GAIN_SEEDS} trainings and {TUNINGS} tunings"
        what = f"a gain over {whom} whose intervals, by bootstrap and by t-test, are above 0 over {runs}"
        met = verdict(against["gain"]) > 0 and mine["seeds"] >= GAIN_SEEDS
    else:
        runs = f"at least {TARGET_SEEDS} trainings and {TUNINGS} tunings"
        what = f"at least {aim} with the lower end above {TARGET_LOW} over {runs}"
        met = chance["value"] >= aim and low > TARGET_LOW and mine["seeds"] >= TARGET_SEEDS
    met = met and tunings >= TUNINGS
    return (
        f"On training instances {whom} is the strongest. A run of {summary['learned']} is better than one of it on the "
        f"same instance with probability {chance['value']:.2f} [{low:.2f}, {high:.2f}]; training by training it gains "
        f"{', '.join(f'{gain:+.3f}' for gain in against['gain']['by_training'])}. The target, {what}, is "
        f"{'met' if met else 'not met'}.{'' if tunings > 1 else ONCE}"
    )


def _tunings(summary: dict[str, Any]) -> list[str]:
    """The strongest schedule's tunings one by one: who tunes several times plays the best of them."""
    learned, gains = summary["learned"], summary["by_tuning"]
    if len(gains) == 1:
        return []  # the target's sentence has said that
    whom, above = schedule(summary["strongest"]), sum(verdict(gain) > 0 for gain in gains)
    best = "the best of these tunings, picked by these very runs"
    return [
        f"Over each tuning of {whom} by itself, in order, {learned} gains {', '.join(map(shown, gains))}: it is better "
        f"than {above} of {len(gains)}. " + compared(learned, best, min(gains, key=lambda gain: float(gain["value"])))
    ]


def _rates(summary: dict[str, Any], mine: dict[str, Any]) -> list[str]:
    """The comparison with a schedule that, too, undoes the learning rates that a run was started with."""
    if "tuned_rates" not in mine["against"]:
        return []
    gain, chance = (mine["against"]["tuned_rates"][key] for key in ("gain", "probability"))
    whom = "a tuned schedule of learning rates themselves, which are not factors on those that a run was started with"
    sentence = compared(summary["learned"], whom, gain)
    if summary["strongest"] == "tuned_rates":
        return [sentence]  # the target's sentence has said the probability
    low, high = chance["ci95"]
    return [f"{sentence} The probability that a run is better: {chance['value']:.2f} [{low:.2f}, {high:.2f}]."]


def _feedback(learned: str, mine: dict[str, Any]) -> list[str]:
    """What acting on observations gains over the mean trajectory: over both where rates are averaged in two ways."""
    whole, beyond = mine["feedback"]["gain"], mine.get("feedback_beyond_rates", {}).get("gain")
    found = {"its own mean trajectory played open loop": whole}
    if beyond is not None:
        found = {
            "its own mean trajectory played open loop, with learning rates averaged as such": beyond,
            "the one with factors averaged, which can't undo the rates that a run was started with": whole,
        }
    words = {1: "Feedback pays", 0: "That feedback pays is not shown", -1: "Feedback costs"}
    parts = [f"{BETTER[verdict(g)]} {whom}, {shown(g)}{other_intervals(g)}" for whom, g in found.items()]
    verdicts = map(verdict, found.values())
    return [f"{words[min(verdicts)]}: {learned} is {', and '.join(parts)}. {FEEDBACK}"]


def _corrected(rows: dict[str, dict[str, Any]], learned: str) -> list[str]:
    """What controllers gain over what they correct, where that plays by itself."""
    found = []
    for name in (n for n, row in rows.items() if "over_base" in row):
        gain, whom = rows[name]["over_base"]["gain"], f"{name}{BASE}, which it corrects"
        if name == learned or rows[name]["seeds"] > 1:
            found.append(compared(name, whom, gain))
        else:
            found.append(f"{name} against {whom}, one training, so no verdict: {shown(gain)}.")
    return found


def picked(oracle: dict[str, int]) -> str:
    """How the oracle chooses for an instance, in words."""
    return (
        f"the best of {oracle['candidates']} candidates, picked with {_runs(oracle['runs'])} of each there and "
        f"{_runs(AGAIN * oracle['runs'])} of each of the best quarter"
    )


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _oracle(summary: dict[str, Any], rows: dict[str, dict[str, Any]], mine: dict[str, Any]) -> list[str]:
    """What choosing for each instance gains over the strongest schedule for all of them: no bound, and said so."""
    if "oracle" not in rows:
        return []
    strongest, oracle = summary["strongest"], rows["oracle"]
    gain = over(oracle, strongest)["gain"]
    best = f"the oracle, which has for each instance {picked(summary['oracle'])}"
    return [
        f"{compared('A schedule chosen for each instance', f'{schedule(strongest)} for all of them', gain)} "
        f"{compared('The learned policy', best, mine['against_oracle']['gain'])} "
        "It is no upper bound: there may be better schedules, and feedback may gain more than any."
    ]


def _seeds(learned: str, row: dict[str, Any]) -> str:
    if row["seeds"] == 1:
        return f"All that is said of {learned} rests on one training of it: another may come out otherwise."
    ends = min(row["by_seed"]), max(row["by_seed"])
    return (
        f"The {row['seeds']} trainings of {learned} end between {ends[0]:.3f} and {ends[1]:.3f} (interquartile means; "
        f"standard deviation {row['spread_over_seeds']:.3f})."
    )


def _others(rows: dict[str, dict[str, Any]], learned: str) -> list[str]:
    """Which other policies are better than the tuned schedule; one training of a controller is no verdict."""
    others = [name for name in _decided(rows) if name not in (learned, BEST, "oracle")]
    better = [name for name in others if verdict(rows[name]["gain"]) > 0]
    if not better:
        return ["No other policy is shown to be better than the tuned schedule."]
    listed = ", ".join(f"{name} ({shown(rows[name]['gain'])})" for name in better)
    return [
        f"Of the {len(others)} other policies, these are better than the tuned schedule, each by an interval of its "
        f"own, not corrected for their number: {listed}."
    ]


def _decided(rows: dict[str, dict[str, Any]]) -> list[str]:
    """All policies of which something may be said: ablations have their own sentences.

    A read-out is of as many trainings as its controller.
    """
    once = {name for name, row in rows.items() if row.get("trained") and row["seeds"] == 1}
    return [name for name, row in rows.items() if not row.get("ablation") and controller_of(name) not in once]


def _feedback_of_others(rows: dict[str, dict[str, Any]], learned: str) -> list[str]:
    """What feedback gains the other controllers over the read-out of theirs over which it gains least."""
    gains = {}
    for name in _decided(rows):
        found = [rows[name][key]["gain"] for key in ("feedback", "feedback_beyond_rates") if key in rows[name]]
        if found and name != learned:
            gains[name] = min(found, key=lambda gain: (verdict(gain), float(gain["value"])))
    words = {1: "pays for", 0: "is not shown to matter for", -1: "costs"}
    parts = []
    for sign, what in words.items():
        listed = [f"{n} ({shown(g)}{other_intervals(g, '; {}')})" for n, g in gains.items() if verdict(g) == sign]
        parts += [f"{what} {', '.join(listed)}"] if listed else []
    if not parts:
        return []
    best = "against the stronger of their own mean trajectories"
    return [f"Of the other controllers, {best}, feedback {'; it '.join(parts)}."]


def _crashes(learned: str, mine: dict[str, Any], other: dict[str, Any]) -> str:
    return (
        f"Crashed runs, which count with their penalty: {mine['crashes']} of {mine['n']} with {learned}, "
        f"{other['crashes']} of {other['n']} with the tuned schedule; collapsed ones: {mine['collapse_rate']:.1%} and "
        f"{other['collapse_rate']:.1%}."
    )


def _transfer(setting: str, rows: dict[str, dict[str, Any]], learned: str, strongest: str) -> list[str]:
    """The learned policy, and ablations that play here as well, against the tuned schedules that do."""
    away = {learned: learned, strongest: f"{schedule(strongest)}, the strongest on training instances,"}
    found = [f"In the setting {setting} {who} did not play." for name, who in away.items() if name not in rows]
    for name, row in rows.items():
        if name != learned and not row["ablation"]:
            continue
        others = (
            " (tuned on the study's training instances, the controller on others)" if row["trained_elsewhere"] else ""
        )
        sentence = f"Transfer without retraining, {setting}: {name}"
        gains = {f"{schedule(BEST)}{others}": row["gain"]}
        gains |= {schedule(other): its["gain"] for other, its in row["against"].items()}
        if row["ablation"] and row["seeds"] == 1:
            once = "one training, so no verdict"
            found += [f"{sentence} against {whom}, {once}: {shown(gain)}." for whom, gain in gains.items()]
        else:
            found += [compared(sentence, whom, gain) for whom, gain in gains.items()]
    return found


def _ablation(row: dict[str, Any]) -> str:
    mine, theirs = row["seeds"]
    if min(mine, theirs) == 1:  # what one training is worth isn't known
        trained = f"trainings {mine} against {theirs}"
        return f"{row['name']} against {row['varies']}, {trained}, so no verdict: {shown(row['gain'])}."
    return (
        f"{row['name']} is {BETTER[verdict(row['gain'])]} {row['varies']}: {shown(row['gain'])}"
        f"{other_intervals(row['gain'])}, {mine} trainings against {theirs}."
    )


def _break_even(learned: str, name: str, found: dict[str, Any]) -> str:
    """When what training took has been saved again, against an opponent that the controller is no worse than."""
    saved, gain = found["saved_per_run"], found["gain"]
    if verdict(gain) < 0:
        return f"{learned} ends worse than {name} ({shown(gain)}): there is nothing by which training it is paid back."
    numbers = f"{saved['value']:.0f} [{saved['ci95'][0]:.0f}, {saved['ci95'][1]:.0f}] GAN updates a run"
    if saved["ci95"][0] > 0 and verdict(saved) == 0:
        low, high = saved["t95"]
        numbers += f" ([{low:.0f}, {high:.0f}] by a t-test, as trainings and tunings are few)"
    start = f"On the way to the metric that {name} ends at, {learned} saves {numbers}"
    if found["runs"] is None:
        return f"{start}: not shown to be above 0, so that training it pays off is not shown."
    if found["runs"] == 0:
        return f"{start}; training it took no more GAN updates than finding that."
    return f"{start}; training it has paid for itself after {found['runs']:,} runs."


def _failures(learned: str, failures: dict[str, Any]) -> str:
    explained = failures["explained"]
    clear = {n: e for n, e in explained.items() if e["p"] < SIGNIFICANT / max(len(explained), 1)}
    worst = failures["worst"][0]
    where, whom = f"instance {worst['instance']} ({worst['dataset']})", schedule(failures["against"])
    start = f"Against {whom} {learned} loses most on {where}, by {-worst['gain']:.3f}{_error(worst)}"
    start += f", the worst of {sum(part['instances'] for part in failures['datasets'].values())}, so in part by chance"
    if worst["gain"] >= 0:
        start = f"Against {whom} {learned} loses on no instance on average"
    if not clear:
        return f"{start}; no number among the instances' fields explains its gain beyond chance."
    reasons = [
        f"{'grows' if e['correlation'] > 0 else 'falls'} with {name} (rank correlation {e['correlation']:+.2f})"
        for name, e in clear.items()
    ]
    return f"{start}; over the instances its gain {' and '.join(reasons)}."


def _datasets(learned: str, failures: dict[str, Any]) -> list[str]:
    """Where instances are of several data sets: how the gain differs between them."""
    found = failures["datasets"]
    if len(found) < 2:
        return []
    parts = [f"{name} {shown(part['gain'])}" for name, part in found.items()]
    return [f"By data set, the gain of {learned} over {schedule(failures['against'])} is: {', '.join(parts)}."]


def _error(row: dict[str, Any]) -> str:
    error = row.get("standard_error")
    return "" if error is None else f" (standard error over GAN seeds {error:.3f})"
