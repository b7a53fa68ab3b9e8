"""GAN training as a Gymnasium environment: a policy turns the knobs while the run goes on.

The ground: `config`, `strict`, `instance_lists`, `errors`, `resume`, `files`, `records`, `saved_controller`, `seeding`,
`workers`. The environment: `vector_env` (many GANs), `env` (one), `fleet` (many vector environments as one, here or on
Ray). What users add: `registration`.
"""

from gymnasium.envs.registration import register, registry

from gan_env.config import PRESETS, EnvConfig
from gan_env.env import GANEnv
from gan_env.errors import ConfigError, DataError
from gan_env.fleet import Fleet, FleetError
from gan_env.instance_lists import Instance, save_instances
from gan_env.mdp.knobs import DynamicParameter
from gan_env.records import Dataset, Moment
from gan_env.registration import (
    register_dataset,
    register_metric,
    register_points,
    register_policy,
    register_reward,
    register_schedule,
    register_statistic,
)
from gan_env.vector_env import GANVectorEnv

__all__ = [
    "PRESETS",
    "ConfigError",
    "DataError",
    "Dataset",
    "DynamicParameter",
    "EnvConfig",
    "Fleet",
    "FleetError",
    "GANEnv",
    "GANVectorEnv",
    "Instance",
    "Moment",
    "register_dataset",
    "register_metric",
    "register_points",
    "register_policy",
    "register_reward",
    "register_schedule",
    "register_statistic",
    "save_instances",
]

ENV_IDS = {
    "gan_env/GANTraining-v1": {},
    "gan_env/Points-v1": {"preset": "points"},
    "gan_env/FashionMNIST-v1": {"preset": "fashion_mnist"},
    "gan_env/MNIST-v1": {"preset": "mnist"},
    "gan_env/CIFAR10-v1": {"preset": "cifar10"},
    "gan_env/PhotoTiles-v1": {"preset": "photo_tiles"},
    "gan_env/CelebA-v1": {"preset": "celeba"},
    "gan_env/LSUN-v1": {"preset": "lsun"},
}

for _id, _kwargs in ENV_IDS.items():
    if _id not in registry:
        register(_id, "gan_env.env:GANEnv", vector_entry_point="gan_env.vector_env:GANVectorEnv", kwargs=_kwargs)
