"""What a fleet on Ray costs, and that it survives kills. Needs `gan_env[ray]` and two free cores.

    python tests/benchmarks/fleet.py growth [--rounds 8]    # on images of 28x28 (Debian's dataset-fashion-mnist)
    python tests/benchmarks/fleet.py kills [--kills 20]     # on points

growth: decisions of 8 rows in one process on two cores beside two actors of 4 rows on a core each, in turn, and the
bytes that Ray moves. kills: runs beside one that nobody disturbs, in each of which a random actor is killed at a random
moment; they have to end with the same bits.
"""

import argparse
import os
import pickle
import random
import signal
import statistics
import threading
import time
from typing import Any

import numpy as np
import ray
import torch

from gan_env import EnvConfig, Fleet, GANVectorEnv
from gan_env.fleet.members import Call

IMAGES: dict[str, Any] = {"preset": "fashion_mnist", "updates_per_decision": 20}
POINTS: dict[str, Any] = {"num_decisions": 4, "updates_per_decision": 40, "metric_samples": 64, "compile": False}


def growth(rounds: int) -> None:
    """Prints seconds a decision in one process and through Ray, in turn, and the bytes of a decision and a snapshot."""
    torch.set_num_threads(2)
    rows = 8
    one = GANVectorEnv(rows, **IMAGES)
    many = Fleet([{"num_envs": rows // 2, **IMAGES}] * 2, "ray", num_cpus=1, snapshot_every=10)
    still = np.zeros(one.action_space.shape or (), np.float32)
    seconds: dict[str, list[float]] = {"one process": [], "two actors": []}
    for env in (one, many):
        env.reset(seed=0)
        env.step(still)
    for _ in range(rounds):
        for name, env in zip(seconds, (one, many), strict=True):
            begin = time.perf_counter()
            result = env.step(still)
            seconds[name].append(time.perf_counter() - begin)
    for name, values in seconds.items():
        print(f"{name}: median {statistics.median(values):.3f} s a decision of {rows} rows, best {min(values):.3f} s")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"two actors over one process: median {statistics.median(ratios):.3f}, round by round")
    sent, back = len(pickle.dumps(Call("step", (still[:4],)))), len(pickle.dumps(result)) // 2
    print(f"bytes a decision of 4 rows: {sent} to an actor, {back} back; {(sent + back) / 4:.0f} a row")
    for name, env in (("28x28", one), ("points", GANVectorEnv(rows))):
        print(f"bytes of a snapshot a row, {name}: {len(pickle.dumps(env.get_state())) // rows:,}")
    many.close()


def kills(count: int) -> None:
    """Raises an AssertionError unless every disturbed run ends with the bits of the undisturbed one."""
    rows, steps, rng = [2, 1, 3], 8, random.Random(0)
    one = GANVectorEnv(sum(rows), **POINTS)
    actions = np.random.default_rng(0).uniform(-1, 1, (steps, sum(rows), len(EnvConfig().knobs))).astype(np.float32)
    one.reset(seed=0)
    expected = [one.step(action)[:3] for action in actions]
    many = Fleet([{"num_envs": n, **POINTS} for n in rows], "ray", num_cpus=0.5, snapshot_every=3)
    for run in range(count):
        index, moment = rng.randrange(len(rows)), rng.uniform(0, 0.6)
        actor = many._members.members[index].actor  # type: ignore[attr-defined]
        pid = ray.get(actor.__ray_call__.remote(lambda _: os.getpid()))
        timer = threading.Timer(moment, os.kill, (pid, signal.SIGKILL))
        many.reset(seed=0)
        timer.start()
        for step, action in enumerate(actions):
            for found, wanted in zip(many.step(action), expected[step], strict=False):
                np.testing.assert_array_equal(found, wanted)
        timer.join()
        np.testing.assert_array_equal(many.coordinates(), one.coordinates())  # also where it was killed after the run
        print(f"run {run}: member {index} killed after {moment:.2f} s: the same bits", flush=True)
    many.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["growth", "kills"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    growth(options.rounds) if options.what == "growth" else kills(options.kills)
