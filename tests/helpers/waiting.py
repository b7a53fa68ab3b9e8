"""Waiting for what another process does."""

import time
from collections.abc import Callable


def wait_for(happened: Callable[[], bool]) -> None:
    """Waits for something of another process, which takes long where others run."""
    end = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)
