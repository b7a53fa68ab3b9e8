"""Trains a meta-network by bilevel optimisation, then compares it with tuned and usual schedules.

    python agents/train_meta.py                              # 2-D points
    python agents/train_meta.py agent.kind=lstm              # with memory
    python agents/train_meta.py resume=logs/meta/gan_env-Points-v1_1

No reward is used: the controller descends the gradient of a validation loss through unrolled GAN updates.
Any field of configs/ can be set on the command line, as in agent.window=25 env.num_decisions=20.
"""

from agents.meta.training import MetaOptions, train
from agents.study.training_script import training_script

main = training_script("meta", MetaOptions(), train, __doc__)

if __name__ == "__main__":
    main()
