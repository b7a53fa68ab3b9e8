"""Saves what any library trained as the folder of a controller."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_env.env import GANEnv
from gan_env.errors import require
from gan_env.files import require_writable
from gan_env.policies.learned import interface_of
from gan_env.saved_controller import Network, SavedController
from gan_env.strict import to_dict
from gan_env.vector_env import GANVectorEnv

Numbers = Sequence[float] | NDArray[Any] | Tensor


def save_controller(
    folder: str | Path,
    env: gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any],
    network: object,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    clip: float | None = None,
) -> None:
    """Saves a network that was trained by any library as a controller: two files in a folder.

    The folder plays as those of the programs in agents/ do: `policy=FOLDER` of the programs in baselines/,
    `gan_env.controller.GANController.load(FOLDER, ...)`.

    Args:
        folder: where `controller.json` and `weights.safetensors` go; those that are there are replaced.
        env: a `gan_env.GANVectorEnv` or `gan_env.GANEnv` like the one that it was trained in. It may be in Gymnasium's
            wrappers; what these do to observations and actions is not saved.
        network: what takes observations [N, F] to actions [N, K], which are clipped to [-1, 1]: `torch.nn` modules
            `Linear`, `LSTMCell`, `LSTM` (of one layer), `Tanh`, `ReLU` and `Sigmoid`, in a `Sequential` or a list, of
            which each may be a `Sequential` or list itself. Weights are copied.
        mean: what was subtracted from observations before the network saw them, [F]; None: nothing.
        std: what they were divided by then, [F]; None: nothing. A normaliser's epsilon belongs to it.
        clip: what such observations were clipped to, as their largest absolute value; None: they were not.

    Raises:
        ConfigError: the environment is another one; a layer is of another kind; sizes don't follow each other, or don't
            fit the environment; a number is out of range, or a weight not finite; or the folder can't be written to.
            Nothing is written then.
    """
    found = _vector_env(env)
    names = list(found.observer.names)
    center, scale = (_column(key, given, len(names)) for key, given in (("mean", mean), ("std", std)))
    require(bool((scale > 0).all()), "std", scale.tolist(), "numbers above 0: with the normaliser's epsilon in them")
    require(clip is None or clip > 0, "clip", clip, "a number above 0, or None")
    controller = Network.of(network, center, scale, None if clip is None else float(clip))
    broken = [name for name, tensor in controller.state_dict().items() if not tensor.isfinite().all()]
    require(not broken, "weights that are not finite", broken, "none: a network as it was before its training diverged")
    require_writable(Path(folder), "folder")
    SavedController(controller, interface_of(found, "action"), to_dict(found.config), {}).save(folder)


def _vector_env(env: Any) -> GANVectorEnv:
    """The vector environment that an environment is, or that is in it."""
    inner = getattr(env, "unwrapped", env)
    inner = inner.vector if isinstance(inner, GANEnv) else inner
    expected = "a gan_env.GANVectorEnv or gan_env.GANEnv, which may be in Gymnasium's wrappers"
    require(isinstance(inner, GANVectorEnv), "env", type(inner).__name__, expected)
    return inner  # type: ignore[no-any-return]


def _column(key: str, given: Numbers | None, length: int) -> Tensor:
    """The mean or the standard deviation, [F]; where none is given that which changes nothing."""
    if given is None:
        return torch.full((length,), float(key == "std"))
    column = torch.as_tensor(given, dtype=torch.float64, device="cpu").detach()
    fits = column.shape == (length,) and bool(column.isfinite().all())
    require(fits, key, column.tolist(), f"{length} finite numbers, one for each statistic that is observed")
    return column
