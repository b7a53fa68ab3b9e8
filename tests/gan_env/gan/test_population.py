"""The batched training program: equality, independence, permutation, compiled against eager, state in and out."""

import math
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from varied_rows import CPU, SIZES, population, settings

from gan_env.data.bank import DataBank
from gan_env.gan import population as module
from gan_env.gan.fast import compiler
from gan_env.gan.losses import LOSSES as ALL_LOSSES
from gan_env.gan.population import Population, choose_block, largest_block
from gan_env.gan.trainer import train_interval
from gan_env.gan.update import PopulationState
from gan_env.records import Quality, RowSettings


def knobs(rows: int, noise: float = 0.1, augment: float = 0.5, r1: float = 1.0) -> dict[str, Tensor]:
    return {
        "instance_noise": torch.full((rows,), noise),
        "augment": torch.full((rows,), augment),
        "r1": torch.full((rows,), r1),
    }


def test_a_row_does_not_depend_on_the_number_of_rows() -> None:
    """To the last bit, alone as well."""
    many, some, one = population([3, 4, 5, 6]), population([4, 5, 6]), population([5])
    for made in (many, some, one):
        made.update(knobs(made.num_rows), 5)
    for wide, three, single in zip(many.state.tensors(), some.state.tensors(), one.state.tensors(), strict=True):
        assert torch.equal(wide[2:3], single)
        assert torch.equal(wide[1:], three)
    for wide, single in zip(many.clean_logits(knobs(4)), one.clean_logits(knobs(1)), strict=True):
        assert torch.equal(wide[2:3], single)


def test_permuted_rows_give_permuted_results() -> None:
    first, second = population([3, 4, 5]), population([5, 3, 4])
    first.update(knobs(3), 5)
    second.update(knobs(3), 5)
    for a, b in zip(first.state.tensors(), second.state.tensors(), strict=True):
        torch.testing.assert_close(a[[2, 0, 1]], b, rtol=1e-4, atol=1e-5)


def test_a_poisoned_row_leaves_the_others_bit_equal() -> None:
    healthy, poisoned = population([3, 4, 5]), population([3, 4, 5])
    poisoned.state.g[0, 0] = torch.nan
    for made in (healthy, poisoned):
        train_interval(made, knobs(3), 4)
    assert poisoned.state.g[0].isnan().any()
    for a, b in zip(healthy.state.tensors(), poisoned.state.tensors(), strict=True):
        assert torch.equal(a[1:], b[1:])


def test_resetting_a_row_leaves_the_others_bit_equal() -> None:
    plain, reset = population([3, 4, 5]), population([3, 4, 5])
    for made in (plain, reset):
        made.update(knobs(3), 3)
    reset.reset(torch.tensor([1]), settings([9]))
    assert reset.state.step.tolist() == [3, 0, 3]
    for made in (plain, reset):
        made.update(knobs(3), 3)
    for a, b in zip(plain.state.tensors(), reset.state.tensors(), strict=True):
        assert torch.equal(a[[0, 2]], b[[0, 2]])


def test_a_reset_row_is_like_a_new_one() -> None:
    used, new = population([3, 4]), population([3, 9])
    used.update(knobs(2), 3)
    used.reset(torch.tensor([1]), settings([9]))
    used.update(knobs(2), 3)
    new.update(knobs(2), 3)
    torch.testing.assert_close(used.state.g[1], new.state.g[1])


def test_two_runs_with_one_seed_are_identical() -> None:
    runs = [population([3, 4]) for _ in range(2)]
    for made in runs:
        made.update(knobs(2), 5)
    assert torch.equal(runs[0].state.g, runs[1].state.g)


def test_how_updates_are_cut_into_calls_does_not_change_the_randomness() -> None:
    whole, single = population([3, 4]), population([3, 4])
    whole.update(knobs(2), 6)
    for _ in range(6):
        single.update(knobs(2), 1)
    assert torch.equal(whole.state.g, single.state.g)


