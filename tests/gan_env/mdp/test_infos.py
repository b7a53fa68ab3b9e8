"""Vector infos from columns are those that Gymnasium makes of single ones."""

from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from hypothesis import given
from hypothesis import strategies as st

from gan_env.mdp.infos import joined, masked, of_row_0

ROWS = 4
MASKS = st.lists(st.booleans(), min_size=ROWS, max_size=ROWS).map(np.array)


def columns() -> dict[str, Any]:
    names = np.array(["ring", "moons", "grid", "ring"], object)
    return {"x": np.arange(1.0, 5.0), "n": np.arange(4) + 2**62, "of": {"name": names, "ok": np.ones(4, bool)}}


def single(row: int, found: dict[str, Any]) -> dict[str, Any]:
    """What the environment of that row would say."""
    return {k: single(row, c) if isinstance(c, dict) else c.tolist()[row] for k, c in found.items()}


def as_gymnasium(rows: Any, *parts: dict[str, Any]) -> dict[str, Any]:
    """Gymnasium's own infos of the rows, each with the infos of its part."""
    envs: VectorEnv[Any, Any, Any] = VectorEnv()
    envs.num_envs = ROWS
    infos: dict[str, Any] = {}
    for row in range(ROWS):
        for part, mask in zip(parts, rows, strict=True):
            infos = envs._add_info(infos, single(row, part), row) if mask[row] else infos
    return infos


def assert_same(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert mine.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same(mine[key], value)
        else:
            assert mine[key].dtype == value.dtype
            assert mine[key].tolist() == value.tolist()


@given(MASKS)
def test_columns_of_some_rows_are_the_infos_of_these_rows(rows: Any) -> None:
    assert_same(masked(columns(), rows), as_gymnasium([rows], columns()))


@given(MASKS)
def test_infos_of_two_kinds_of_rows_are_joined(rows: Any) -> None:
    """As where some rows are reset while the others go on: one key is in both."""
    going, fresh = {"x": np.full(4, 9.0), "z": np.zeros(4)}, columns()
    mine = joined(masked(going, ~rows), masked(fresh, rows))
    assert_same(mine, as_gymnasium([~rows, rows], going, fresh))


def test_the_infos_of_row_0_are_plain_and_without_masks() -> None:
    found = of_row_0(masked(columns(), np.ones(ROWS, bool)))
    assert found == {"x": 1.0, "n": 2**62, "of": {"name": "ring", "ok": True}}
    assert type(found["of"]["ok"]) is bool
