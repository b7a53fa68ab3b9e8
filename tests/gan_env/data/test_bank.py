from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_env.data import bank as data
from gan_env.data.bank import IMAGE_SETS, DataBank, free_memory, load_dataset
from gan_env.data.labelled import LABELLED_SETS
from gan_env.data.points import POINT_SETS, POINTS_HELD_OUT, POINTS_TRAIN, load_points
from gan_env.errors import DataError
from gan_env.records import Dataset, RowSettings

CPU = torch.device("cpu")
Settings = Callable[..., RowSettings]


# --- registry ---


def test_every_point_set_is_loaded_by_name() -> None:
    for name in POINT_SETS:
        assert torch.equal(load_dataset(name, "nowhere", 28).held_out, load_points(name).held_out)


def test_an_image_set_is_loaded_with_root_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setitem(IMAGE_SETS, "fake", lambda root, size: asked.append((root, size)))
    load_dataset("fake", "somewhere", 16)
    assert asked == [("somewhere", 16)]


@pytest.mark.parametrize(
    ("name", "near"), [("rings", "ring"), ("cifar", "cifar10"), ("lsun_church", "lsun_church_outdoor")]
)
def test_an_unknown_data_set_is_refused_with_a_suggestion_and_the_known_ones(name: str, near: str) -> None:
    with pytest.raises(DataError, match=f"unknown data set '{name}': did you mean '{near}'") as error:
        load_dataset(name, "nowhere", 28)
    assert all(known in str(error.value) for known in [*POINT_SETS, *IMAGE_SETS])


def test_an_unknown_data_set_that_resembles_none_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"unknown data set 'zzz': use one of .*'celeba'"):
        load_dataset("zzz", "nowhere", 28)


# --- the bank ---


@pytest.fixture(scope="module")
def bank() -> DataBank:
    return DataBank(("ring", "grid"), "nowhere", 28, CPU)


def draws(rows: int) -> torch.Tensor:
    """The whole of [0, 1) in a hundred steps."""
    return (torch.arange(100) / 100).repeat(rows, 1)


def pick(bank: DataBank, numbers: torch.Tensor, rows: RowSettings) -> torch.Tensor:
    return bank.read(bank.places(numbers, rows))


def indices(samples: torch.Tensor, pool: torch.Tensor) -> set[int]:
    """Where the samples [B, 2] are in the pool [P, 2]."""
    found = (samples[:, None] == pool).all(dim=2).nonzero()
    assert len(found) == len(samples)
    return set(found[:, 1].tolist())


def test_the_bank_holds_the_sizes(bank: DataBank) -> None:
    assert bank.sample_shape == (2,)
    assert bank.sizes_host == bank.sizes.tolist() == [POINTS_TRAIN] * 2
    assert bank.held_out_sizes.tolist() == [POINTS_HELD_OUT] * 2


def test_a_batch_has_its_shape(bank: DataBank, make_settings: Settings) -> None:
    batch = pick(bank, draws(3), make_settings(3))
    assert batch.shape == (3, 100, 2)
    assert batch.dtype == torch.float32


def test_a_row_sees_its_window_and_nothing_else(bank: DataBank, make_settings: Settings) -> None:
    batch = pick(bank, draws(2), make_settings(2, num_samples=[5, 3], window=[10, 100]))
    assert indices(batch[0], bank.datasets[0].train) == set(range(10, 15))
    assert indices(batch[1], bank.datasets[0].train) == {100, 101, 102}


def test_a_window_that_reaches_beyond_the_end_goes_on_at_the_beginning(bank: DataBank, make_settings: Settings) -> None:
    batch = pick(bank, draws(1), make_settings(1, num_samples=[5], window=[POINTS_TRAIN - 2]))
    assert indices(batch[0], bank.datasets[0].train) == {POINTS_TRAIN - 2, POINTS_TRAIN - 1, 0, 1, 2}


def test_a_row_sees_its_own_data_set(bank: DataBank, make_settings: Settings) -> None:
    """Also where the window wraps around: it must not run into the neighbour's samples."""
    rows = make_settings(2, dataset=[0, 1], num_samples=[5, 5], window=[POINTS_TRAIN - 2] * 2)
    batch = pick(bank, draws(2), rows)
    for row in range(2):
        assert len(indices(batch[row], bank.datasets[row].train)) == 5


def test_the_largest_draw_stays_inside_the_window(bank: DataBank, make_settings: Settings) -> None:
    """Rounding must not lift draw * num_samples to num_samples."""
    largest = torch.full((3, 1), 1 - 2.0**-24)
    counts = [7, 60_000, POINTS_TRAIN]
    batch = pick(bank, largest, make_settings(3, num_samples=counts))
    for row, count in enumerate(counts):
        assert torch.equal(batch[row, 0], bank.datasets[0].train[count - 1])


def test_a_rows_batch_is_the_same_alone(bank: DataBank, make_settings: Settings) -> None:
    rows = make_settings(3, dataset=[0, 1, 1], num_samples=[5, 1000, 40], window=[3, 9, 77])
    together = pick(bank, draws(3), rows)
    for i in range(3):
        assert torch.equal(together[i : i + 1], pick(bank, draws(1), rows.take(slice(i, i + 1))))


