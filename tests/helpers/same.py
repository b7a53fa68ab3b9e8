"""Whether two results of an environment, however nested, have the same bits."""

from typing import Any

import numpy as np


def assert_same(found: Any, expected: Any, name: str = "result") -> None:
    """Tuples, lists, mappings and arrays are compared part by part; the first difference fails, by its name."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), name
        for key in expected:
            assert_same(found[key], expected[key], f"{name}.{key}")
    elif isinstance(expected, tuple | list):
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_same(a, b, f"{name}[{index}]")
    else:
        a, b = np.asarray(found), np.asarray(expected)
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)
