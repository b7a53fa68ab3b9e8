"""Environments work in processes that were forked after their parent had used one: torch's threads are not there."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv
from torch import Tensor

from gan_env import GANEnv, GANVectorEnv
from gan_env.gan.fast.programs import Programs
from gan_env.workers import each_block

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available() or sys.platform != "linux", reason="no process is forked here"
)
PATIENCE_S = 120.0
SMALL: dict[str, Any] = {
    "num_decisions": 3, "updates_per_decision": 2, "metric_samples": 64, "depth": 1, "latent_dim": 2,
    "instances": {"width_g": [4, 4], "width_d": [4, 4], "batch_size": [4, 4]},
}  # fmt: skip


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Torch's threads are there and have worked."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.ones(500, 500) @ torch.ones(500, 500)
    yield
    torch.set_num_threads(before)


def still(env: gym.Env[Any, Any] | gym.vector.VectorEnv[Any, Any, Any]) -> np.ndarray[Any, Any]:
    return np.zeros(env.action_space.shape or (), np.float32)


def in_child(work: Callable[[], Any]) -> Any:
    """What a forked child makes of it."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=lambda: theirs.send(work()))
    child.start()
    try:
        assert ours.poll(PATIENCE_S), "the child hangs"
        return ours.recv()
    finally:
        child.kill()


@pytest.mark.parametrize("rows", [1, 4])
def test_a_forked_child_steps_as_its_parent_does(rows: int) -> None:
    """In the parent's environment, and in one of its own: one block that has all threads, and several side by side."""
    env = GANVectorEnv(rows, compile=False, **SMALL)
    env.reset(seed=0)
    env.step(still(env))

    def step() -> tuple[Any, Any, int]:
        first = env.step(still(env))[0]
        other = GANVectorEnv(rows + 1, compile=False, **SMALL)
        other.reset(seed=0)
        return first, other.step(still(other))[0], torch.get_num_threads()

    first, second, threads = in_child(step)
    assert threads == 1
    np.testing.assert_allclose(first, env.step(still(env))[0], rtol=1e-4, atol=1e-5)
    assert np.isfinite(second).all()


def test_a_forked_child_may_have_threads_again() -> None:
    def several() -> list[int]:
        torch.set_num_threads(2)
        return each_block(lambda x: int(x.sum()), [torch.arange(4)], 1)

    assert several() == in_child(several) == [0, 1, 2, 3]


def test_a_forked_child_compiles_programs_of_its_own() -> None:
    """Though its parent has traced gradients: autograd's threads would be missing then."""

    @torch.enable_grad()
    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(x.square().sum(), x)[0]

    programs = Programs(True)

    def run() -> list[list[float]]:
        return [programs.run(slope, torch.arange(count) + 1.0).tolist() for count in (2, 3)]

    programs.run(slope, torch.ones(2))
    assert in_child(run) == [[2, 4], [2, 4, 6]]


def test_gymnasiums_processes_work_after_a_step_in_the_parent() -> None:
    """By its default context, which forks; a pool of ours and torch's own threads have worked before."""
    env = GANVectorEnv(4, compile=False, **SMALL)
    env.reset(seed=0)
    env.step(still(env))
    envs = AsyncVectorEnv([lambda: GANEnv(compile=False, **SMALL)] * 2)
    try:
        envs.reset(seed=0)
        envs.step_async(still(envs))
        obs, *_ = envs.step_wait(timeout=PATIENCE_S)
    finally:
        envs.close(terminate=True)
    single = GANEnv(compile=False, **SMALL)
    single.reset(seed=1)
    np.testing.assert_allclose(obs[1], single.step(still(single))[0], rtol=1e-4, atol=1e-5)


def test_make_vec_has_processes() -> None:
    """In a program of its own, which would hang: one that has made and used environments and autograd before."""
    program = f"""
import gymnasium as gym, numpy as np, torch, gan_env
torch.set_num_threads(2)
options = {{**{SMALL}, "compile": False}}
first = gym.make_vec("gan_env/Points-v1", num_envs=4, **options)
first.reset(seed=0)
first.step(first.action_space.sample())
torch.ones(9, requires_grad=True).sum().backward()
envs = gym.make_vec("gan_env/Points-v1", num_envs=2, vectorization_mode="async", **options)
envs.reset(seed=0)
for _ in range(4):
    reward = envs.step(np.zeros(envs.action_space.shape, np.float32))[1]
envs.close()
print("done", reward.shape)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout.strip().endswith("done (2,)"), done.stderr
