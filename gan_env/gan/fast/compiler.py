"""From a function of tensors to a compiled program: the one file that knows torch's private interface.

It is `standalone_compile`, which the public `torch.compile` replaces if torch has changed it (programs start later
then). The tracer, `make_fx`, is public but experimental. `tests/gan_env/gan/fast/test_compiler.py` says which of them
has changed.
"""

import logging
import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

Program = Callable[..., Any]

# It warns of operators that it can't fuse; ours take far longer than the call.
logging.getLogger("torch._inductor.ir").setLevel(logging.ERROR)


def compile_program(function: Program, inputs: Sequence[Tensor]) -> Program:
    """The program of `function` for inputs of these shapes, the gradients that it takes included.

    Raises:
        Exception: of any kind, where there is no compiler or it fails.
    """
    example = [tensor.clone() for tensor in inputs]
    graph = trace(function, example)
    try:
        program: Program = compile_or_mend(graph, example)
    except (ImportError, AttributeError, TypeError) as changed:
        warnings.warn(f"torch's compiler has changed ({changed}): programs start later", stacklevel=2)
        program = torch.compile(graph, dynamic=False)
    program(*example)
    return program


def trace(function: Program, example: Sequence[Tensor]) -> GraphModule:
    """The operations of `function` and of its gradients, one after the other."""
    from torch.fx.experimental.proxy_tensor import make_fx  # here: a torch without it runs uncompiled

    _use_autograd()
    graph = make_fx(lambda *tensors: function(*tensors))(*example)
    for node in graph.graph.nodes:
        node.meta.pop("val", None)  # each is of a mode of its own; the compiler makes one for all
    return graph


def compile_or_mend(graph: GraphModule, example: Sequence[Tensor]) -> Program:
    """As `compile_alone`; where a file of inductor's cache can't be loaded, it is deleted and made once more.

    A process that is stopped while it links leaves an empty one, which every later process would find.
    """
    try:
        return compile_alone(graph, example)
    except Exception as error:  # inductor's own, of the text of an ImportError or OSError
        named = re.search(r"/.*?\.so\b", str(error))
        cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR")  # inductor sets it where it is not set
        if not (named and cache and Path(named[0]).is_relative_to(cache) and Path(named[0]).is_file()):
            raise
        Path(named[0]).unlink()
    return compile_alone(graph, example)


def compile_alone(graph: GraphModule, example: Sequence[Tensor]) -> Program:
    """Compiles without `torch.compile`, which would trace the graph again and check the inputs of every call."""
    from torch._inductor import standalone_compile  # takes seconds

    patches: dict[str, Any] = {}
    if example[0].device.type == "cpu":  # C++ that doesn't hold Python's lock
        patches = {"cpp_wrapper": True, "cpp.vec_isa_ok": True, "cpp.threads": torch.get_num_threads()}
    options = {"config_patches": patches}
    program: Program = standalone_compile(graph, [*example], dynamic_shapes="from_example_inputs", options=options)
    return program


def _use_autograd() -> None:
    """Uses autograd once before it is traced.

    At its first use it starts a thread for each kind of accelerator, and while it is traced it takes the CPU for one: a
    process with such threads can't be forked.
    """
    with torch.enable_grad():
        x = torch.ones((), requires_grad=True)
        torch.autograd.grad(x * x, x)
