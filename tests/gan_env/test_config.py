import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from gan_env.config import PRESETS, EnvConfig, env_config, find_device
from gan_env.errors import ConfigError, require
from gan_env.strict import replace, to_dict


def test_the_points_preset_is_the_default() -> None:
    assert env_config() == EnvConfig() == PRESETS["points"]


def test_the_updates_of_a_run_are_those_of_its_decisions() -> None:
    assert env_config(num_decisions=3, updates_per_decision=7).updates == 21


def test_an_override_changes_its_option_alone() -> None:
    assert env_config("points", num_decisions=7) == dataclasses.replace(EnvConfig(), num_decisions=7)


def test_a_preset_is_left_as_it_was() -> None:
    before = to_dict(PRESETS["fashion_mnist"])
    env_config("fashion_mnist", num_decisions=3, instances={"seed": 5}, reward={"collapse": 1.0})
    assert to_dict(PRESETS["fashion_mnist"]) == before


def test_a_nested_override_changes_its_option_alone() -> None:
    config = env_config("fashion_mnist", instances={"lr_g": [1e-3, 2e-3]})
    base = PRESETS["fashion_mnist"]
    assert config.instances.lr_g == (1e-3, 2e-3)
    assert dataclasses.replace(config, instances=base.instances) == base
    assert dataclasses.replace(config.instances, lr_g=base.instances.lr_g) == base.instances


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"preset='imagenet' can't be used.*fashion_mnist.*points"):
        env_config("imagenet")


@pytest.mark.parametrize("preset", [["points"], None, 3])
def test_a_preset_that_is_no_name_is_refused(preset: Any) -> None:
    with pytest.raises(ConfigError, match=r"preset=.*expected one of"):
        env_config(preset)


def test_an_unknown_key_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"num_decision=3.*did you mean num_decisions\?"):
        env_config(num_decision=3)


def test_an_unknown_key_that_resembles_none_is_refused_with_all_of_them() -> None:
    with pytest.raises(ConfigError, match=r"zzz=3.*expected one of .*'num_decisions'"):
        env_config(zzz=3)


def test_an_unknown_nested_key_is_refused_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"instances\.lr_q=.*did you mean instances\.lr_[gd]\?"):
        env_config(instances={"lr_q": [1e-3, 1e-2]})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_decisions", "ten"),
        ("num_decisions", 2.5),
        ("num_decisions", True),
        ("ema_decay", "0.9"),
        ("ema_decay", False),
        ("datasets", "ring"),
        ("device", 0),
        ("device", None),
        ("compile", 1),
        ("reward", [1.0]),
    ],
)
def test_a_wrong_type_is_refused_with_key_and_value(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        env_config(**{key: value})
    assert f"{key}={value!r} has type {type(value).__name__}" in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"instances": {"lr_g": [1e-3, "fast"]}}, "instances.lr_g[1]='fast'"),
        ({"instances": {"width_g": [8, 16.5]}}, "instances.width_g[1]=16.5"),
        ({"reward": {"collapse": "much"}}, "reward.collapse='much'"),
        ({"datasets": ["ring", 3]}, "datasets[1]=3"),
    ],
)
def test_a_wrong_type_inside_a_container_is_refused_with_its_place(overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        env_config(**overrides)
    assert named in str(error.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (lambda x: {"instances": {"lr_d": [x, 1.0]}}, "instances.lr_d[0]"),
        (lambda x: {"reward": {"collapse": x}}, "reward.collapse"),
        (lambda x: {"initial_knobs": {"r1": x}}, "initial_knobs.r1"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_with_its_place(number: float, overrides: Any, named: str) -> None:
    with pytest.raises(ConfigError) as error:
        env_config(**overrides(number))
    assert f"{named}={number!r} can't be used: expected a finite number" in str(error.value)


def test_a_range_of_three_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"instances\.lr_g=.*expected 2 values, got 3"):
        env_config(instances={"lr_g": [1e-4, 1e-3, 1e-2]})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasets", ()),
        ("knobs", ()),
        ("knobs", ("r1", "r1")),
        ("image_size", 29),
        ("image_size", 4),
        ("latent_dim", 0),
        ("depth", 0),
        ("num_decisions", 0),
        ("updates_per_decision", 0),
        ("penalty_every", 0),
        ("penalty_every", 3),  # does not divide the updates of an interval
        ("metric_samples", 15),
        ("ema_decay", 1.0),
        ("ema_decay", -0.1),
        ("ema_decay", float("nan")),
        ("max_change", 0.0),
        ("max_change", 1.1),
        ("max_first_change", 0.0),
        ("max_first_change", 1.1),
        ("crash_penalty", 0.0),
        ("crash_penalty", float("nan")),
        ("crash_penalty", 21.0),
        ("data_root", __file__),
        ("reward", {}),
        ("reward", {"log_improvement": 0.0, "collapse": 0.0}),
        ("reward", {"collapse": 2e6}),
        ("action_mode", "relative"),
        ("split", "validation"),
    ],
)
def test_a_value_out_of_range_is_refused_with_key_and_value(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        env_config(**{key: value})
    assert f"{key}={value!r} can't be used: expected " in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_samples", [1, 10]),
        ("num_samples", [10, 9]),
        ("num_samples", [10, 10**30]),
        ("lr_g", [0.0, 1e-3]),
        ("lr_g", [1e-2, 1e-3]),
        ("lr_d", [1e-3, 1.5]),
        ("beta_1", [-0.1, 0.5]),
        ("beta_1", [0.5, 1.0]),
        ("batch_size", [1, 4]),
        ("width_g", [1, 4]),
        ("gain_d", [0.5, 20.0]),
        ("input_scale", [0.0, 1.0]),
        ("train_size", 0),
        ("test_size", 0),
        ("seed", -1),
    ],
)
def test_an_instance_range_out_of_range_is_refused_with_key_and_value(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        env_config(instances={key: value})
    assert f"instances.{key}={value!r} can't be used: expected " in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("ema_decay", 0.0), ("max_change", 1.0), ("image_size", 8), ("depth", 1)])
