"""The cache of what is computed from reference images: hits, misses, damage."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gan_env.metrics import cache
from gan_env.metrics.cache import cached, fingerprint


@pytest.fixture
def compute() -> Callable[[], dict[str, Tensor]]:
    """Counts its calls in the tensor that it gives."""
    calls = []

    def compute() -> dict[str, Tensor]:
        calls.append(None)
        return {"calls": torch.tensor([len(calls)]), "mu": torch.arange(3, dtype=torch.float64).expand(2, 3)}

    return compute


def test_the_second_time_nothing_is_computed(tmp_path: Path, compute: Callable[[], dict[str, Tensor]]) -> None:
    first = cached(tmp_path / "cache", "reference", "key", compute)
    second = cached(tmp_path / "cache", "reference", "key", compute)
    assert second["calls"].item() == 1
    assert torch.equal(second["mu"], first["mu"])
    assert second["mu"].dtype == torch.float64


def test_another_key_is_another_file(tmp_path: Path, compute: Callable[[], dict[str, Tensor]]) -> None:
    cached(tmp_path, "reference", "key", compute)
    assert cached(tmp_path, "reference", "other", compute)["calls"].item() == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"nonsense that is no safetensors file"])
def test_a_damaged_file_is_computed_anew_with_a_warning(
    tmp_path: Path, compute: Callable[[], dict[str, Tensor]], damage: bytes
) -> None:
    cached(tmp_path, "reference", "key", compute)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage or whole[:-5])
    with pytest.warns(UserWarning, match=f"{file.name} is damaged"):
        assert cached(tmp_path, "reference", "key", compute)["calls"].item() == 2
    assert len(file.read_bytes()) == len(whole)
    assert cached(tmp_path, "reference", "key", compute)["calls"].item() == 2


def test_a_kill_while_writing_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compute: Callable[[], dict[str, Tensor]]
) -> None:
    def killed(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"the first half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "reference", "key", compute)
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_for_the_cache_it_goes_on_with_a_warning(
    tmp_path: Path, compute: Callable[[], dict[str, Tensor]]
) -> None:
    (tmp_path / "cache").write_text("a file in the folder's place")
    with pytest.warns(UserWarning, match="can't be written"):
        assert cached(tmp_path / "cache", "reference", "key", compute)["mu"].shape == (2, 3)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=20), st.integers(0, 19), st.integers(1, 255))
def test_any_byte_changes_the_fingerprint(values: list[int], place: int, by: int) -> None:
    changed = list(values)
    changed[place % len(values)] = (changed[place % len(values)] + by) % 256
    a, b = (torch.tensor(v, dtype=torch.uint8) for v in (values, changed))
    assert fingerprint(a) != fingerprint(b)
    assert fingerprint(a) == fingerprint(a.clone())


def test_the_fingerprint_knows_shape_type_and_borders() -> None:
    x = torch.zeros(2, 3)
    assert fingerprint(x) != fingerprint(x.view(3, 2))
    assert fingerprint(x) != fingerprint(x.int())
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint(torch.arange(6).view(2, 3).T) == fingerprint(torch.arange(6).view(2, 3).T.contiguous())
    assert len(fingerprint(torch.tensor(1.5))) == 64
