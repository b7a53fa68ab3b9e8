"""Trains a controller that adapts within a run (as in MAML), then compares it with tuned and usual schedules.

    python agents/train_maml.py
    python agents/train_maml.py agent.inner_steps=2 agent.inner_rate=0.5
    python agents/train_maml.py resume=logs/maml/gan_env-Points-v1_1

It is the first-order variant of MAML (Finn et al. 2017, arXiv:1703.03400) in which only the last layer adapts (ANIL,
Raghu et al. 2020, arXiv:1909.09157). The task is one run. At each decision inner steps descend that run's own
hypergradient, the gradient of a validation loss through unrolled GAN updates; what they change is kept until the run
ends. The outer loss is the validation loss after them, on other samples. The trained policy adapts in the same way when
it acts, which costs inner_steps x window GAN updates per decision on top of the run's own.
"""

from agents.meta.training import MetaOptions, train
from agents.study.training_script import training_script

main = training_script("maml", MetaOptions(), train, __doc__)

if __name__ == "__main__":
    main()
