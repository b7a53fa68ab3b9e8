"""Saved generators: the same samples without the data, and refusals."""

from pathlib import Path

import pytest
import torch

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
    save_generators(tmp_path / "generator.safetensors", env.population, ["ring", "grid", "ring"])
    return tmp_path / "generator.safetensors"


def test_what_was_saved_comes_back(env: GANVectorEnv, path: Path) -> None:
    saved = load_generators(path, CPU)
    assert saved.sizes == env.population.config
    assert saved.datasets == ("ring", "grid", "ring")
    assert saved.sample_shape == (2,)
    assert saved.crashed == (False, False, False)
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
        from safetensors.torch import save_file

        save_file({"weights": torch.zeros(2)}, path)
    with pytest.raises(DataError, match=r"generator\.safetensors can't be read .* train again"):
        load_generators(path, CPU)