def test_state_goes_out_and_in() -> None:
    original, copy = population([3, 4]), population([7, 8])
    original.update(knobs(2), 3)
    copy.set_state(original.get_state())
    for made in (original, copy):
        made.update(knobs(2), 3)
    assert torch.equal(original.state.g, copy.state.g)


def test_clean_logits_are_those_of_training_and_of_held_out_samples() -> None:
    made = population([3, 4])
    pools = made.bank.train, made.bank.held_out
    made.bank.train, made.bank.held_out = torch.full_like(pools[0], -1), torch.full_like(pools[1], 1)
    found = made.clean_logits(knobs(2))
    for value, logits in zip((-1.0, 1.0), found, strict=True):
        seen = made.settings.input_scale[:, None, None] * torch.full((2, 1, 2), value)
        expected = made.discriminator(made.state.d, seen).flatten()
        torch.testing.assert_close(logits, expected)
    assert not torch.allclose(*found)


def test_a_saved_state_is_not_changed_by_training_on() -> None:
    made = population([3])
    saved = made.get_state()
    before = saved["g"].clone()
    made.update(knobs(1), 2)
    assert torch.equal(saved["g"], before)


def test_the_compiled_program_is_the_eager_one() -> None:
    """Of few layers, since it takes its time to compile."""
    eager, compiled = (population([3, 4, 5], compiled=c, depth=1) for c in (False, True))
    for made in (eager, compiled):
        made.update(knobs(3), 4)
    for a, b in zip(eager.state.tensors(), compiled.state.tensors(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_the_compiled_program_takes_columns_as_well() -> None:
    """It is made for one layout of its inputs."""
    whole, columns = (population([3, 4, 5], compiled=True, depth=1) for _ in range(2))
    matrix = torch.stack(list(knobs(3).values()), dim=1)  # [N, K]
    whole.update(knobs(3), 2)
    columns.update(dict(zip(knobs(3), matrix.unbind(dim=1), strict=True)), 2)
    assert all(map(torch.equal, whole.state.tensors(), columns.state.tensors()))


def test_without_a_compiler_it_falls_back_to_eager_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_compiler(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(compiler, "compile_alone", no_compiler)
    made, eager = population([3], compiled=True), population([3])
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler.*uncompiled") as caught:
        made.update(knobs(1), 3)
        made.update(knobs(1), 1)
    eager.update(knobs(1), 4)
    assert torch.equal(made.state.g, eager.state.g)
    assert len(caught) == 1


def test_blocks_do_not_change_the_result() -> None:
    together, apart = population([3, 4, 5]), population([3, 4, 5])
    apart.block = 2
    for made in (together, apart):
        made.update(knobs(3), 3)
        made.samples = made.sample(6)  # type: ignore[attr-defined]
    torch.testing.assert_close(together.state.g, apart.state.g, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.samples, apart.samples, rtol=1e-4, atol=1e-5)  # type: ignore[attr-defined]


def test_blocks_are_judged_apart_and_joined_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    made, blocks = population([3, 4, 5, 6, 7]), []

    def judge(samples: Tensor, dataset: Tensor) -> Quality:
        blocks.append(len(samples))
        mean = samples.mean(dim=(1, 2))
        return Quality(mean, mean + 1, dataset.float(), {"first": samples[:, 0, 0]})

    samples = made.sample(6)
    for most in (24, 2):
        monkeypatch.setattr(module, "JUDGED_TOGETHER", most)
        blocks.clear()
        found = made.judge(judge, 6)
        torch.testing.assert_close(found.log_metric, samples.mean(dim=(1, 2)))
        torch.testing.assert_close(found.score, samples.mean(dim=(1, 2)) + 1)
        torch.testing.assert_close(found.extras["first"], samples[:, 0, 0])
        assert found.collapse.tolist() == made.settings.dataset.tolist()
        assert sum(blocks) == 5
        assert sum(rows % made.block > 0 for rows in blocks) <= 1  # whole blocks of training, but for the last
    assert max(blocks) == max(2, made.block)


@pytest.mark.parametrize("most", [1, 4, 48])
@pytest.mark.parametrize("num_rows", [1, 2, 3, 64, 257])
def test_every_core_has_rows_to_run(num_rows: int, most: int) -> None:
    block = choose_block(num_rows, most, CPU)
    assert 1 <= block <= num_rows
    together = 1 if most == 1 else 2  # rows of a block, at least: where there are several, none is alone
    assert math.ceil(num_rows / block) >= min(max(num_rows // together, 1), torch.get_num_threads())


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("most", [4, 12, 48])
def test_where_blocks_have_several_rows_none_is_alone(most: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program would round otherwise."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    for rows in range(2, 200):
        block = choose_block(rows, most, CPU)
        assert 1 < block < 2 * most and rows % block != 1


def test_blocks_are_of_one_size_where_that_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert [choose_block(rows, 48, CPU) for rows in (64, 96, 256)] == [32, 48, 32]


def test_small_samples_share_a_block_and_large_ones_run_alone() -> None:
    mlp = [largest_block("mlp", shape) for shape in ((2,), (1, 8, 8), (1, 16, 16), (1, 28, 28))]
    assert mlp == [48, 12, 4, 1]
    assert [largest_block(name, (1, 8, 8)) for name in ("dcgan", "resnet")] == [4, 1]


def test_a_gpu_runs_all_rows_together() -> None:
    assert choose_block(257, 1, torch.device("cuda")) == 257


@given(chosen=st.lists(st.integers(0, len(ALL_LOSSES) - 1), min_size=2, max_size=4))
def test_a_row_trains_with_its_own_loss(chosen: list[int]) -> None:
    """As in a population where there is no other loss, to rounding."""
    keys, names = [3, 4, 5, 6][: len(chosen)], list(ALL_LOSSES)
    bank = DataBank(("ring", "grid"), "data", 28, CPU)

    def trained(losses: tuple[str, ...], indices: list[int]) -> PopulationState:
        made = Population(bank, replace(SIZES, losses=losses), len(keys), compiled=False)
        made.reset(torch.arange(len(keys)), replace(settings(keys), loss=torch.tensor(indices)))
        made.update(knobs(len(keys)), 3)
        return made.state

    mixed = trained(tuple(names), chosen)
    for row, index in enumerate(chosen):
        alone = trained((names[index],), [0] * len(keys))
        for mine, other in zip(mixed.tensors(), alone.tensors(), strict=True):
            torch.testing.assert_close(mine[row], other[row], rtol=1e-6, atol=1e-6)


def test_fewer_samples_are_the_first_of_more() -> None:
    made = population([3, 4])
    torch.testing.assert_close(made.sample(4), made.sample(9)[:, :4])


def test_every_field_of_the_state_has_a_row_for_each_gan() -> None:
    made = population([3, 4, 5])
    assert all(len(getattr(made.state, f.name)) == 3 for f in fields(made.state))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_gives_what_the_cpu_gives() -> None:
    device = torch.device("cuda")
    bank = DataBank(("ring", "grid"), "data", 28, device)
    made = Population(bank, SIZES, 3, compiled=False)
    on_device = settings([3, 4, 5])
    made.reset(
        torch.arange(3, device=device),
        RowSettings(**{f.name: getattr(on_device, f.name).to(device) for f in fields(on_device)}),
    )
    cpu = population([3, 4, 5])
    made.update({name: value.to(device) for name, value in knobs(3).items()}, 3)
    cpu.update(knobs(3), 3)
    torch.testing.assert_close(made.state.g.cpu(), cpu.state.g, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_samples_that_are_read_from_the_host_are_the_same(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """As for a GPU that has no room for them; the copy itself is a matter of `DataBank`."""
    there, host = (population([3, 4, 5], compiled, depth=1) for _ in range(2))
    monkeypatch.setattr(Tensor, "pin_memory", lambda samples: samples)
    host.bank.on_device = False
    for made in (there, host):
        made.update(knobs(3), 3)
    assert all(map(torch.equal, there.state.tensors(), host.state.tensors()))
