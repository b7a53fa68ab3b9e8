"""Instances that a user gives: a list, a function or a file; in options, in sets and in environments."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import call
from small_env import SMALL, make, still

import gan_env
from gan_env import ConfigError, Instance
from gan_env.config import env_config
from gan_env.instance_lists import HYPERPARAMETERS, hash_of, read_instances
from gan_env.mdp.instances import InstanceSet
from gan_env.strict import to_dict

ONE = Instance("ring", num_samples=100, lr_g=1e-3, lr_d=2e-3, beta_1=0.0, batch_size=8, width_g=12, width_d=12)
TWO = Instance("grid", num_samples=200, lr_g=3e-4, lr_d=1e-3, beta_1=0.5, batch_size=24, width_g=40, width_d=40)
FIELDS = {
    name: st.integers(int(number.low), int(number.high)) if number.whole else st.floats(number.low, number.high)
    for name, number in HYPERPARAMETERS.items()
}
INSTANCES = st.builds(Instance, st.sampled_from(["ring", "grid"]), loss=st.sampled_from(["hinge"]), **FIELDS)


def drawn(rng: np.random.Generator) -> dict[str, Any]:
    return vars(ONE) | {"num_samples": int(rng.integers(10, 100_000))}


# --- options ---


@pytest.mark.parametrize("own", [[ONE, TWO], (ONE, vars(TWO)), [vars(ONE), vars(TWO) | {"lr_d": np.float64(1e-3)}]])
def test_a_list_is_the_training_set(own: Any) -> None:
    config = env_config(instances=own)
    assert InstanceSet(config, "train").instances == [ONE, TWO]


def test_the_ranges_are_those_that_all_own_instances_span() -> None:
    ranges = env_config(instances={"train": [ONE, ONE], "test": [TWO]}).instances
    assert (ranges.width_g, ranges.batch_size, ranges.lr_d) == ((12, 40), (8, 24), (1e-3, 2e-3))
    assert (ranges.train_size, ranges.test_size) == (2, 1)


def test_a_function_draws_as_many_as_the_size_says_from_the_seed() -> None:
    def sets(seed: int) -> list[InstanceSet]:
        config = env_config(instances={"train": drawn, "test": drawn, "train_size": 7, "test_size": 3, "seed": seed})
        return [InstanceSet(config, split) for split in ("train", "test")]  # type: ignore[arg-type]

    train, test = sets(0)
    assert (len(train), len(test)) == (7, 3)
    assert not set(train.instances) & set(test.instances)
    assert [s.hash for s in sets(0)] == [train.hash, test.hash]
    assert sets(1)[0].hash != train.hash


@pytest.mark.parametrize("own", [[ONE, TWO], drawn], ids=["list", "function"])
def test_options_with_own_instances_are_json_and_read_back(own: Any) -> None:
    """So a run that is saved holds them, whatever they came from."""
    config = env_config(instances={"train": own, "train_size": 3})
    assert env_config(**json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ([], "instances=.*at least one"),
        ("nowhere.json", "nowhere.json.*a file that gan_env.save_instances wrote"),
        (3, "instances.train=3.*a list of instances, a function that draws one, or the name of a file"),
        ([3], r"instances.train\[0\]=3.*a mapping of dataset, num_samples"),
        ([ONE, {"dataset": "ring"}], r"instances.train\[1\].*it lacks num_samples, lr_g"),
        ([vars(ONE) | {"widht_g": 3}], r"instances.train\[0\].widht_g=3.*did you mean instances.train\[0\].width_"),
        ([vars(ONE) | {"width_g": 3.5}], r"instances.train\[0\].width_g=3.5 has type float"),
        ([vars(ONE) | {"lr_g": 2.0}], r"instances.train\[0\].lr_g=2.0.*1e-09 to 1"),
        ([vars(ONE) | {"beta_1": float("nan")}], r"instances.train\[0\].beta_1=nan"),
        (lambda rng: None, r"instances.train\[0\]=None.*a mapping"),
        ({"training": [ONE]}, "instances.training.*no option"),
        ({"train": [ONE], "train_size": 0}, "train_size=0"),
    ],
    ids=range(12),
)
def test_other_things_are_refused_with_help(own: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        env_config(instances=own)


def test_a_split_without_instances_of_its_own_is_not_drawn() -> None:
    """Ranges that only one's own training instances are known to have would make test instances of another kind."""
    with pytest.raises(ConfigError, match=r"instances.test=\(\).*instances=\{'train': \[...\], 'test': \[...\]\}"):
        InstanceSet(env_config(instances=[ONE]), "test")


