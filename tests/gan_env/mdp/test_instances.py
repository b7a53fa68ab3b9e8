from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_env.config import PRESETS, EnvConfig, InstanceConfig, env_config
from gan_env.errors import ConfigError
from gan_env.instance_lists import HYPERPARAMETERS
from gan_env.mdp.instances import Instance, InstanceSet


@st.composite
def configs(draw: st.DrawFn) -> EnvConfig:
    """Configurations with a few instances in any ranges."""

    def pair(low: float, high: float) -> tuple[float, float]:
        a, b = sorted(draw(st.tuples(st.floats(low, high), st.floats(low, high))))
        return a, b

    def whole(high: int) -> tuple[int, int]:
        a, b = sorted(draw(st.tuples(st.integers(2, high), st.integers(2, high))))
        return a, b

    names = tuple(PRESETS["points"].datasets[: draw(st.integers(1, 5))])
    ranges = InstanceConfig(
        num_samples=whole(100_000),
        lr_g=pair(1e-6, 1),
        lr_d=pair(1e-6, 1),
        beta_1=pair(0, 0.99),
        batch_size=whole(512),
        width_g=whole(256),
        width_d=whole(256),
        gain_g=pair(0.1, 10),
        gain_d=pair(0.1, 10),
        input_scale=pair(0.1, 10),
        train_size=draw(st.integers(1, 40)),
        test_size=draw(st.integers(1, 40)),
        seed=draw(st.integers(0, 2**32)),
    )
    return replace(PRESETS["points"], datasets=names, instances=ranges)


def both(config: EnvConfig) -> tuple[InstanceSet, InstanceSet]:
    return InstanceSet(config, "train"), InstanceSet(config, "test")


# --- what a set holds ---


@given(configs())
def test_instances_are_inside_the_ranges(config: EnvConfig) -> None:
    for instance in (i for instances in both(config) for i in instances):
        assert instance.dataset in config.datasets and instance.loss in config.losses
        for name, number in HYPERPARAMETERS.items():
            low, high = getattr(config.instances, name)
            assert isinstance(getattr(instance, name), int) == number.whole
            assert low * (1 - 1e-12) <= getattr(instance, name) <= high * (1 + 1e-12)


@given(configs())
def test_sets_have_their_sizes(config: EnvConfig) -> None:
    train, test = both(config)
    assert len(train) == len(train.instances) == config.instances.train_size
    assert len(test) == len(test.instances) == config.instances.test_size


@given(configs())
def test_every_data_set_and_every_loss_comes_about_equally_often(config: EnvConfig) -> None:
    for instances in both(config):
        for names, drawn in (
            (config.datasets, [instance.dataset for instance in instances]),
            (config.losses, [instance.loss for instance in instances]),
        ):
            each = [Counter(drawn)[name] for name in names]
            assert max(each) - min(each) <= 1


@given(configs())
def test_a_set_is_the_same_every_time(config: EnvConfig) -> None:
    for first, second in zip(both(config), both(config), strict=True):
        assert first.instances == second.instances


@pytest.mark.parametrize("preset", PRESETS)
def test_training_and_test_instances_are_disjoint(preset: str) -> None:
    train, test = both(PRESETS[preset])
    assert len(set(train.instances)) == len(train)
    assert not set(train.instances) & set(test.instances)


@given(st.integers(0, 2**32))
def test_training_and_test_instances_are_disjoint_for_every_seed(seed: int) -> None:
    train, test = both(env_config(instances={"seed": seed, "train_size": 50, "test_size": 50}))
    assert not set(train.instances) & set(test.instances)


@pytest.mark.parametrize("split", ["train", "test"])
def test_another_seed_gives_other_instances(split: Any) -> None:
    first, second = (InstanceSet(env_config(instances={"seed": s, "train_size": 20}), split) for s in (0, 1))
    assert not set(first.instances) & set(second.instances)


def test_the_size_of_one_set_does_not_change_the_other() -> None:
    """Training on more instances must not change what a policy is judged on."""
    small, large = (InstanceSet(env_config(instances={"train_size": n}), "test") for n in (10, 1000))
    assert small.instances == large.instances


def test_rates_are_drawn_uniformly_in_the_logarithm() -> None:
    logs = np.log10([i.lr_g for i in InstanceSet(env_config(), "train")])  # 3e-5 to 3e-2
    assert logs.mean() == pytest.approx(np.log10(9e-7) / 2, abs=0.08)
    assert logs.std() == pytest.approx(3 / 12**0.5, abs=0.04)


def test_hyperparameters_are_drawn_independently() -> None:
    instances = InstanceSet(env_config(), "train").instances
    columns = np.log([[getattr(i, name) for i in instances] for name in HYPERPARAMETERS if name != "beta_1"])
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 0.12


# --- pinning ---


@pytest.fixture(scope="module")
def instances() -> InstanceSet:
    return InstanceSet(
        env_config(instances={"train_size": 10, "width_g": [16, 64], "width_d": [16, 64], "batch_size": [8, 32]}),
        "train",
    )


@pytest.mark.parametrize("index", [0, 9, np.int64(4)])
def test_an_index_pins_its_instance(instances: InstanceSet, index: int) -> None:
    assert instances.pin(index) is instances.instances[int(index)]


