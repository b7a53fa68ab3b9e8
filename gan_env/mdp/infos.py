"""Gymnasium's vector infos: columns with one entry a row, and beside each a mask of the rows that it is for.

`VectorEnv._add_info` makes them of the infos of single environments; here they are made of whole columns. A value is 0
(None among objects) and its mask False where a row has none; a key that no row has is left out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def masked(columns: Mapping[str, Any], rows: NDArray[np.bool_]) -> dict[str, Any]:
    """Infos of some rows: each column, 0 or None in other rows, and its mask under the name with "_" in front.

    Args:
        columns: by name, arrays [N, ...] or mappings of such.
        rows: whether a row has them, bool [N]; where none has, there are no infos.
    """
    infos: dict[str, Any] = {}
    for name, column in columns.items() if rows.any() else ():
        if isinstance(column, Mapping):
            shown: Any = masked(column, rows)
        else:
            nothing = np.full_like(column, None if column.dtype == object else 0)
            shown = np.where(rows.reshape(-1, *[1] * (column.ndim - 1)), column, nothing)
        infos |= {name: shown, f"_{name}": rows.copy()}
    return infos


def joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Infos of some rows and of other rows as one; a key that both have is a column of arrays."""
    both = {**first, **second}
    for name in first.keys() & second.keys():
        if not name.startswith("_"):
            rows = second[f"_{name}"]
            both[name] = np.where(rows, second[name], first[name])
            both[f"_{name}"] = first[f"_{name}"] | rows
    return both


def of_row_0(infos: Mapping[str, Any]) -> dict[str, Any]:
    """The infos of row 0 as a single environment has them: plain values, without masks."""

    def first(column: Any) -> Any:
        if isinstance(column, dict):
            return of_row_0(column)
        return column[0].item() if isinstance(column[0], np.generic) else column[0]

    return {name: first(column) for name, column in infos.items() if not name.startswith("_")}
