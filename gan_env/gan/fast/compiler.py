"""From a function of tensors to a compiled program: the one file that knows torch's private interfaces.

They are `standalone_compile`, for which the public `torch.compile` stands in where torch has changed it (programs start
later then), and `CacheBase`, without which only a forked process starts later. The tracer, `make_fx`, is public but
marked as experimental. `tests/gan_env/gan/fast/test_compiler.py` fails when one of them has changed, and says which.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

Program = Callable[..., Any]

# It warns of operators that it calls through the dispatcher; ours take far longer than the call.
logging.getLogger("torch._inductor.ir").setLevel(logging.ERROR)


def compile_program(function: Program, inputs: Sequence[Tensor]) -> Program:
    """The program of `function` for inputs of these shapes, the gradients that it takes included.

    Raises:
        Exception: of any kind, where there is no compiler or it fails.
    """
    _use_autograd()
    example = [tensor.clone() for tensor in inputs]
    graph = trace(function, example)
    try:
        program: Program = compile_alone(graph, example)
    except (ImportError, AttributeError, TypeError) as changed:
        _warn(f"torch's compiler has changed ({changed}): programs take longer to start, and a little longer to run")
        program = torch.compile(graph, dynamic=False)
    program(*example)
    return program


def trace(function: Program, example: Sequence[Tensor]) -> GraphModule:
    """The operations of `function` and of its gradients, one after the other."""
    graph = make_fx(lambda *tensors: function(*tensors))(*example)
    for node in graph.graph.nodes:
        node.meta.pop("val", None)  # each is of a mode of its own; the compiler makes one for all
    return graph


def compile_alone(graph: GraphModule, example: Sequence[Tensor]) -> Program:
    """Not by `torch.compile`, which traces the graph again and looks at every call whether its inputs are as before."""
    from torch._inductor import standalone_compile  # takes seconds, which only those wait who compile

    patches: dict[str, Any] = {}
    if example[0].device.type == "cpu":  # C++ that doesn't hold Python's lock
        patches = {"cpp_wrapper": True, "cpp.vec_isa_ok": True, "cpp.threads": torch.get_num_threads()}
    options = {"config_patches": patches}
    program: Program = standalone_compile(graph, [*example], dynamic_shapes="from_example_inputs", options=options)
    return program


@cache
def _warn(message: str) -> None:
    """Once, whatever thread compiles."""
    warnings.warn(message, stacklevel=2)


def load_compiler() -> None:
    """Loads the compiler, which takes seconds, for processes that are forked from this one."""
    _use_autograd()
    with suppress(ImportError, AttributeError):  # then each process does it for itself
        load_inductor()


def load_inductor() -> None:
    """The modules, and what they remember of this machine."""
    from torch._inductor import compile_fx, standalone_compile  # noqa: F401
    from torch._inductor.codecache import CacheBase

    CacheBase.get_system()  # part of the key of all that is cached: reads the whole of triton


def _use_autograd() -> None:
    """Makes sure that autograd was used before it is traced.

    At its first use it starts a thread for each kind of accelerator. While it is traced it takes the CPU for one, and a
    process with such threads can't be forked.
    """
    with torch.enable_grad():
        x = torch.ones((), requires_grad=True)
        torch.autograd.grad(x * x, x)
