"""Fair comparison: `run_episodes(policy, env, seeds)` plays any policy on the same instances and GAN seeds.

`rollout` and `side_by_side` play one policy or many, `intervals` has the statistics of their scores, `seeds` the table
of seed ranges; `run_summary`, `pictures` and `evaluator` (FID and other published metrics) judge single runs.
"""

from gan_env.evaluation.intervals import probability_of_improvement, stratified_gain, summarize
from gan_env.evaluation.rollout import Episodes, run_episodes

__all__ = ["Episodes", "probability_of_improvement", "run_episodes", "stratified_gain", "summarize"]
