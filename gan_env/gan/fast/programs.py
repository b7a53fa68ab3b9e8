"""Runs functions of tensors as compiled programs.

A function is traced once for each shape of its inputs, gradients included, into one graph without breaks, and compiled
(on a CPU to C++ that holds no lock of Python's). Without a compiler it runs as it is.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

T = TypeVar("T")

# It warns of operators that it calls through the dispatcher; ours take far longer than the call.
logging.getLogger("torch._inductor.ir").setLevel(logging.ERROR)


class Programs:
    """Compiled functions, by name and shapes.

    Args:
        device: where they run.
        compiled: whether to compile at all.
    """

    def __init__(self, device: torch.device, compiled: bool) -> None:
        self._patches = {"cpp_wrapper": True, "cpp.vec_isa_ok": True} if device.type == "cpu" else {}
        self._compiled = compiled
        self._programs: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._compiling = Lock()

    def run(self, function: Callable[..., T], *inputs: Tensor) -> T:
        """`function(*inputs)`, compiled at its first use with these shapes.

        Args:
            function: gives a tensor, a sequence of tensors or nothing, and changes no input that isn't contiguous.
            inputs: the shapes of the first and the last say what all others have.
        """
        if not self._compiled:
            return function(*inputs)
        inputs = tuple(tensor.contiguous() for tensor in inputs)  # a program is for one layout; most have it already
        key = (function.__qualname__, *inputs[0].shape, *inputs[-1].shape)
        if key not in self._programs:
            with self._compiling:
                if key not in self._programs:  # another thread may have been here
                    self._programs[key] = self._compile(function, inputs)
        return self._programs[key](*inputs)  # type: ignore[no-any-return]

    def _compile(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Callable[..., Any]:
        """The program of `function` for such inputs; the function itself, for good, where compiling fails."""
        if not self._compiled:
            return function
        example: list[Any] = [tensor.clone() for tensor in inputs]
        try:
            from torch._inductor import standalone_compile  # takes seconds, which only those wait who compile

            graph = make_fx(lambda *tensors: function(*tensors))(*example)
            for node in graph.graph.nodes:
                node.meta.pop("val", None)  # each is of a mode of its own; the compiler makes one for all
            # Not `torch.compile`, which would trace again and look at every call whether its inputs are as they were.
            options = {"config_patches": self._patches}
            program: Callable[..., Any] = standalone_compile(
                graph, example, dynamic_shapes="from_example_inputs", options=options
            )
            program(*example)
        except Exception as error:  # inductor's errors have no common class; eager always works
            warnings.warn(f"compiling failed ({error}): training runs uncompiled, slower but the same", stacklevel=2)
            self._compiled = False
            return function
        return program


def load_compiler() -> None:
    """Loads the compiler, which takes seconds, for processes that are forked from this one."""
    from torch._inductor import compile_fx, standalone_compile  # noqa: F401
    from torch._inductor.codecache import CacheBase

    CacheBase.get_system()  # part of the key of all that is cached: reads the whole of triton, and remembers what it is
