"""What a piece of work costs: wall time and peak memory."""

import os
import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gan_env.config import ConfigError

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TAIL = 2000  # characters of a failed command's output that are shown


@contextmanager
def metered() -> Iterator[dict[str, Any]]:
    """Fills the given dict with `wall_s` and `peak_mb` (of this process, MiB) when the block is done."""
    found: dict[str, Any] = {}
    _forget_peak()
    started = time.perf_counter()
    yield found
    found |= {"wall_s": round(time.perf_counter() - started, 2), "peak_mb": round(_peak(), 1)}


def _forget_peak() -> None:
    """Sets the process' peak memory to what it has now, where the kernel lets us."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return  # then the peak is that since the start


def _peak() -> float:
    """Peak memory of this process in MiB."""
    if _STATUS.exists():
        return float(_STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_metered(command: Sequence[str], log: Path) -> dict[str, Any]:
    """Runs a command to its end; what it prints goes to `log`, its progress bars to the terminal.

    Returns:
        `wall_s` and `peak_mb` of the process.

    Raises:
        ConfigError: it failed.
    """
    started = time.perf_counter()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # a training must not outlive the study that waits for it
            process.kill()
            process.wait()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ConfigError(f"{' '.join(command)} failed; the end of {log}:\n{log.read_text()[-_TAIL:]}")
    return {"wall_s": round(time.perf_counter() - started, 2), "peak_mb": round(usage.ru_maxrss / 1024, 1)}
