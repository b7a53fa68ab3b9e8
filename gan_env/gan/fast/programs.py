"""Runs functions of tensors as programs that are compiled once for each shape of the inputs, gradients included."""

import warnings
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any, TypeVar

import torch
from torch import Tensor

from gan_env.gan.fast.compiler import Program, compile_program

T = TypeVar("T")


class Programs:
    """Compiled functions, by name, shapes of the inputs and number of threads.

    Args:
        compiled: whether to compile at all; functions also run as they are where there is no compiler.
    """

    def __init__(self, compiled: bool) -> None:
        self._compiled = compiled
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._compiling = Lock()

    def run(self, function: Callable[..., T], *inputs: Tensor, **options: bool) -> T:
        """`function(*inputs, **options)`, compiled at its first use with these shapes and options.

        It returns a tensor, a sequence of tensors or nothing, and changes no input that isn't contiguous.
        """
        if not self._compiled:
            return function(*inputs, **options)
        inputs = tuple([tensor.contiguous() for tensor in inputs])  # a program is for one layout; most have it already
        key = (function.__qualname__, torch.get_num_threads(), *options.items(), *[tensor.shape for tensor in inputs])
        if key not in self._programs:
            with self._compiling:
                if key not in self._programs:  # another thread may have been here
                    self._programs[key] = self._compile(partial(function, **options), inputs)
        return self._programs[key](*inputs)  # type: ignore[no-any-return]

    def _compile(self, function: Program, inputs: tuple[Tensor, ...]) -> Program:
        """The program of `function`; if compiling fails, the function itself, and nothing is compiled any more."""
        if self._compiled:
            try:
                return compile_program(function, inputs)
            except Exception as error:  # inductor's errors have no common class; eager always works
                meaning = "training runs uncompiled, slower but the same up to rounding"
                warnings.warn(f"compiling failed ({error}): {meaning}", stacklevel=2)
                self._compiled = False
        return function