@pytest.mark.parametrize("index", [-1, 10])
def test_an_index_that_is_not_there_is_refused_with_the_range(instances: InstanceSet, index: int) -> None:
    with pytest.raises(ConfigError, match=rf"options\['instance'\]={index} .*0 to 9"):
        instances.pin(index)


def test_a_mapping_changes_the_first_instance(instances: InstanceSet) -> None:
    pinned = instances.pin({"dataset": "grid", "lr_g": 1, "batch_size": 32})
    assert pinned == replace(instances[0], dataset="grid", lr_g=1.0, batch_size=32)


def test_an_empty_mapping_is_the_first_instance(instances: InstanceSet) -> None:
    assert instances.pin({}) == instances[0]


def test_an_instance_pins_itself(instances: InstanceSet) -> None:
    """It need not be in the set, nor in its ranges of learning rates."""
    own = Instance("ring", num_samples=2, lr_g=0.9, lr_d=1e-7, beta_1=0.0, batch_size=2, width_g=2, width_d=2)
    assert instances.pin(own) == own


WRONG = [
    ("dataset", "mnist"),
    ("loss", "wasserstein"),
    ("gain_g", 0.0),
    ("input_scale", float("nan")),
    ("num_samples", 1),
    ("batch_size", 1),
    ("batch_size", 33),
    ("width_g", 1),
    ("width_d", 65),
    ("lr_g", 0.0),
    ("lr_g", 1.5),
    ("lr_d", float("nan")),
    ("beta_1", 1.0),
    ("beta_1", -0.1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_field_out_of_range_is_refused_with_name_and_value(instances: InstanceSet, name: str, value: Any) -> None:
    for choice in ({name: value}, replace(instances[0], **{name: value})):
        with pytest.raises(ConfigError) as error:
            instances.pin(choice)
        assert f"instance.{name}={value!r} can't be used" in str(error.value)


def test_a_field_of_the_wrong_type_is_refused_with_its_type(instances: InstanceSet) -> None:
    for choice in ({"lr_g": "fast"}, replace(instances[0], lr_g="fast")):
        with pytest.raises(ConfigError, match=r"instance\.lr_g='fast' has type str: expected float"):
            instances.pin(choice)


@pytest.mark.parametrize("choice", ["ring", 1.5, None, ["dataset", "ring"]])
def test_what_pins_no_instance_is_refused_with_what_does(instances: InstanceSet, choice: Any) -> None:
    with pytest.raises(ConfigError) as error:
        instances.pin(choice)
    assert f"options['instance']={choice!r}" in str(error.value)
    assert "expected an index, an Instance, or a mapping of fields such as {'dataset': 'ring'}" in str(error.value)


@pytest.mark.parametrize("choice", [2, np.int64(2), {"width_d": 7}])
def test_what_pins_one_row_pins_all(instances: InstanceSet, choice: Any) -> None:
    assert instances.pin_rows(choice, 3) == [instances.pin(choice)] * 3


def test_nothing_pins_no_row(instances: InstanceSet) -> None:
    assert instances.pin_rows(None, 3) == [None] * 3


@pytest.mark.parametrize("kind", [list, tuple, lambda values: np.array(values, object)])
def test_a_sequence_pins_row_by_row(instances: InstanceSet, kind: Any) -> None:
    assert instances.pin_rows(kind([2, None, instances[5]]), 3) == [instances[2], None, instances[5]]


def test_a_sequence_for_other_rows_is_refused(instances: InstanceSet) -> None:
    with pytest.raises(ConfigError, match=r"options\['instance'\]=\[1, 2\].*a sequence of 3"):
        instances.pin_rows([1, 2], 3)


def test_an_unknown_field_is_refused_with_a_suggestion(instances: InstanceSet) -> None:
    with pytest.raises(
        ConfigError, match=r"options\.instance\.batchsize=8.*did you mean options\.instance\.batch_size"
    ):
        instances.pin({"batchsize": 8})


def test_a_field_of_the_wrong_type_is_refused(instances: InstanceSet) -> None:
    with pytest.raises(ConfigError, match=r"options\.instance\.width_g=16\.0 has type float"):
        instances.pin({"width_g": 16.0})


def test_settings_are_those_of_the_instances_and_fit_the_data() -> None:
    """A training set is a window of the pool that the seed places, and no larger than the pool."""
    instances = InstanceSet(env_config("points", datasets=["ring", "grid"]), "train")
    shown = {"gain_g": 0.5, "input_scale": 2.0, "loss": "hinge"}
    wanted = Instance("grid", 500, lr_g=1e-3, lr_d=2e-3, beta_1=0.5, batch_size=16, width_g=16, width_d=8, **shown)
    found = instances.settings([(1234, wanted), (7, instances[0])], [1000, 100], torch.device("cpu"))
    row = {name: column[0].item() for name, column in vars(found).items()}
    whole = {"key": 1234, "dataset": 1, "window": 34, "num_samples": 100, "batch_size": 16, "loss": 1}
    real = {"width_g": 0.5, "width_d": 0.25, "gain_g": 0.5, "gain_d": 1.0, "input_scale": 2.0}
    assert row == pytest.approx({**whole, **real, "lr_g": 1e-3, "lr_d": 2e-3, "beta_1": 0.5})
