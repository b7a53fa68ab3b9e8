"""EvoTorch plays one environment after the other, by id: `python examples/libraries/by_id_evotorch.py`."""

from evotorch.algorithms import SNES
from evotorch.neuroevolution import GymNE

import gan_env  # registers its ids

problem = GymNE("gan_env/Points-v1", "Linear(obs_length, act_length)", observation_normalization=True)
searcher = SNES(problem, stdev_init=0.5, popsize=12)
searcher.run(1)
print(f"best return of {searcher.step_count} generation: {searcher.status['best_eval']:.3f}")
