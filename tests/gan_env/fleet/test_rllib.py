"""RLlib's PPO trains on a fleet in the way in which it takes any vector environment."""

from typing import Any

import numpy as np
import pytest
from small_env import SMALL

from gan_env import Fleet

pytest.importorskip(
    "ray.rllib", reason="RLlib is not installed: it pins gymnasium, so it has an environment of its own"
)


def test_rllib_trains_on_a_fleet() -> None:
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.tune import register_env

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    members: list[dict[str, Any]] = [{"num_envs": 2, **SMALL}, SMALL]
    try:
        register_env("fleet", lambda _: Fleet(members, autoreset_mode="NEXT_STEP"))
        config = (
            PPOConfig()
            .environment("fleet")
            .env_runners(num_env_runners=0, num_envs_per_env_runner=3, gym_env_vectorize_mode="vector_entry_point")
            .training(train_batch_size=24, minibatch_size=8, num_epochs=1)
        )
        algorithm = config.build_algo()
        result = algorithm.train()
        algorithm.stop()
    finally:
        ray.shutdown()
    assert result["env_runners"]["episode_len_mean"] == SMALL["num_decisions"]
    assert np.isfinite(result["env_runners"]["episode_return_mean"])
    assert result["env_runners"]["num_env_steps_sampled"] >= 24
