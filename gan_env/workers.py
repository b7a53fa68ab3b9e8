"""Blocks of rows side by side on all cores of a CPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Workers:
    """On a CPU a block keeps to one thread and all cores have blocks of their own; on a GPU blocks follow each other.

    So no operation waits for the other core at its end, as it does when its own loop is spread over two. A block that
    is alone has all threads, unless other blocks ever ran side by side in this process: OpenMP then has more threads
    than cores, lets them sleep at every barrier, and two threads take more than twice as long as one.

    Args:
        device: where the tensors are.

    Attributes:
        threads: blocks that run at the same time.
    """

    side_by_side = False
    """Whether blocks ever ran side by side in this process."""

    def __init__(self, device: torch.device) -> None:
        self.threads = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.threads)

    def each_block(self, work: Callable[..., T], tensors: Sequence[Tensor], block: int) -> list[T]:
        """Calls `work` with every block of `block` rows of the tensors, without gradients; results in order."""

        def call(parts: tuple[Tensor, ...]) -> T:
            with torch.no_grad():
                return work(*parts)

        starts = range(0, len(tensors[0]), block)
        # `data` has a version counter of its own: autograd must not see what other threads do to other rows.
        blocks = [tuple(tensor.data[start : start + block] for tensor in tensors) for start in starts]
        if self.threads == 1 or (len(blocks) == 1 and not Workers.side_by_side):
            return [call(parts) for parts in blocks]
        Workers.side_by_side = True
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return list(self._pool.map(call, blocks)) if len(blocks) > 1 else [call(blocks[0])]
        finally:
            torch.set_num_threads(before)