def test_held_out_samples_come_from_the_whole_validation_half(bank: DataBank, make_settings: Settings) -> None:
    ends = torch.tensor([[0.0, 1 - 2.0**-24]] * 2)
    batch = bank.pick_held_out(ends, make_settings(2, dataset=[0, 1], num_samples=[2, 2]))
    for row in range(2):
        assert torch.equal(batch[row], bank.datasets[row].validation[[0, -1]])


@pytest.mark.parametrize("count", [2, 5])
def test_the_scored_half_is_never_picked(monkeypatch: pytest.MonkeyPatch, make_settings: Settings, count: int) -> None:
    """Of two sets, whose places in the pool begin at even and at odd numbers."""
    held_out = torch.arange(count).remainder(2).float()[:, None].expand(-1, 2)  # 1 where it makes the score
    for name in ("one", "other"):
        register(monkeypatch, name, held_out, held_out)
    picked = DataBank(("one", "other"), "nowhere", 8, CPU).pick_held_out(
        draws(2), make_settings(2, dataset=[0, 1], num_samples=[2, 2])
    )
    assert (picked == 0).all()


def test_images_are_decoded_in_batches(monkeypatch: pytest.MonkeyPatch, make_settings: Settings) -> None:
    white = torch.full((4, 1, 8, 8), 255, dtype=torch.uint8)
    monkeypatch.setitem(IMAGE_SETS, "fake", lambda root, size: Dataset(white, white))
    bank = DataBank(("fake",), "nowhere", 8, CPU)
    assert bank.train.dtype == torch.uint8  # resident as bytes
    rows = make_settings(1, num_samples=[4])
    for batch in (pick(bank, draws(1), rows), bank.pick_held_out(draws(1), rows)):
        assert torch.equal(batch, torch.ones(1, 100, 1, 8, 8))


def test_data_sets_of_different_shapes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    black = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    monkeypatch.setitem(IMAGE_SETS, "fake", lambda root, size: Dataset(black, black))
    with pytest.raises(DataError, match=r"\['ring', 'fake'\] have samples of shapes .*\(2,\).*: choose .*one kind"):
        DataBank(("ring", "fake"), "nowhere", 8, CPU)


def pool(count: int, channels: int = 1) -> torch.Tensor:
    shape = (count, channels, 8, 8)
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(count)).byte()


def register(monkeypatch: pytest.MonkeyPatch, name: str, train: torch.Tensor, held_out: torch.Tensor) -> None:
    monkeypatch.setitem(IMAGE_SETS, name, lambda root, size: Dataset(train, held_out))


def test_training_and_held_out_samples_of_different_shapes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "fake", pool(4), pool(4, channels=3))
    with pytest.raises(DataError, match=r"shapes \[\(1, 8, 8\), \(3, 8, 8\)\]: choose .*grey images or colour images"):
        DataBank(("fake",), "nowhere", 8, CPU)


# --- where the pools are ---


def test_a_single_data_set_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    train, held_out = pool(6), pool(4)
    register(monkeypatch, "fake", train, held_out)
    bank = DataBank(("fake",), "nowhere", 8, CPU)
    for kept in (bank.train, bank.datasets[0].train):
        assert kept.data_ptr() == train.data_ptr()
    assert bank.held_out.data_ptr() == held_out.data_ptr()


def test_several_data_sets_are_held_once(bank: DataBank) -> None:
    """The data sets are views of the pool, not second copies."""
    assert bank.datasets[0].train.data_ptr() == bank.train.data_ptr()
    assert bank.datasets[1].held_out.data_ptr() == bank.held_out[POINTS_HELD_OUT:].data_ptr()


def test_a_mapped_pool_is_drawn_from_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: Settings
) -> None:
    images = pool(50)
    np.save(tmp_path / "pool.npy", images.numpy())
    register(monkeypatch, "mapped", torch.from_numpy(np.load(tmp_path / "pool.npy", mmap_mode="c")), images)
    register(monkeypatch, "resident", images, images)
    rows = make_settings(2, num_samples=[50, 7])
    mapped, resident = (pick(DataBank((name,), "nowhere", 8, CPU), draws(2), rows) for name in ("mapped", "resident"))
    assert torch.equal(mapped, resident)


def test_a_data_set_larger_than_memory_is_used_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "fake", pool(6), pool(4))
    monkeypatch.setattr(data, "free_memory", lambda device: 1)
    assert DataBank(("fake",), "nowhere", 8, CPU).sizes_host == [6]


@pytest.mark.parametrize(("free", "fits"), [(2 * 64 * 20, True), (2 * 64 * 20 - 2, False)])
def test_a_joint_pool_takes_at_most_half_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, fits: bool
) -> None:
    """Two data sets of 6 + 4 images of 64 bytes."""
    for name in ("one", "two"):
        register(monkeypatch, name, pool(6), pool(4))
    monkeypatch.setattr(data, "free_memory", lambda device: free)
    if fits:
        assert len(DataBank(("one", "two"), "nowhere", 8, CPU).train) == 12
    else:
        with pytest.raises(
            DataError, match=r"\['one', 'two'\] take .* half of .* free on cpu: use a smaller image_size"
        ):
            DataBank(("one", "two"), "nowhere", 8, CPU)


