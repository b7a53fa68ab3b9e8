"""The single environment: one row of the vector environment."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from gan_env.errors import UnknownOption
from gan_env.mdp.infos import of_row_0
from gan_env.mdp.resets import checked_actions, checked_seed
from gan_env.records import Float32
from gan_env.vector_env import GANVectorEnv


class GANEnv(gym.Env[Float32, Float32]):
    """One GAN training run is one episode; the policy turns the knobs.

    ## Description
    A GAN is trained from scratch for a fixed budget of updates: a step of the discriminator D, then one of the
    generator G, both with Adam, with the networks `architecture` (mlp, dcgan, dcgan_bn, resnet, r3gan). The budget is
    cut into `num_decisions` intervals. Before each, the policy sees statistics of the training so far and moves the
    *knobs*, hyperparameters that may change during training.

    The kind of run is the *instance*. It is drawn at `reset` from the training or the test set. By default policies
    are not told: what suits a run has to be found out from how it trains.

    | of an instance | in the preset `points` | meaning |
    |---|---|---|
    | `dataset` | one of five | what is learned |
    | `loss` | non_saturating, hinge, least_squares | adversarial loss; there are also wasserstein and relativistic |
    | `num_samples` | 30 to 65,536 | number of training samples |
    | `lr_g`, `lr_d` | 0.00003 to 0.03 each | learning rates, on which the knobs of that name are factors |
    | `beta_1` | 0 to 0.9 | momentum of both players' Adam |
    | `batch_size` | 16 to 32 | samples of each kind in an update |
    | `width_g`, `width_d` | 8 to 32 each | hidden units of G and of D (images: channels) |
    | `gain_g`, `gain_d` | 0.35 to 1.5 each | factor on the initial weights, which have the scale of He et al. 2015 |
    | `input_scale` | 0.3 to 3 | factor on what D sees, real or fake: how data are normalised |

    Numbers are drawn uniformly in the logarithm (`beta_1`: uniformly) and independently.

    G is judged with the running average of its weights. Held-out data are split in two: one half (*validation*) gives
    observation, reward and end, and should guide choices; the other gives the `score`, which is reported.

    ## Action space
    `Box(-1, 1, (K,), float32)`, one entry per knob. Every knob has a coordinate u in [0, 1], which spans its range.

    | mode | effect |
    |---|---|
    | `delta` (default) | u moves by `max_change` times the action (0.2 of the range at most) |
    | `absolute` | u becomes (action + 1) / 2 |
    | `steps`, `balanced`, `limited` | as `delta`, but `lr_g` and `lr_d` follow the sizes of steps or weights (below) |

    In the mode `steps` an action a of `lr_g` or `lr_d` sets a target step size, whatever the network: the norm of an
    update over that of the weights is to be 10^(-3.52 + 2.52 (a + 1) / 2), which is 3e-4 to 0.1. The rate becomes lr
    (target / measured)^0.5, where measured is the root mean square over the last interval; u moves by `max_change`
    at most. LARS (You et al. 2017, arXiv:1708.03888) fixes this ratio for each layer. In the modes `balanced` and
    `limited` the rate becomes 3^a (a third to three) times the one that the rule `steady_walk` or `limited_walk` wants
    (gan_env/mdp/steps.py), as far as `max_change` allows: the action 0 plays the rule.

    A policy chooses where the knobs start, before anything is trained: the first action moves u by `max_first_change`
    times the action (by default up to the whole range). There are no steps to measure yet, so in the mode `steps` it is
    a delta, too. In the other two modes it acts as later ones do, by `max_first_change` at most.

    | knob | range | scale | start | meaning |
    |---|---|---|---|---|
    | `instance_noise` | 0 to 1 | logarithmic from 0.03 | 0.03 | std of Gaussian noise on D's inputs, in units of data |
    | `latent_noise` | 0.1 to 2 | logarithmic | 1 | std of z in training |
    | `augment` | 0 to 1 | linear | 0.25 | probability of each differentiable augmentation of D's inputs |
    | `rotate`, `flip`, `translate`, `color`, `cutout` | 0 to 1 | linear | 0 | its probability, on top of `augment` |
    | `augment_strength` | 0 to 1 | linear | 1 | factor on the sizes of augmentations: shift, colour, hole, angle |
    | `pseudo` | 0 to 1 | linear | 0 | probability of showing D a fake as if it were real (APA) |
    | `r1`, `r2` | 0 to 30 | logarithmic from 0.003 | 1, 0 | gamma in gamma/2 E[norm(grad D(x))^2] on real, on fake |
    | `gp` | 0 to 100 | logarithmic from 0.1 | 0 | lambda in lambda E[(norm(grad D(x)) - 1)^2] between real and fake |
    | `spectral` | 0 to 1 | linear | 0 | D's weights are divided by sigma to this power; 1 is spectral normalisation |
    | `lr_g`, `lr_d` | 0.01 to 10 | logarithmic | 1 | factors on the instance's learning rates |

    `knobs=(...)` are controlled, by default `instance_noise`, `augment`, `r1`, `lr_g` and `lr_d`; the others keep their
    start or the value in `initial_knobs`. At 0 (of `latent_noise`, `augment_strength`, `lr_g` and `lr_d`: at 1) a knob
    does nothing. The parts of `augment` are explained in `gan_env.gan.augment`; points have `rotate` alone.

    ## Observation space
    `Box((F,), float32)` within [-10, 10], one entry per statistic of `gan_env.mdp.statistics.statistics`; names are
    in `env.unwrapped.observation_names`, and those of the action's knobs in `env.unwrapped.action_names`. Groups
    (switched by `observation=(...)`): `progress`; `knobs`; `logits` (of D on real and fake, ADA's r_t); `validation`
    (D's logits on training and validation samples, undisturbed); `losses` and their spread; `gradients` (norms, ratio);
    `slope` (of D at real samples, as in R1); `steps` (their size beside the weights', and whether gradients agree with
    those before); `quality` (log metric, its change, collapse signal); and, not by default, `balance` (of the players:
    how far logits are apart in units of their spread, the ratio of steps), `walk` (the size of steps in units of an
    equally long random walk's), `balanced` and `limited` (learning rates in units of what the rules `steady_walk` and
    `limited_walk` want), `response` (how far a step of D moves its logits on fakes in units of their spread, and on how
    many samples its loss is flat), `changes` (of gradient norms since the first interval), `size` (how many weights
    both networks and updates the run have) and `context` (the instance without its data set; the loss as a 1 among 0s).
    What is in `steps`, `balance`, `walk`, `balanced`, `limited`, `changes` and `size`, and the `push_d` of `response`,
    means the same in every network, data set and loss.

    ## Reward
    A weighted sum of terms, `reward={name: weight}`. m is the quality metric against validation data. Points: sliced
    Wasserstein distance. Images: Frechet distance in the features of a small classifier (not Inception FID).
    Data sets, statistics, terms and metrics of your own: `gan_env.register_...` (docs/extend.md).

    | term | value of a decision |
    |---|---|
    | `log_improvement` (default) | log m(t-1) - log m(t): scale-free; undiscounted it sums to the run's whole gain |
    | `improvement` | (m(t-1) - m(t)) / m(0) |
    | `final_log` | log m(0) - log m(T), at the last decision; else 0 |
    | `loss_spread` | minus the standard deviation of both losses within the interval, at least -10 |
    | `collapse` | minus the missing diversity: log spread of the samples over that of the data, at most 0 |

    ## Starting state
    Freshly initialised networks; knobs at their initial values, or at those of `reset(options={"knobs": {...}})`.
    `reset(options={"instance": ...})` pins the instance for this and later runs, until another is given, or None: then
    it is drawn again. It takes a place in the set, an `Instance`, or a mapping of the fields in which it differs from
    the first of the set. In the first observation the statistics of training are 0, or -6 where they are logarithms
    (spread of losses, gradient norms, steps, penalty). `clean_train` and `overfitting`, which need no training, are
    those of the untrained D.

    ## Episode end
    The budget is part of the task and progress is observed: the last decision *terminates*. A run whose losses or
    weights are not finite or exceed 10,000, or whose log m has risen by `crash_penalty` since the start, has *crashed*
    and terminates at once. The crash law: a crash costs more than the rest of the run could have lost without it,
    whatever the reward. Its last reward is minus `crash_penalty` (4) and minus what the run had gained; with rewards
    other than the default it is the lowest sum that the remaining decisions could have brought, if that is lower. So
    the return is at most `-crash_penalty`. Its observation is the last good one. Never truncated. After the end `step`
    is refused until the next `reset`.

    ## Information
    | name | value |
    |---|---|
    | `log_metric` | log m |
    | `score` | the same against the other half of the held-out data: report this one |
    | `collapse` | log spread of the samples over that of the data; negative when modes collapse |
    | `modes`, `high_quality` | points: share of modes that have a sample within 3 std, of samples that have a mode |
    | `coverage` | images: share of real images that have a sample nearer than their fifth nearest real one |
    | `loss_d`, `loss_g` | adversarial losses, means over the interval |
    | `crashed` | whether the run has crashed, bool |
    | `knob_NAME` | value of each controlled knob |

    After `reset` there are the first two, and

    | name | value |
    |---|---|
    | `gan_seed` | the seed of the GAN, int |
    | `instance` | a dict of what an instance has |

    After a crash the first two are the untrained generator's plus `crash_penalty`, `collapse` is -inf, shares are 0 and
    losses NaN.

    ## Rendering
    `render_mode="rgb_array"`: samples (points over the data, images as a grid) beside the curves of the metric and the
    knobs so far, uint8 [432, 768, 3].

    Args:
        preset: a name in `gan_env.PRESETS`, such as "points" or "cifar10".
        render_mode: None or "rgb_array".
        **overrides: fields of `gan_env.config.EnvConfig`.

    Attributes:
        observation_names, action_names: of the entries of an observation and of an action.
        vector: the vector environment of one row behind it; its notes on copies and snapshots hold here too.

    Example:
        >>> import gymnasium as gym, gan_env
        >>> env = gym.make("gan_env/Points-v1", num_decisions=2, updates_per_decision=1, compile=False)
        >>> obs, info = env.reset(seed=0)
        >>> obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
        >>> terminated, truncated, info["crashed"]
        (False, False, False)
    """

    metadata: dict[str, Any] = GANVectorEnv.metadata

    def __init__(self, preset: str = "points", render_mode: str | None = None, **overrides: Any) -> None:
        for name in ("num_envs", "autoreset_mode"):
            if name in overrides:
                raise UnknownOption(f"{name}={overrides[name]!r}: a single environment has no {name}; see gym.make_vec")
        self.vector = GANVectorEnv(1, preset, AutoresetMode.DISABLED, render_mode=render_mode, **overrides)
        self.render_mode = render_mode
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self.observation_names, self.action_names = self.vector.observation_names, self.vector.action_names

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, dict[str, Any]]:
        """Starts a run; all its random numbers come from `seed`, and the class says what `options` may have."""
        seed = checked_seed(seed)
        obs, infos = self.vector.reset(seed=seed, options=options)
        super().reset(seed=seed)
        return obs[0], of_row_0(infos)

    def step(self, action: Float32) -> tuple[Float32, float, bool, bool, dict[str, Any]]:
        """Moves the knobs and trains for one interval."""
        actions = checked_actions(action, self.action_space.shape)[None]
        obs, reward, terminated, truncated, infos = self.vector.step(actions)
        return obs[0], float(reward[0]), bool(terminated[0]), bool(truncated[0]), of_row_0(infos)

    def render(self) -> NDArray[np.uint8] | None:  # type: ignore[override]
        """A picture, uint8 [H, W, 3]: samples beside the curves so far; None without a render mode."""
        pictures = self.vector.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Ends the environment: it can't be used any more."""
        self.vector.close()

    def samples(self, count: int) -> Float32:
        """Samples of the averaged generator from fixed latents: [count, *shape]."""
        samples: Float32 = self.vector.samples(count)[0]
        return samples