def test_the_ends_of_a_range_are_allowed(key: str, value: Any) -> None:
    assert getattr(env_config(**{key: value}), key) == value


def test_whole_numbers_become_floats() -> None:
    value = env_config(crash_penalty=3).crash_penalty
    assert value == 3.0
    assert isinstance(value, float)


def test_whole_numbers_in_a_mapping_become_floats() -> None:
    value = env_config(reward={"log_improvement": 2}).reward["log_improvement"]
    assert value == 2.0
    assert isinstance(value, float)


def test_numbers_of_numpy_become_those_of_python() -> None:
    config = env_config(depth=np.int64(3), max_change=np.float32(0.5), compile=np.bool_(False))
    assert (config.depth, config.max_change, config.compile) == (3, 0.5, False)
    assert [type(value) for value in (config.depth, config.max_change, config.compile)] == [int, float, bool]


def test_lists_become_tuples() -> None:
    """YAML has no tuples."""
    config = env_config(datasets=["ring"], instances={"width_g": [8, 16], "width_d": [8, 16]})
    assert config.datasets == ("ring",)
    assert config.instances.width_d == (8, 16)


@dataclass(frozen=True)
class Optional:
    limit: int | None = None


@pytest.mark.parametrize("value", [None, 3])
def test_an_optional_option_takes_none_or_its_type(value: int | None) -> None:
    assert replace(Optional(), {"limit": value}).limit == value


@pytest.mark.parametrize("preset", PRESETS)
def test_round_trip_through_json(preset: str) -> None:
    loaded = json.loads(json.dumps(to_dict(PRESETS[preset])))
    assert replace(PRESETS["points"], loaded) == PRESETS[preset]


def test_require_passes_what_holds() -> None:
    require(True, "key", 1, "anything")


def test_require_names_key_value_and_expectation() -> None:
    with pytest.raises(ConfigError, match="speed=3 can't be used: expected at most 2"):
        require(False, "speed", 3, "at most 2")


def test_a_config_error_is_a_value_error() -> None:
    assert issubclass(ConfigError, ValueError)


def test_the_cpu_is_found() -> None:
    assert find_device("cpu") == torch.device("cpu")


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert find_device("auto").type == kind


@pytest.mark.parametrize("name", ["cuda:99", "nonsense", "cuda:x", ""])
def test_a_device_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        find_device(name)
    assert f"device={name!r} can't be used" in str(error.value)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"instances": {"lr_d": [float("nan"), 1.0]}}, r"instances\.lr_d\[0\]=nan"),
        ({"max_change": float("inf")}, "max_change=inf"),
        ({"reward": {"log_improvement": float("nan")}}, r"reward\.log_improvement=nan"),
    ],
)
def test_numbers_are_finite(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} .*a finite number"):
        env_config(**options)


def test_a_whole_number_beyond_floats_and_an_array_of_instances_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"max_change=.*a finite number"):
        env_config(max_change=10**400)
    with pytest.raises(ConfigError, match=r"instances=.*at least one instance"):
        env_config(instances=np.arange(3))
