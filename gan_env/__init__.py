"""GAN training as a Gymnasium environment: a policy turns the knobs while the run goes on.

The ground: `config`, `errors`, `resume`, `files`, `records`, `saved_controller`, `seeding`, `workers`.
The environment: `vector_env` (many GANs), `env` (one). In one's own training loop: `controller`.

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
    from gan_env.mdp.instances import Instance as Instance
    from gan_env.mdp.knobs import DynamicParameter as DynamicParameter
    from gan_env.vector_env import GANVectorEnv as GANVectorEnv

_HOMES = {
    "config": ("PRESETS", "EnvConfig"),
    "env": ("GANEnv",),
    "errors": ("ConfigError", "DataError"),
    "mdp.instances": ("Instance",),
    "mdp.knobs": ("DynamicParameter",),
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
    "gan_env/GANTraining-v0": {},
    "gan_env/Points-v0": {"preset": "points"},
    "gan_env/FashionMNIST-v0": {"preset": "fashion_mnist"},
    "gan_env/MNIST-v0": {"preset": "mnist"},
    "gan_env/CIFAR10-v0": {"preset": "cifar10"},
    "gan_env/PhotoTiles-v0": {"preset": "photo_tiles"},
    "gan_env/CelebA-v0": {"preset": "celeba"},
    "gan_env/LSUN-v0": {"preset": "lsun"},
}

try:
    from gymnasium.envs.registration import register, registry
except ModuleNotFoundError:  # a controller in one's own loop is all that can be had then
    pass
else:
    for _id, _kwargs in ENV_IDS.items():
        if _id not in registry:
            register(_id, "gan_env.env:GANEnv", vector_entry_point="gan_env.vector_env:GANVectorEnv", kwargs=_kwargs)
