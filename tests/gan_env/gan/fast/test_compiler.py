"""What we take from torch that is not public still does what we take it for; and what happens where it doesn't."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from gan_env.gan.fast import compiler
from gan_env.gan.fast.compiler import compile_alone, compile_program, trace


@torch.enable_grad()
def slope(x: Tensor) -> Tensor:
    """Takes a gradient, as an update does."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(x.square().sum(), x)[0]


def double(total: Tensor, x: Tensor) -> None:
    total.copy_(total + slope(x))


INPUTS = [torch.ones(3), torch.arange(3.0)]


def run_alone() -> None:
    total = torch.ones(3)
    compile_alone(trace(double, INPUTS), INPUTS)(total, INPUTS[1])
    assert total.tolist() == [1, 3, 5]


@pytest.mark.parametrize(
    ("interface", "use"),
    [
        ("torch.fx.experimental.proxy_tensor.make_fx", lambda: trace(double, INPUTS)),
        ("torch._inductor.standalone_compile", run_alone),
    ],
)
def test_torchs_interfaces_are_as_we_use_them(interface: str, use: object) -> None:
    """Training goes on where they are not, but slower: see `compiler.py`."""
    try:
        use()  # type: ignore[operator]
    except Exception as error:
        pytest.fail(f"torch {torch.__version__} has changed {interface}: {type(error).__name__}: {error}")


@pytest.mark.parametrize("error", [ImportError, AttributeError, TypeError])
def test_torchs_public_compiler_stands_in(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(*_: object) -> None:
        raise error("no such thing")

    monkeypatch.setattr(compiler, "compile_alone", changed)
    if error is not ImportError:  # compiled once is enough
        monkeypatch.setattr(torch, "compile", lambda graph, dynamic: graph)
    with pytest.warns(UserWarning, match="no such thing.*start later"):
        program = compile_program(double, INPUTS)
    total = torch.ones(3)
    program(total, torch.arange(3.0))
    assert total.tolist() == [1, 3, 5]


@pytest.mark.parametrize(("folder", "mended"), [("cache", True), ("packages", False)])
def test_what_a_stopped_process_left_of_a_library_is_made_again(
    folder: str, mended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each later run would find it, and train uncompiled. Libraries that are not of the cache stay."""
    left = tmp_path / folder / "up" / "cupb.main.so"
    left.parent.mkdir(parents=True)
    left.touch()

    def load(graph: object, _: object) -> object:
        if left.exists():
            raise RuntimeError(f"ImportError: {left}: file too short")
        return graph

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(compiler, "compile_alone", load)
    if mended:
        compile_program(double, INPUTS)
    else:
        with pytest.raises(RuntimeError, match="file too short"):
            compile_program(double, INPUTS)
    assert left.exists() != mended


def test_compiling_changes_no_input() -> None:
    inputs = [x.clone() for x in INPUTS]
    compile_program(double, inputs)
    assert all(map(torch.equal, inputs, INPUTS))
