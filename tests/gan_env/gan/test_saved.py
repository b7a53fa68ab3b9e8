"""Saved generators: the same samples without the data, and refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from gan_env import DataError, GANVectorEnv
from gan_env.gan.saved import _PART, load_generators, save_generators
from gan_env.seeding import fold_in, normal

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def env() -> GANVectorEnv:
    env = GANVectorEnv(3, num_decisions=2, updates_per_decision=2, metric_samples=32, compile=False)
    env.reset(seed=4)
    env.step(env.action_space.sample())
    return env


@pytest.fixture
def path(env: GANVectorEnv, tmp_path: Path) -> Path:
    save_generators(
        tmp_path / "generator.safetensors", env.population, ["ring", "grid", "ring"], "data", [False, True, False]
    )
    return tmp_path / "generator.safetensors"


def test_what_was_saved_comes_back(env: GANVectorEnv, path: Path) -> None:
    saved = load_generators(path, CPU)
    assert saved.sizes == env.population.config
    assert saved.datasets == ("ring", "grid", "ring")
    assert saved.sample_shape == (2,)
    assert saved.crashed == (False, True, False)
    assert torch.equal(saved.weights, env.population.state.ema)
    assert torch.equal(saved.keys, env.population.settings.key)


def test_samples_are_the_averaged_generators(env: GANVectorEnv, path: Path) -> None:
    """The training program's generator on the same latents gives the same samples."""
    saved = load_generators(path, CPU)
    key = fold_in(fold_in(env.population.settings.key, 2**20), 0)
    z = normal(key, _PART, env.population.config.latent_dim)
    expected = env.population.generator(env.population.state.ema, z)
    torch.testing.assert_close(saved.sample(1, 20), expected[1, :20])


def test_fewer_samples_are_the_first_of_more(path: Path) -> None:
    saved = load_generators(path, CPU)
    many = saved.sample(0, _PART + 30)
    assert many.shape == (_PART + 30, 2)
    assert torch.equal(saved.sample(0, 10), many[:10])
    assert not torch.equal(many[:10], many[_PART : _PART + 10])


def test_latents_are_not_those_of_training(env: GANVectorEnv, path: Path) -> None:
    assert not torch.allclose(load_generators(path, CPU).sample(0, 10), env.population.sample(10)[0])


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_a_bad_file_is_named(path: Path, damage: str) -> None:
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:200])
    else:
        save_file({"weights": torch.zeros(2)}, path)
    with pytest.raises(DataError, match=r"generator\.safetensors can't be read .* train again"):
        load_generators(path, CPU)


def parts(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["generators"]), {name: file.get_tensor(name) for name in ("weights", "keys")}


def write(path: Path, header: Any, tensors: dict[str, Tensor]) -> None:
    save_file(tensors, path, {"generators": json.dumps(header)})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sizes": [1]}, "sizes="),
        ({"sizes": {"width_g": "8"}}, "sizes.width_g="),
        ({"sizes": {"architecture": "mpl"}}, "architecture="),
        ({"sizes": {"width_g": 10**7}}, "content.weights is"),
        ({"sizes": {"width_g": -8}}, "sizes.width_g=-8"),
        ({"sizes": {"latent_dim": -(10**7)}}, "sizes.latent_dim="),
        ({"sizes": {"depth": 0}}, "sizes.depth=0"),
        ({"sample_shape": None}, "sample_shape="),
        ({"sample_shape": [1, 0, 0], "sizes": {"architecture": "resnet"}}, "sample_shape="),
        ({"sample_shape": [3]}, "content.weights is"),
        ({"datasets": 3}, "datasets="),
        ({"datasets": ["ring", "grid"]}, "content.crashed is"),
        ({"data_root": None}, "data_root="),
        ({"crashed": [False]}, "content.crashed is"),
    ],
)
def test_a_header_that_is_damaged_or_does_not_fit_is_told(path: Path, change: dict[str, Any], named: str) -> None:
    header, tensors = parts(path)
    write(path, header | change, tensors)
    with pytest.raises(DataError, match=rf"generator\.safetensors can't be read .*{named}.* train again"):
        load_generators(path, CPU)


@pytest.mark.parametrize("lacking", ["sizes", "sample_shape", "datasets", "data_root", "crashed", "header"])
def test_a_header_that_lacks_something_is_told(path: Path, lacking: str) -> None:
    header, tensors = parts(path)
    header.pop(lacking, None)
    write(path, [] if lacking == "header" else header, tensors)
    with pytest.raises(DataError, match=rf"generator\.safetensors can't be read .*{lacking}.* train again"):
        load_generators(path, CPU)


@pytest.mark.parametrize(
    ("name", "damage"),
    [("weights", lambda x: x[:, :-5]), ("weights", Tensor.int), ("keys", lambda x: x[:2]), ("keys", Tensor.float)],
)
def test_tensors_that_are_not_those_of_the_header_are_told(
    path: Path, name: str, damage: Callable[[Tensor], Tensor]
) -> None:
    header, tensors = parts(path)
    write(path, header, tensors | {name: damage(tensors[name]).contiguous()})
    with pytest.raises(DataError, match=rf"can't be read .*content.{name} is .*expected.* train again"):
        load_generators(path, CPU)
