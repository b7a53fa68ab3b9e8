"""Errors that users see, in one line."""

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class ConfigError(ValueError):
    """An option, an argument or a file that can't be used; the message says what was expected."""


class UnknownOption(ConfigError, TypeError):
    """An option that there is not. Libraries that try an option and do without it look for a `TypeError`."""


class DataError(RuntimeError):
    """A data set or a file of a run is missing or damaged; the message says how to get it."""


class WeightsError(RuntimeError):
    """Pretrained weights are missing or damaged; the message says how to get them."""


class PackageError(ImportError):
    """An optional package is not installed; the message says how to get it."""


REFUSALS = (ConfigError, DataError, WeightsError, PackageError)
"""What is told in one line; any other error is a bug."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Wraps the import of optional packages: where one is missing, the error says which extra of gan_env brings it.

    Raises:
        PackageError: a package that is imported in the block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        package = "scikit-image" if module == "skimage" else module.replace("_", "-")
        raise PackageError(f'{package} is missing: pip install "gan_env[{extra}]" brings it') from error


def require(condition: bool, key: str, value: object, expected: str) -> None:
    """Raises a `ConfigError` that names key, value and what was expected, unless `condition` holds."""
    if not condition:
        raise ConfigError(f"{key}={value!r} can't be used: expected {expected}")


def require_at_least(options: object, group: str = "", /, **least: int) -> None:
    """Raises a `ConfigError` unless each named field of the options has at least that value.

    Args:
        options: what has the fields.
        group: what stands before a field's name in the message, as "agent.".
        **least: the smallest value of each field.
    """
    for name, bound in least.items():
        require(getattr(options, name) >= bound, group + name, getattr(options, name), f"at least {bound}")


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that an unknown one is probably meant to be; None: no known one is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Ends the process with `error: ...` where its input is refused, and with status 130 where Ctrl-C stops it.

    Any other error is a bug and passes.
    """
    try:
        yield
    except REFUSALS as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stop:
        print("\nstopped", *stop.args, sep="; ", file=sys.stderr)  # below a progress bar
        sys.exit(130)


@contextmanager
def continued_by(command: str) -> Iterator[None]:
    """Lets `errors_in_one_line` say by which command the work of the block continues, where Ctrl-C stops it."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{command} continues") from stop
