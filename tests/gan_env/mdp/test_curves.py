"""The curves of runs: rows start and go on at moments of their own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gan_env.mdp.curves import Curves

ROWS, DECISIONS = 3, 4
MOVES = st.lists(st.tuples(st.booleans(), st.lists(st.booleans(), min_size=ROWS, max_size=ROWS)), max_size=12)


@given(MOVES)
def test_each_row_has_the_numbers_of_its_own_run(moves: list[tuple[bool, list[bool]]]) -> None:
    """Against one list a row; `moves` say whether these rows start anew or go on."""
    curves, expected = Curves(ROWS, DECISIONS, ["r1"]), [[0.0] for _ in range(ROWS)]
    curves.start(np.ones(ROWS, bool), {"log_metric": np.zeros(ROWS)})
    for time, (anew, which) in enumerate(moves, start=1):
        rows = np.array(which) & (anew | (curves.taken < DECISIONS))
        told = {"log_metric": np.full(ROWS, time), "knob_r1": np.full(ROWS, time), "crashed": np.full(ROWS, time % 2)}
        (curves.start if anew else curves.advance)(rows, told)
        for row in np.flatnonzero(rows):
            expected[row] = [time] if anew else [*expected[row], time]
    restored = Curves(ROWS, DECISIONS, ["r1"])
    restored.set_state(curves.get_state())
    for row, values in enumerate(expected):
        assert restored.taken[row] == len(values) - 1
        assert restored.crashed[row] == (len(values) > 1 and values[-1] % 2)
        unknown = [np.nan] * (DECISIONS + 1 - len(values))
        np.testing.assert_array_equal(restored.log_metric[row], [*values, *unknown])
        np.testing.assert_array_equal(restored.knobs["r1"][row], [*values[1:], *unknown])
