"""Runs functions of tensors as compiled programs, and blocks of rows side by side on all cores.

A function is traced once for each shape of its inputs, gradients included, into one graph without breaks, and compiled
(on a CPU to C++ that holds no lock of Python's). Without a compiler it runs as it is.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

T = TypeVar("T")


class Programs:
    """Compiled functions, by name and shapes.

    Args:
        device: where they run.
        compiled: whether to compile at all.

    Attributes:
        threads: blocks that run at the same time.
    """

    def __init__(self, device: torch.device, compiled: bool) -> None:
        self.threads = torch.get_num_threads() if device.type == "cpu" else 1
        self._options: dict[str, Any] = {"cpp_wrapper": True, "cpp.vec_isa_ok": True} if device.type == "cpu" else {}
        self._compiled = compiled
        self._programs: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._compiling = Lock()
        self._pool = ThreadPoolExecutor(self.threads)

    def run(self, function: Callable[..., T], *inputs: Tensor) -> T:
        """`function(*inputs)`, compiled at its first use with these shapes."""
        if not self._compiled:
            return function(*inputs)
        key = (function.__qualname__, *inputs[0].shape, *inputs[-1].shape)
        if key not in self._programs:
            with self._compiling:
                if key not in self._programs:  # another thread may have been here
                    self._programs[key] = self._compile(function, inputs)
        return self._programs[key](*inputs)  # type: ignore[no-any-return]

    def each_block(self, work: Callable[..., T], tensors: Sequence[Tensor], block: int) -> list[T]:
        """Calls `work` with every block of `block` rows of the tensors, without gradients.

        On a CPU each block keeps to one thread and all cores have blocks of their own, so there is no barrier after
        each small operation.
        """

        def call(parts: tuple[Tensor, ...]) -> T:
            with torch.no_grad():
                return work(*parts)

        starts = range(0, len(tensors[0]), block)
        # `data` has a version counter of its own: autograd must not see what other threads do to other rows.
        blocks = [tuple(tensor.data[start : start + block] for tensor in tensors) for start in starts]
        if self.threads == 1 or len(blocks) == 1:
            return [call(parts) for parts in blocks]
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return list(self._pool.map(call, blocks))
        finally:
            torch.set_num_threads(before)

    def _compile(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Callable[..., Any]:
        """The program of `function` for such inputs; the function itself, for good, where compiling fails."""
        if not self._compiled:
            return function
        example = [tensor.clone() for tensor in inputs]
        try:
            graph = make_fx(lambda *tensors: function(*tensors))(*example)
            program: Callable[..., Any] = torch.compile(graph, dynamic=False, options=self._options)
            program(*example)
        except Exception as error:  # inductor's errors have no common class; eager always works
            warnings.warn(
                f"torch.compile failed ({error}): training runs uncompiled, slower but the same", stacklevel=2
            )
            self._compiled = False
            return function
        return program
