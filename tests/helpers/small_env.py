"""A vector environment of short runs on points, and an action that moves nothing."""

from typing import Any

import numpy as np

from gan_env import GANVectorEnv

SMALL: dict[str, Any] = {"num_decisions": 3, "updates_per_decision": 2, "metric_samples": 64, "compile": False}


def make(rows: int = 4, **options: Any) -> GANVectorEnv:
    return GANVectorEnv(rows, **{**SMALL, **options})


def still(env: GANVectorEnv) -> Any:
    return np.zeros(env.action_space.shape, np.float32)
