"""EvoTorch plays each solution in a row of its own: `python examples/libraries/rows_evotorch.py`."""

import gymnasium as gym
from evotorch.algorithms import PGPE
from evotorch.neuroevolution import VecGymNE

import gan_env  # registers its ids


def rows(num_envs):
    """As many rows as there are solutions."""
    return gym.make_vec("gan_env/Points-v1", num_envs=num_envs)


problem = VecGymNE(rows, "Linear(obs_length, act_length)")
rates = {"center_learning_rate": 0.1, "stdev_learning_rate": 0.1, "stdev_init": 0.5}
searcher = PGPE(problem, popsize=12, distributed=False, **rates)
searcher.run(2)
print(f"best return of {searcher.step_count} generations: {searcher.status['best_eval']:.3f}")
