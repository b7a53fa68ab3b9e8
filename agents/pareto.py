"""Quality against stability: trains PPO with a stability term of several weights, and shows where each ends.

    python agents/pareto.py                                 # the spread of the losses, 2-D points
    python agents/pareto.py term=collapse weights=[0,0.1,1]
    python agents/pareto.py resume=logs/pareto/gan_env-Points-v1_1

The reward is the environment's, plus `term` at the given weight; terms: gan_env/mdp/rewards.py.
"""

import shlex
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from matplotlib.figure import Figure

from agents.learning.controllers import load_controller, train
from agents.learning.options import TrainOptions
from agents.learning.run_folder import RunFolder, checked_options
from agents.train_ppo import PPOOptions
from baselines.options import script
from gan_env import GANVectorEnv
from gan_env.config import env_config
from gan_env.errors import continued_by, require
from gan_env.evaluation.intervals import summarize
from gan_env.evaluation.rollout import kept_episodes, run_episodes
from gan_env.evaluation.seeds import TEST
from gan_env.files import locked, write_atomically, write_json, write_text
from gan_env.mdp.rewards import REWARDS
from gan_env.policies.presets import load_policy
from gan_env.policies.steering import Policy


@dataclass(frozen=True)
class ParetoOptions(TrainOptions):
    """Options of the sweep, besides the options of `agents/train_ppo.py`, which hold for each training.

    Attributes:
        term: the reward term that is traded for quality.
        weights: its weights, one training each.
    """

    term: str = "loss_spread"
    weights: tuple[float, ...] = (0.0, 0.3, 1.0, 3.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(not self.members, "members", sorted(self.members), "none: the sweep is in one environment")
        require(self.term in REWARDS, "term", self.term, f"one of {sorted(REWARDS)}")
        different = len({f"{weight:g}" for weight in self.weights}) == len(self.weights) > 0  # as folders are named
        require(different, "weights", self.weights, "at least one, none twice (six digits count)")


def sweep(options: ParetoOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains one controller per weight and judges all of them, and constant knobs, on the same test runs.

    Returns:
        Per controller `quality` (final score, lower is better) and `stability` (the term's sum over the run, higher is
        better), each with `n`, `iqm` and `ci95`, and `crashes`. A crash counts with its penalty in both.
    """
    size = options.comparison
    judged = {**options.env, "split": "test", "reward": {options.term: 1.0}}  # so rewards are the term itself
    env = GANVectorEnv(size.rows, autoreset_mode=AutoresetMode.DISABLED, **judged)
    seeds, instances = range(TEST, TEST + size.instances * size.gan_seeds), [*range(size.instances)] * size.gan_seeds

    def judge(name: str, policy: Policy) -> dict[str, Any]:
        kept = folder.path / f"evaluations/{name}.npz"
        episodes = kept_episodes(kept, partial(run_episodes, policy, env, seeds, instances))
        quality, stability = summarize(episodes.final), summarize(episodes.rewards.sum(axis=1))
        return {"quality": quality, "stability": stability, "crashes": int(episodes.crashed.sum())}

    found = {"constant knobs": judge("fixed", load_policy("fixed").make(env))}
    usual = env_config(**options.env).reward
    for weight in options.weights:
        name = f"weight_{weight:g}"
        env_options, own = {**options.env, "reward": {**usual, options.term: weight}}, folder.path / name
        train("ppo", TrainOptions(options.agent, env_options, size, options.seed), RunFolder(own, folder.name))
        found[f"weight {weight:g}"] = judge(name, load_controller(own, env))
    return {"term": options.term, "metric": env.judge.metric_name, "controllers": found}


def table(summary: dict[str, Any]) -> str:
    """The sweep as text."""
    lines = [f"{'controller':<16} {'final log metric':>26} {summary['term']:>26} {'crashes':>8}"]

    def shown(part: dict[str, Any]) -> str:
        return f"{part['iqm']:>8.3f} [{part['ci95'][0]:>7.3f},{part['ci95'][1]:>7.3f}]"

    for name, row in summary["controllers"].items():
        lines.append(f"{name:<16} {shown(row['quality']):>26} {shown(row['stability']):>26} {row['crashes']:>8}")
    return "\n".join(lines)


def figure(summary: dict[str, Any]) -> Figure:
    """Quality against stability, a cross of 95 % intervals each: better is to the lower right."""
    drawn = Figure(figsize=(6.4, 4.8), layout="constrained")
    axis = drawn.subplots()
    for name, row in summary["controllers"].items():
        x, y = row["stability"]["iqm"], row["quality"]["iqm"]
        across, along = (np.abs(np.array([row[k]["ci95"]]).T - row[k]["iqm"]) for k in ("stability", "quality"))
        axis.errorbar(x, y, xerr=across, yerr=along, fmt="o", capsize=3, label=name)
    axis.set(xlabel=f"{summary['term']}, summed over the run", ylabel=f"final log of the {summary['metric']}")
    axis.set_title("interquartile means and 95 % intervals; better: to the lower right", fontsize=9)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return drawn


@script("pareto", ParetoOptions(PPOOptions()), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Trains with each weight, then draws quality against stability."""
    options, resumed = checked_options("pareto", ParetoOptions(PPOOptions()), fields)
    folder = resumed or RunFolder.new("pareto", options)
    with locked(folder.path), continued_by(shlex.join(["python", "agents/pareto.py", f"resume={folder.path}"])):
        folder.begin("pareto", options)
        summary = sweep(options, folder)
        text = table(summary)
        write_json(folder.path / "summary.json", summary)
        write_text(folder.path / "table.txt", text + "\n")
        write_atomically(folder.path / "pareto.png", partial(figure(summary).savefig, dpi=130))
    print(f"\n{text}\n\n{folder.path}")


if __name__ == "__main__":
    main()
