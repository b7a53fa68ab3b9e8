"""One program for each function, number of threads and shapes of all inputs."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from gan_env.gan.fast import programs as module
from gan_env.gan.fast.programs import Programs


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[int, ...]]]:
    """The shapes that were compiled for; the program is the function itself."""
    shapes: list[list[tuple[int, ...]]] = []

    def compile_program(function: object, inputs: tuple[Tensor, ...]) -> object:
        shapes.append([tuple(x.shape) for x in inputs])
        return function

    monkeypatch.setattr(module, "compile_program", compile_program)
    return shapes


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def add(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    return x + y.sum() + z


def test_the_shapes_of_all_inputs_count(compiled: list[list[tuple[int, ...]]]) -> None:
    """Not only of the first and the last: with one input between them changed, a program ran on the wrong shape."""
    made, ends = Programs(True), torch.zeros(2)
    assert [made.run(add, ends, torch.ones(count), ends)[0].item() for count in (3, 4, 3)] == [3, 4, 3]
    assert compiled == [[(2,), (3,), (2,)], [(2,), (4,), (2,)]]


def test_options_count(compiled: list[list[tuple[int, ...]]]) -> None:
    def maybe_double(x: Tensor, double: bool) -> Tensor:
        return 2 * x if double else x

    made, x = Programs(True), torch.ones(2)
    assert [made.run(maybe_double, x, double=double)[0].item() for double in (True, False, True)] == [2, 1, 2]
    assert len(compiled) == 2


def test_a_program_is_for_a_number_of_threads(compiled: list[list[tuple[int, ...]]]) -> None:
    """It is part of its code: in a forked child, which has one, it would wait for threads that aren't there."""
    made, x = Programs(True), torch.zeros(2)
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        made.run(add, x, x, x)
    assert len(compiled) == 2


def test_without_compiling_the_function_runs_as_it_is(compiled: list[list[tuple[int, ...]]]) -> None:
    Programs(False).run(add, *torch.zeros(3, 2))
    assert compiled == []
