"""A fleet on a cluster of two nodes, one of which dies: the run goes on with the same bits."""

import numpy as np
import pytest
from same import assert_same
from small_env import SMALL, make

from gan_env import Fleet

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "gan_env[ray]"')


def test_a_node_that_dies_in_the_middle_changes_nothing() -> None:
    from ray.cluster_utils import Cluster

    if ray.is_initialized():
        ray.shutdown()
    quiet = {"include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **quiet})
    try:
        second = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        env, one = Fleet([{"num_envs": 2, **SMALL}] * 2, "ray", snapshot_every=2), make(4)
        actors = [member.actor for member in env._members.members]  # type: ignore[attr-defined]
        where = [a.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id()) for a in actors]
        homes = ray.get(where)
        assert second.node_id in homes and len(set(homes)) == 2
        assert_same(env.reset(seed=0), one.reset(seed=0))
        for step in range(8):
            if step == 5:
                cluster.remove_node(second, allow_graceful=False)
                cluster.add_node(num_cpus=1)
            action = np.random.default_rng(step).uniform(-1, 1, (4, 5)).astype(np.float32)
            assert_same(env.step(action), one.step(action))
        env.close()
    finally:
        ray.shutdown()
        cluster.shutdown()
