"""What is refused is told in one line; what is a bug keeps its traceback."""

import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import pytest

from gan_env import ConfigError, DataError
from gan_env.errors import PackageError, WeightsError, continued_by, errors_in_one_line, needs


@pytest.mark.parametrize("kind", [ConfigError, DataError, WeightsError, PackageError])
def test_our_own_errors_end_the_process_with_their_message(kind: type[Exception]) -> None:
    with pytest.raises(SystemExit) as ended, errors_in_one_line():
        raise kind("rows=0")
    assert ended.value.code == "error: rows=0"


def test_a_bug_passes_as_it_is() -> None:
    with pytest.raises(ValueError, match="a bug"), errors_in_one_line():
        raise ValueError("a bug")


@pytest.mark.parametrize(
    ("block", "says"), [(nullcontext, "stopped"), (partial(continued_by, "resume"), "stopped; resume continues")]
)
def test_a_program_that_is_stopped_says_how_it_goes_on(
    block: Callable[[], AbstractContextManager[None]], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, errors_in_one_line(), block():
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert capsys.readouterr().err == f"\n{says}\n"


@pytest.mark.parametrize(
    ("module", "package"), [("skimage.data", "scikit-image"), ("torch_fidelity", "torch-fidelity"), ("lmdb", "lmdb")]
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, module.partition(".")[0], None)
    with pytest.raises(PackageError, match=rf'^{package} is missing: pip install "gan_env\[data\]"'), needs("data"):
        importlib.import_module(module)


def test_an_import_that_fails_otherwise_is_a_bug() -> None:
    with pytest.raises(ImportError, match="nothing") as raised, needs("data"):
        from gan_env.errors import nothing  # type: ignore[attr-defined]  # noqa: F401
    assert not isinstance(raised.value, PackageError)
