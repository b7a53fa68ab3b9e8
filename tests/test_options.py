"""What the scripts with Hydra options share: how they tell what they refuse."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """
from baselines.options import register_presets, script
from gan_env import ConfigError

@script("run")
def main(config):
    raise {error}("told by the script")

register_presets()
main()
"""


def fail(folder: Path, error: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that fails in this way."""
    path = folder / "fails.py"
    path.write_text(SCRIPT.format(error=error))
    return subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, cwd=folder, timeout=120, check=False
    )


def test_a_script_tells_in_one_line_what_it_refuses(tmp_path: Path) -> None:
    done = fail(tmp_path, "ConfigError")
    assert done.returncode == 1
    assert done.stderr == "error: told by the script\n"


def test_a_bug_in_a_script_keeps_its_traceback(tmp_path: Path) -> None:
    done = fail(tmp_path, "ValueError")
    assert done.returncode == 1
    assert 'fails.py", line 7, in main' in done.stderr
    assert "ValueError: told by the script" in done.stderr


def test_all_scripts_do_so() -> None:
    scripts = [path for package in ("baselines", "agents") for path in (ROOT / package).glob("*.py")]
    assert [path.name for path in scripts if "hydra.main(" in path.read_text()] == ["options.py"]
