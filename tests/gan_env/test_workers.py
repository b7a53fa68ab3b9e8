import threading
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gan_env import workers
from gan_env.workers import each_block, torch_defaults


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(workers, "side_by_side", False)
    yield
    torch.set_num_threads(before)


@given(rows=st.integers(1, 17), block=st.integers(1, 20))
def test_blocks_cover_all_rows_in_order(rows: int, block: int) -> None:
    x, y = torch.arange(rows), torch.arange(rows) * 10
    parts = each_block(lambda a, b: a + b, [x, y], block)
    assert torch.equal(torch.cat(parts), 11 * x)
    assert max(len(part) for part in parts) <= block


def test_blocks_change_the_tensors_themselves() -> None:
    x = torch.zeros(5, 2)
    each_block(lambda part: part.add_(1), [x], 2)
    assert torch.equal(x, torch.ones(5, 2))


def test_each_block_has_one_thread_and_the_number_is_restored() -> None:
    counts = each_block(lambda part: torch.get_num_threads(), [torch.zeros(4)], 1)
    assert set(counts) == {1}
    assert torch.get_num_threads() == 2


def test_a_block_alone_has_all_threads_until_others_ran_side_by_side() -> None:
    def threads(rows: int) -> list[int]:
        return each_block(lambda part: torch.get_num_threads(), [torch.zeros(rows)], 1)

    assert threads(1) == [2]
    assert threads(2) == [1, 1]
    assert threads(1) == [1]
    assert torch.get_num_threads() == 2


def test_two_blocks_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)  # breaks, and raises, if one block waits for the other
    each_block(lambda part: both.wait(), [torch.zeros(2)], 1)


def test_gradients_are_off() -> None:
    weights = torch.ones(4, requires_grad=True)
    assert not any(part.requires_grad for part in each_block(lambda w: w * 2, [weights], 1))


def test_an_error_in_a_block_comes_out_and_the_threads_are_restored() -> None:
    def fail(part: Tensor) -> None:
        raise ValueError("block")

    with pytest.raises(ValueError, match="block"):
        each_block(fail, [torch.zeros(4)], 1)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_torchs_own_defaults_hold_inside_and_the_callers_outside(kind: torch.dtype) -> None:
    torch.set_default_dtype(kind)
    try:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
            with torch_defaults():
                product = torch.ones(2, 2) @ torch.ones(2, 2)
                assert (product.dtype, product.device.type, product.is_inference()) == (torch.float32, "cpu", False)
            assert torch.is_autocast_enabled("cpu") and torch.is_inference_mode_enabled()
            assert torch.get_default_device().type == "meta"
        assert torch.get_default_dtype() == kind
    finally:
        torch.set_default_dtype(torch.float32)


def test_two_threads_with_torchs_defaults_leave_the_callers_dtype_at_their_end() -> None:
    """The first to enter may leave first."""
    entered, leave = threading.Event(), threading.Event()

    def first() -> None:
        with torch_defaults():
            entered.set()
            leave.wait()

    torch.set_default_dtype(torch.float64)
    try:
        thread = threading.Thread(target=first)
        thread.start()
        entered.wait()
        with torch_defaults():
            leave.set()
            thread.join()
            assert torch.get_default_dtype() == torch.float32
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
