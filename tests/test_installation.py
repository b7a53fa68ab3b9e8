"""What an installation from a wheel holds, and that the library works there with its own dependencies alone."""

import ast
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
MODULES = {
    "pyyaml": "yaml",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "hydra-core": "hydra",
}
"""Packages whose module has another name."""

BLOCKED = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
"""Makes the optional packages look as if they were not installed."""

LIBRARY = """
import json
import gymnasium, numpy, gan_env
from gymnasium.vector import AutoresetMode
from gan_env.evaluation.rollout import run_episodes
from gan_env.policies.presets import load_policy

small = {"num_decisions": 2, "updates_per_decision": 1, "metric_samples": 16, "compile": False}
env = gymnasium.make("gan_env/Points-v1", **small)
env.reset(seed=0)
reward = env.step(env.action_space.high)[1]  # some random actions move nothing in one update
envs = gan_env.GANVectorEnv(2, split="test", autoreset_mode=AutoresetMode.DISABLED, **small)
policies = [load_policy(name).make(envs) for name in ("cosine", "fixed")]
played = [run_episodes(policy, envs, [1, 2]) for policy in policies]
paired = bool((played[0].score[:, 0] == played[1].score[:, 0]).all() and (played[0].final != played[1].final).all())
print(json.dumps({"file": gan_env.__file__, "reward": reward, "paired": paired}))
"""


def modules(requirements: list[str]) -> set[str]:
    """The modules that packages bring; an extra of our own brings what it lists."""
    found = set()
    for requirement in requirements:
        name, extras = re.match(r"([\w.-]+)(?:\[(.*)\])?", requirement).groups()  # type: ignore[union-attr]
        if name == PROJECT["name"]:
            found |= {module for extra in extras.split(",") for module in modules(EXTRAS[extra])}
        else:
            found.add(MODULES.get(name, name.replace("-", "_")))
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    how = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", str(ROOT), *how], check=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with the wheel, where the packages of the tests are found and no checkout."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    paths = dict.fromkeys(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib"))
    (site / "tests.pth").write_text("\n".join(paths))  # .pth files in there, that of the checkout too, are not read
    return folder / "bin/python"


def run(python: Path, program: str) -> str:
    """What a program prints in an empty folder, without the optional packages."""
    code = BLOCKED.format(modules=sorted(modules(EXTRAS["all"]))) + program
    command = [str(python), "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=python.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_occupies_one_name_and_holds_what_the_library_reads(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"gan_env"}
    policies = {f"gan_env/{path.relative_to(ROOT)}" for path in (ROOT / "configs/policy").rglob("*") if path.is_file()}
    kept = [path.relative_to(ROOT) for path in (ROOT / "gan_env").rglob("*") if path.is_file()]
    files = {str(path) for path in kept if "__pycache__" not in path.parts}
    assert len(policies) > 10
    assert (policies | files) - set(names) == set()


def test_the_library_needs_no_checkout_and_no_optional_package(installed: Path) -> None:
    printed = json.loads(run(installed, LIBRARY))
    assert Path(printed["file"]).is_relative_to(installed.parents[1])
    assert printed["reward"] != 0
    assert printed["paired"]


def test_a_module_that_needs_more_says_which_extra_brings_it(installed: Path) -> None:
    wanted = {"adapters.stable_baselines3": "sb3", "evaluation.evaluator": "metrics", "evaluation.pictures": "study"}
    tried = "try:\n    import gan_env.{}\nexcept ImportError as error:\n    print(error)\n"
    said = run(installed, "".join(tried.format(module) for module in wanted)).splitlines()
    for line, extra in zip(said, wanted.values(), strict=True):
        assert re.fullmatch(rf'[\w-]+ is missing: pip install "gan_env\[{extra}\]" brings it', line)


def imported(node: ast.AST, extra: str = "") -> set[tuple[str, str]]:
    """(package, extra in whose `needs` block it is imported) of all imports below a node."""
    if isinstance(node, ast.With):
        match node.items[0].context_expr:
            case ast.Call(func=ast.Name(id="needs"), args=[ast.Constant(value=str(extra))]):
                pass  # the pattern sets `extra`
    names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    here = {(name.partition(".")[0], extra) for name in names}
    return here.union(*(imported(child, extra) for child in ast.iter_child_nodes(node)))


def test_every_import_of_the_library_is_declared_where_it_is_needed() -> None:
    sources = [path.read_text() for path in (ROOT / "gan_env").rglob("*.py")]
    found = set().union(*(imported(ast.parse(source)) for source in sources))
    others = {(name, extra) for name, extra in found if name not in {*sys.stdlib_module_names, "gan_env"}}
    for extra in ("", "data", "loops", "metrics", "sb3", "study"):
        declared = modules(EXTRAS[extra] if extra else PROJECT["dependencies"])
        used = {name for name, where in others if where == extra}
        assert used <= declared, extra
        assert extra or used == declared
