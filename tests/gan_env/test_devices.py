"""Everything of a decision is on one device, tried without a GPU: on torch's `meta` device tensors have no values.

There, what mixes tensors of host and device fails, and so does what copies numbers to the host.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from populations import IMAGE_KNOBS, POINT_KNOBS
from torch import Tensor

from gan_env import GANVectorEnv, vector_env
from gan_env.config import PRESETS
from gan_env.data.bank import IMAGE_SETS
from gan_env.records import Dataset

pytestmark = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter:UserWarning")


def blank(channels: int, data_root: str, image_size: int) -> Dataset:
    images = torch.zeros(1040, channels, image_size, image_size, dtype=torch.uint8)
    return Dataset(images, images)


def no_values(columns: dict[str, Tensor]) -> dict[str, NDArray[np.float32]]:
    """In the place of the one copy to the host at a decision's end: zeros, which is all that can be known."""
    assert {column.device.type for column in columns.values()} == {"meta"}
    return {name: np.zeros(column.shape, np.float32) for name, column in columns.items()}


@pytest.mark.parametrize("preset", ["points", "digits", "fashion_mnist_8_dcgan", "photo_tiles"])
@pytest.mark.parametrize("all_knobs", [False, True])
def test_a_decision_stays_on_the_device(preset: str, all_knobs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset, updates, samples, clean logits, metric, observation, reward and ends, of every kind of presets."""
    channels = 1 if "mnist" in preset or PRESETS[preset].image_size == 8 else 3
    for name in set(PRESETS[preset].datasets) & set(IMAGE_SETS):
        monkeypatch.setitem(IMAGE_SETS, name, partial(blank, channels))
    monkeypatch.setattr(vector_env, "to_host", no_values)
    knobs = {"knobs": POINT_KNOBS if preset == "points" else IMAGE_KNOBS} if all_knobs else {}
    env = GANVectorEnv(2, preset=preset, device="meta", compile=False, updates_per_decision=1, **knobs)
    env.reset(seed=0)
    for row in range(2):  # some rows, as when one ends before the other
        env.step(np.zeros(env.action_space.shape, np.float32))  # type: ignore[arg-type]
        mask = np.arange(2) == row
        env.reset(options={"reset_mask": mask})


def test_a_tensor_of_the_host_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above can fail."""
    monkeypatch.setattr(vector_env, "to_host", no_values)
    env = GANVectorEnv(2, device="meta", compile=False, updates_per_decision=1)
    env.reset(seed=0)
    env.population.settings = replace(env.population.settings, lr_g=torch.zeros(2))
    with pytest.raises(RuntimeError, match="device"):
        env.step(np.zeros(env.action_space.shape, np.float32))  # type: ignore[arg-type]