def test_an_instance_of_a_data_set_that_the_environment_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"instances.train\[1\].dataset='grid'.*\('ring',\)"):
        InstanceSet(env_config(datasets=["ring"], instances=[ONE, TWO]), "train")


# --- files and hashes ---


@given(st.lists(INSTANCES, min_size=1, max_size=4))
def test_a_file_gives_back_what_was_saved(tmp_path_factory: pytest.TempPathFactory, instances: list[Instance]) -> None:
    path = tmp_path_factory.mktemp("instances") / "own.json"
    digest = gan_env.save_instances(path, instances)
    found = InstanceSet(env_config(instances=str(path)), "train")
    assert found.instances == instances
    assert found.hash == digest == hash_of(instances)


@given(INSTANCES, INSTANCES)
def test_other_instances_have_another_hash(a: Instance, b: Instance) -> None:
    assert (hash_of([a]) == hash_of([b])) == (a == b)
    assert hash_of([a, a]) != hash_of([a])


def test_the_hash_counts_values_not_how_they_were_written() -> None:
    assert InstanceSet(env_config(instances=[vars(ONE) | {"beta_1": 0}]), "train").hash == hash_of([ONE])


def test_a_drawn_set_can_be_saved(tmp_path: Path) -> None:
    generated = InstanceSet(env_config(instances={"test_size": 5}), "test")
    assert gan_env.save_instances(tmp_path / "a.json", generated) == generated.hash
    assert InstanceSet(env_config(instances={"test": tmp_path / "a.json"}), "test").instances == generated.instances


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "can't be read"),
        ("[]", "a file that gan_env.save_instances wrote"),
        ('{"sha256": "", "instances": 3}', "a file that gan_env.save_instances wrote"),
        ('{"sha256": "", "instances": []}', "a list of instances"),
        ('{"sha256": "", "instances": [{}]}', r"own.json\[0\].*it lacks dataset"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_instances(path)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    gan_env.save_instances(path, [ONE, TWO])
    path.write_text(path.read_text().replace("0.002", "0.003"))
    with pytest.raises(ConfigError, match="it was changed"):
        read_instances(path)


def test_what_is_no_instance_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="width_g"):
        gan_env.save_instances(tmp_path / "own.json", [vars(ONE) | {"width_g": 1}])
    with pytest.raises(ConfigError, match="expected a list of Instances"):
        gan_env.save_instances(tmp_path / "own.json", ONE)  # type: ignore[arg-type]
    assert not (tmp_path / "own.json").exists()


# --- environments ---


def test_tensors_are_as_large_as_the_largest_own_instance() -> None:
    env = make(2, instances=[ONE, TWO])
    assert (env.population.config.width_g, env.population.config.batch_size) == (40, 24)
    env.reset(seed=0, options={"instance": [0, 1]})
    assert env.current_instances == [ONE, TWO]
    assert env.population.settings.width_g.tolist() == pytest.approx([0.3, 1.0])
    assert np.isfinite(env.step(still(env))[0]).all()


def test_rows_draw_from_own_instances() -> None:
    env = make(16, instances=[ONE, TWO])
    env.reset(seed=0)
    assert set(env.current_instances) == {ONE, TWO}


# --- command lines ---


def test_a_command_line_names_files(tmp_path: Path) -> None:
    small = [f"env.{key}={str(value).lower()}" for key, value in SMALL.items()] + ["episodes=2", f"folder={tmp_path}/a"]
    gan_env.save_instances(tmp_path / "test.json", [ONE])
    ran = call("baselines/run.py", "policy=fixed", f"env.instances.test={tmp_path}/test.json", *small)
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "a/summary.json").read_text())["env"]["instances"]["test"] == [vars(ONE)]
    ran = call("baselines/run.py", "policy=fixed", f"env.instances={tmp_path}/test.json", *small)  # for training alone
    assert ran.returncode == 1
    assert "error: env.instances.test=()" in ran.stderr
