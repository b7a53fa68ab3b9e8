"""Your own statistic, reward term and quality metric: `python examples/own_judgement.py`."""

import numpy as np

import gan_env


def confidence(moment):
    """How far apart the discriminator's logits on real and fake are, [N]."""
    return moment.stats.logit_real - moment.stats.logit_fake


def calm(moment):
    """Minus the norm of the generator's gradient, [N]."""
    return -moment.stats.grad_g


class MeanAndSpread:
    """Distance between the means of real and generated points, and between their standard deviations."""

    def __init__(self, real):
        self.mean, self.std = real.mean(dim=0), real.std(dim=0)  # [2], computed once

    def __call__(self, samples):
        """Samples [N, S, 2] -> [N]."""
        apart = (samples.mean(dim=1) - self.mean).norm(dim=1)
        return apart + (samples.std(dim=1) - self.std).norm(dim=1)


gan_env.register_statistic("confidence", confidence, "mean logit on real minus that on fake")
gan_env.register_reward("calm", calm, low=-5.0, high=0.0, description="minus the norm of G's gradient, at least -5")
gan_env.register_metric("mean_and_spread", MeanAndSpread)

if __name__ == "__main__":
    envs = gan_env.GANVectorEnv(
        16,
        num_decisions=6,
        updates_per_decision=25,
        observation=("progress", "knobs", "confidence"),
        reward={"log_improvement": 1.0, "calm": 0.1},
        metric="mean_and_spread",
        compile=False,
    )
    envs.reset(seed=0)
    place = envs.observer.place("confidence")
    for decision in range(1, 6):
        observation, rewards, _, _, infos = envs.step(np.zeros(envs.action_space.shape, np.float32))
        metric = f"{envs.judge.metric_name} {np.exp(infos['log_metric']).mean():.3f}"
        print(f"{decision}: {metric}, confidence {observation[:, place].mean():+.2f}, reward {rewards.mean():+.3f}")
