"""`gan_env.controller` needs torch, NumPy and safetensors, and PyYAML for named policies; it imports no environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from controllers import saved_controller

PROGRAM = """
import sys
from importlib.machinery import ModuleSpec, PathFinder

ALLOWED = {"torch", "torchgen", "functorch", "numpy", "safetensors", *sys.argv[1:]}
OF_TORCH = {"sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock", "typing_extensions"}

class Refusing:  # what is installed besides these
    def find_spec(self, name, path=None, target=None):
        spec, top = PathFinder.find_spec(name, path), name.partition(".")[0]
        if spec and "site-packages" in str(spec.origin) and top not in ALLOWED | OF_TORCH:
            return ModuleSpec(name, self)

    def exec_module(self, module):
        raise ModuleNotFoundError(f"No module named {module.__name__!r}", name=module.__name__)

    def create_module(self, spec):
        return None

sys.meta_path.insert(0, Refusing())
from plain_gan import PlainGAN

gan = PlainGAN.make()
control = gan.control(SOURCE, UPDATES)
gan.run(control, UPDATES)
print(len(control.report().decisions))
ours = {name.split(".")[1] for name in sys.modules if name.startswith("gan_env.")}
assert not ours & {"data", "metrics", "vector_env", "env", "evaluation", "adapters"}, ours
"""


@pytest.mark.parametrize(("source", "more"), [("learned/family", []), ("ada", ["yaml"]), ("steady_walk", ["yaml"])])
def test_a_policy_plays_by_its_name_where_little_is_installed(source: str, more: list[str]) -> None:
    assert decisions(source, 80, *more) > 1


def test_a_controller_plays_where_nothing_else_is_installed(tmp_path: Path) -> None:
    saved_controller().save(tmp_path)
    assert decisions(str(tmp_path), 8) == 4


def decisions(source: str, updates: int, *more: str) -> int:
    """Of a run in a process that can import nothing but torch, NumPy, safetensors and the packages that are named."""
    helpers = str(Path(__file__).parents[2] / "helpers")
    code = f"import sys; sys.path.insert(0, {helpers!r})\nSOURCE, UPDATES = {source!r}, {updates}\n{PROGRAM}"
    done = subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
