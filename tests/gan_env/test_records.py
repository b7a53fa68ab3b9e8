from collections.abc import Callable
from dataclasses import fields

import pytest
import torch

from gan_env.records import MEANS, Dataset, Moment, Quality, RowSettings, TrainStats, decode, to_host

Settings = Callable[..., RowSettings]


@pytest.mark.parametrize("record", [Dataset, Moment, Quality, RowSettings, TrainStats])
def test_help_says_what_every_field_of_a_users_record_is(record: type) -> None:
    lines = [line.strip() for line in (record.__doc__ or "").splitlines()]
    names = [field.name for field in fields(record)]
    assert [name for name in names if not any(line.startswith(f"{name}: ") for line in lines)] == []


def test_rows_are_replaced_in_their_order(make_settings: Settings) -> None:
    settings = make_settings(4, key=[0, 1, 2, 3], lr_g=[0.1, 0.2, 0.3, 0.4])
    other = make_settings(2, key=[70, 80], lr_g=[0.7, 0.8])
    result = settings.with_rows(torch.tensor([3, 1]), other)
    assert result.key.tolist() == [0, 80, 2, 70]
    torch.testing.assert_close(result.lr_g, torch.tensor([0.1, 0.8, 0.3, 0.7]))


def test_replacing_rows_leaves_the_original(make_settings: Settings) -> None:
    settings = make_settings(3)
    settings.with_rows(torch.tensor([0]), make_settings(1, key=[9]))
    assert settings.key.tolist() == [0, 1, 2]


def test_replacing_and_taking_reach_every_field(make_settings: Settings) -> None:
    names = [field.name for field in fields(RowSettings)]
    other = make_settings(1, **{name: [2] for name in names})
    result = make_settings(3).with_rows(torch.tensor([1]), other).take(slice(1, 2))
    for name in names:
        assert getattr(result, name).tolist() == [2]


def test_rows_are_taken_by_index_or_slice(make_settings: Settings) -> None:
    settings = make_settings(4)
    assert settings.take(torch.tensor([2, 0])).key.tolist() == [2, 0]
    assert settings.take(slice(1, 3)).key.tolist() == [1, 2]


def test_columns_come_to_the_host_as_they_were() -> None:
    columns = {
        "obs": torch.arange(6.0).view(2, 3),
        "reward": torch.tensor([0.5, -0.5]),
        "one": torch.tensor([[7.0], [8.0]]),
        "crashed": torch.tensor([True, False]),
    }
    host = to_host(columns)
    assert list(host) == list(columns)
    for name, column in columns.items():
        assert torch.equal(torch.from_numpy(host[name]), column.float())


def test_bytes_are_decoded_to_the_unit_range() -> None:
    decoded = decode(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(decoded, torch.tensor([-1.0, -0.6, 1.0]))


def test_floats_are_decoded_as_they_are() -> None:
    points = torch.tensor([[0.3, -0.7]])
    assert torch.equal(decode(points), points)


def test_spreads_come_from_means_and_squares_and_are_never_negative() -> None:
    """Logits 1 and 3 in one row; in the other the difference of their moments is negative by rounding."""
    zeros = torch.zeros(2)
    means = dict.fromkeys(MEANS, zeros) | {"logit_real": torch.tensor([2.0, 3.0])}
    means["square_logit_real"] = torch.tensor([5.0, 8.9999])
    stats = TrainStats.of_means(means, zeros, zeros, zeros == 0)
    assert stats.logit_spread_real.tolist() == [1.0, 0.0]
    assert stats.logit_spread_fake.tolist() == stats.spread_d.tolist() == [0.0, 0.0]
