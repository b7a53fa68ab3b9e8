"""Blocks of rows side by side on all cores of a CPU, and work apart from what the caller has set in torch."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Lock
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

# Threads don't survive a fork, and torch would wait for ever for the parent's. A child with one thread needs none.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


@contextmanager
def torch_defaults() -> Iterator[None]:
    """With torch's own defaults: tensors on the CPU in float32, without autocast and inference mode.

    Also a decorator: `@torch_defaults()`. Whatever the caller has set holds again afterwards.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        stack.enter_context(_DTYPE)
        yield


class _DefaultDtype:
    """float32 as the default dtype, which threads share: the first to enter sets it, the last to leave puts it back."""

    def __init__(self) -> None:
        self.lock, self.inside, self.callers = Lock(), 0, torch.float32

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.callers = torch.get_default_dtype()
                if self.callers != torch.float32:
                    torch.set_default_dtype(torch.float32)
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside and self.callers != torch.float32:
                torch.set_default_dtype(self.callers)


_DTYPE = _DefaultDtype()
side_by_side = False
"""Whether blocks ever ran side by side in this process."""


def threads_on(device: torch.device) -> int:
    """Blocks that run at the same time on a device."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def each_block(work: Callable[..., T], tensors: Sequence[Tensor], block: int) -> list[T]:
    """Calls `work` with every block of `block` rows of the tensors, without gradients; results in order.

    On a CPU each block runs in one thread, as many at a time as there are cores; on a GPU they run in turn. So no
    operation waits for another core, as it would if it were spread over several. A block that is alone has all threads,
    unless blocks ever ran side by side in this process: OpenMP then has more threads than cores, which sleep at every
    barrier, and two threads take more than twice as long as one.
    """
    global side_by_side

    def call(parts: tuple[Tensor, ...]) -> T:
        with torch.no_grad():
            return work(*parts)

    starts = range(0, len(tensors[0]), block)
    # `data` hides from autograd what other threads do to other rows.
    blocks = [tuple(tensor.data[start : start + block] for tensor in tensors) for start in starts]
    threads = threads_on(tensors[0].device)
    if threads == 1 or (len(blocks) == 1 and not side_by_side):
        return [call(parts) for parts in blocks]
    side_by_side = True
    torch.set_num_threads(1)
    try:
        return list(_pool(os.getpid(), threads).map(call, blocks)) if len(blocks) > 1 else [call(blocks[0])]
    finally:
        torch.set_num_threads(threads)


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """The threads of a process; a forked child makes its own."""
    return ThreadPoolExecutor(threads)
