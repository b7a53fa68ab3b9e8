"""What functions read of a moment."""

from dataclasses import fields

import pytest
import torch

from gan_env.errors import ConfigError
from gan_env.mdp.probe import fields_read
from gan_env.mdp.steps import measured
from gan_env.records import Moment, Quality, RowSettings, TrainStats


def test_fields_are_told_in_the_order_of_reading_each_once() -> None:
    found = fields_read(
        {
            "it": lambda m: m.quality.collapse + m.stats.loss_d * m.settings.lr_g + m.quality.collapse,
            "other": lambda m: m.best,
        },
        2,
    )
    assert found == ("quality", "collapse", "stats", "loss_d", "settings", "lr_g", "best")


def test_what_a_method_or_property_reads_counts() -> None:
    assert fields_read({"it": lambda m: m.last.float()}, 2) == ("left",)
    assert fields_read({"it": lambda m: measured(m, "steps")[:, 0]}, 2) == ("stats", "step_g", "step_d")


def test_it_is_a_moment_of_as_many_knobs() -> None:
    def compute(moment: Moment) -> torch.Tensor:
        assert isinstance(moment, Moment) and isinstance(moment.stats, TrainStats)
        return moment.coordinates[:, 2]

    assert fields_read({"it": compute}, 3) == ("stats", "coordinates")
    with pytest.raises(ConfigError, match="it fails with IndexError"):
        fields_read({"it": compute}, 2)


def test_no_two_of_its_records_have_a_field_of_the_same_name() -> None:
    names = [field.name for record in (Moment, TrainStats, Quality, RowSettings) for field in fields(record)]
    assert len(set(names)) == len(names)
