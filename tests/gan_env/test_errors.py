"""What is refused is told in one line; what is a bug keeps its traceback."""

import pytest

from gan_env import ConfigError, DataError
from gan_env.errors import WeightsError, errors_in_one_line


@pytest.mark.parametrize("kind", [ConfigError, DataError, WeightsError])
def test_our_own_errors_end_the_process_with_their_message(kind: type[Exception]) -> None:
    with pytest.raises(SystemExit) as ended, errors_in_one_line():
        raise kind("rows=0")
    assert ended.value.code == "error: rows=0"


def test_a_bug_passes_as_it_is() -> None:
    with pytest.raises(ValueError, match="a bug"), errors_in_one_line():
        raise ValueError("a bug")