META = torch.device("meta")  # stands for a GPU


def free(monkeypatch: pytest.MonkeyPatch, **devices: int) -> None:
    monkeypatch.setattr(data, "free_memory", lambda device: devices[device.type])


def test_a_pool_that_fits_is_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "fake", pool(6), pool(4))
    free(monkeypatch, meta=2**20)
    bank = DataBank(("fake",), "nowhere", 8, META)
    assert bank.on_device
    assert {bank.device, bank.train.device, bank.held_out.device} == {META}


def test_a_device_may_be_named_with_its_number_or_without(
    monkeypatch: pytest.MonkeyPatch, make_settings: Settings
) -> None:
    """A tensor's device is not equal to the name that it was moved to: `cuda` to `cuda:0`, `cpu:0` to `cpu`."""
    register(monkeypatch, "fake", pool(6), pool(4))
    numbered, plain = (DataBank(("fake",), "nowhere", 8, torch.device(name)) for name in ("cpu:0", "cpu"))
    rows = make_settings(1, num_samples=[6])
    assert torch.equal(pick(numbered, draws(1), rows), pick(plain, draws(1), rows))


def test_training_samples_that_a_device_has_no_room_for_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """9 + 4 images of 64 bytes, of which half of the device's memory takes the 4."""
    train = pool(9)
    register(monkeypatch, "fake", train, pool(4))
    free(monkeypatch, meta=2 * 64 * 12, cpu=1)
    bank = DataBank(("fake",), "nowhere", 8, META)
    assert bank.train.data_ptr() == train.data_ptr()
    assert (bank.on_device, bank.device, bank.held_out.device) == (False, META, META)


def test_several_sets_that_a_device_has_no_room_for_are_joined_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        register(monkeypatch, name, pool(9), pool(4))
    free(monkeypatch, meta=2 * 64 * 12, cpu=2**20)
    bank = DataBank(("one", "two"), "nowhere", 8, META)
    assert (len(bank.train), bank.train.device, bank.held_out.device) == (18, CPU, META)


def test_held_out_samples_that_a_device_has_no_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "fake", pool(6), pool(4))
    free(monkeypatch, meta=100, cpu=2**20)
    with pytest.raises(DataError, match=r"free on meta: use a smaller image_size, fewer images, or a single data set"):
        DataBank(("fake",), "nowhere", 8, META)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_pool_on_the_host_is_drawn_from_as_one_on_the_device(
    monkeypatch: pytest.MonkeyPatch, make_settings: Settings
) -> None:
    device, rows = torch.device("cuda"), make_settings(2, num_samples=[50, 7])
    register(monkeypatch, "fake", pool(50), pool(4))
    there = DataBank(("fake",), "nowhere", 8, device)
    free(monkeypatch, cuda=2 * 64 * 12, cpu=1)
    host = DataBank(("fake",), "nowhere", 8, device)
    assert (there.train.device.type, host.train.device.type) == ("cuda", "cpu")
    everywhere = RowSettings(**{name: column.to(device) for name, column in vars(rows).items()})
    assert torch.equal(*(pick(bank, draws(2).to(device), everywhere) for bank in (there, host)))


def test_the_hosts_free_memory_is_found() -> None:
    assert 2**20 < free_memory(CPU) < 2**50


def test_pages_that_cache_files_count_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  900 kB\nMemFree:  10 kB\nMemAvailable:     700 kB\n")
    monkeypatch.setattr(data, "MEMORY", tmp_path / "meminfo")
    assert free_memory(CPU) == 700 * 1024


def test_without_linuxs_count_all_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = free_memory(CPU)
    monkeypatch.setattr(data, "MEMORY", tmp_path / "absent")
    assert free_memory(CPU) > there


def test_fewer_held_out_images_than_the_metric_needs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "fake", pool(60), pool(41))
    bank = DataBank(("fake",), "nowhere", 8, CPU)
    bank.require_held_out(20)
    with pytest.raises(DataError, match=r"'fake' has 41 held-out samples, 20 .* metric_samples=21 .* at most 20"):
        bank.require_held_out(21)


def test_a_remedy_is_one_that_the_options_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """`metric_samples` can't be made as small as this set is."""
    register(monkeypatch, "fake", pool(60), pool(8))
    with pytest.raises(DataError, match=r"as many in each half: add images until .* at least 16\)"):
        DataBank(("fake",), "nowhere", 8, CPU).require_held_out(16)


def test_every_labelled_set_and_every_category_of_lsun_has_a_name() -> None:
    assert set(LABELLED_SETS) < set(IMAGE_SETS)
    assert {"celeba", "lsun_bedroom", "lsun_church_outdoor", "lsun_tower", "image_folder"} < set(IMAGE_SETS)
