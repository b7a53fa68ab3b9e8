"""How the command lines tell what they refuse: in one line, not by a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gan_env.config import ConfigError
from gan_env.gan.dataset import DataError
from gan_env.metrics.weights import WeightsError


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Ends the process with `error: ...` where what it was given is refused; any other error is a bug and passes."""
    try:
        yield
    except (ConfigError, DataError, WeightsError) as error:
        sys.exit(f"error: {error}")
