"""GAN training as a Gymnasium environment: a policy turns the knobs while the run goes on.

Used by everything: `config`, `strict`, `instance_lists`, `errors`, `resume`, `files`, `records`, `saved_controller`,
`seeding`, `workers`. The environment: `vector_env` (many GANs), `env` (one), `fleet` (many vector environments as one,
here or on Ray). What users add: `registration`. What they have trained: `policies.saving`. In one's own training loop:
`controller`.

What is below is imported when it is asked for, so that `gan_env.controller` needs neither Gymnasium nor data.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_env.config import PRESETS as PRESETS
    from gan_env.config import EnvConfig as EnvConfig
    from gan_env.env import GANEnv as GANEnv
    from gan_env.errors import ConfigError as ConfigError
    from gan_env.errors import DataError as DataError
    from gan_env.fleet import Fleet as Fleet
    from gan_env.fleet import FleetError as FleetError
    from gan_env.instance_lists import Instance as Instance
    from gan_env.instance_lists import save_instances as save_instances
    from gan_env.mdp.knobs import DynamicParameter as DynamicParameter
    from gan_env.policies.saving import save_controller as save_controller
    from gan_env.records import Dataset as Dataset
    from gan_env.records import Moment as Moment
    from gan_env.registration import register_dataset as register_dataset
    from gan_env.registration import register_metric as register_metric
    from gan_env.registration import register_points as register_points
    from gan_env.registration import register_policy as register_policy
    from gan_env.registration import register_reward as register_reward
    from gan_env.registration import register_schedule as register_schedule
    from gan_env.registration import register_statistic as register_statistic
    from gan_env.vector_env import GANVectorEnv as GANVectorEnv

_HOMES = {
    "config": ("PRESETS", "EnvConfig"),
    "env": ("GANEnv",),
    "errors": ("ConfigError", "DataError"),
    "fleet": ("Fleet", "FleetError"),
    "instance_lists": ("Instance", "save_instances"),
    "mdp.knobs": ("DynamicParameter",),
    "policies.saving": ("save_controller",),
    "records": ("Dataset", "Moment"),
    "registration": (
        "register_dataset",
        "register_metric",
        "register_points",
        "register_policy",
        "register_reward",
        "register_schedule",
        "register_statistic",
    ),
    "vector_env": ("GANVectorEnv",),
}
"""Module -> the names of it that are the package's."""
__all__ = [name for names in _HOMES.values() for name in names]


def __getattr__(name: str) -> Any:
    """Imports a name of `_HOMES` (PEP 562)."""
    for module, names in _HOMES.items():
        if name in names:
            globals()[name] = found = getattr(import_module(f"gan_env.{module}"), name)
            return found
    raise AttributeError(f"module 'gan_env' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


ENV_IDS = {
    "gan_env/GANTraining-v1": {},
    "gan_env/Points-v1": {"preset": "points"},
    "gan_env/Digits-v1": {"preset": "digits"},
    "gan_env/FashionMNIST8-v1": {"preset": "fashion_mnist_8"},
    "gan_env/FashionMNIST8DCGAN-v1": {"preset": "fashion_mnist_8_dcgan"},
    "gan_env/FewImages-v1": {"preset": "few_images"},
    "gan_env/MNIST8-v1": {"preset": "mnist_8"},
    "gan_env/PhotoTiles8-v1": {"preset": "photo_tiles_8"},
    "gan_env/FashionMNIST-v1": {"preset": "fashion_mnist"},
    "gan_env/MNIST-v1": {"preset": "mnist"},
    "gan_env/CIFAR10-v1": {"preset": "cifar10"},
    "gan_env/PhotoTiles-v1": {"preset": "photo_tiles"},
    "gan_env/CelebA-v1": {"preset": "celeba"},
    "gan_env/LSUN-v1": {"preset": "lsun"},
}

try:
    from gymnasium.envs.registration import register, registry
except ModuleNotFoundError:  # a controller in one's own loop is all that can be had then
    pass
else:
    for _id, _kwargs in ENV_IDS.items():
        if _id not in registry:
            register(_id, "gan_env.env:GANEnv", vector_entry_point="gan_env.vector_env:GANVectorEnv", kwargs=_kwargs)
