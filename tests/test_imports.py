"""Imports go down only: programs -> their folders -> gan_env; inside gan_env, floor by floor to the ground."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("gan_env", "baselines", "agents")
GROUND = (
    "config", "errors", "files", "instance_lists", "records", "resume", "saved_controller", "seeding", "strict",
    "workers",
)  # fmt: skip
WINGS = ("data", "gan", "metrics", "mdp")
UPPER = ("policies", "registration", "evaluation", "benchmark", "controller", "adapters")
ROOF = ("ground", *WINGS, "roof")
COMMAND_LINE = ("help", "jobs", "options")
"""Parts of baselines/ that training scripts stand on; the others may play what those trained."""
PLAYED = (*ROOF, *UPPER, "command line", "agents.learning", "baselines")

MAY_IMPORT = {  # place -> places; everything may import what is not ours
    "ground": {"ground"},
    "data": {"ground", "data"},
    "gan": {"ground", "data", "gan"},
    "metrics": {"ground", "metrics"},
    "mdp": {"ground", "mdp"},
    "roof": {*ROOF},
    "policies": {*ROOF, "policies"},
    "registration": {*ROOF, "policies"},
    "gan_env": {*ROOF, "policies", "registration"},
    "evaluation": {*ROOF, "policies", "evaluation"},
    "controller": {"ground", "gan", "mdp", "policies", "controller"},  # no data, no environment
    "benchmark": {*ROOF, "policies", "evaluation", "benchmark"},
    "adapters": {*ROOF, "policies", "evaluation", "adapters"},
    "command line": {*ROOF, *UPPER, "command line"},
    "agents.learning": {*ROOF, *UPPER, "command line", "agents.learning", "agents.meta"},
    "agents.meta": {*ROOF, *UPPER, "agents.learning", "agents.meta"},
    "baselines": {*ROOF, *UPPER, "command line", "agents.learning", "baselines"},
    "agents.study": {*PLAYED, "agents.study"},
    "agents.page": {*PLAYED, "agents.study", "agents.page"},
    "agents": {*PLAYED, "agents.meta", "agents.study", "agents.page", "agents"},
}


def place(module: str) -> str | None:
    """The place in the house of a dotted name; None if it isn't ours."""
    package, _, rest = module.partition(".")
    if package not in PACKAGES:
        return None
    part = rest.partition(".")[0]
    if package == "baselines" and part in COMMAND_LINE:
        return "command line"
    if package != "gan_env":
        return f"agents.{part}" if f"agents.{part}" in MAY_IMPORT else package
    if part in GROUND:
        return "ground"
    if not part:
        return package
    return part if part in (*WINGS, *UPPER) else "roof"


def imports(source: str, package: str) -> Iterator[str]:
    """Dotted names of all that a module of `package` imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from gan_env import config` is the ground's module, `from gan_env import GANEnv` the roof's name.
            yield from (f"{base}.{name.name}" for name in node.names)


def forbidden(source: str, module: str, is_package: bool = False) -> list[str]:
    """What a module must not import, but does."""
    package = module if is_package else module.rpartition(".")[0]
    allowed = MAY_IMPORT[place(module) or ""]
    return [name for name in imports(source, package) if place(name) is not None and place(name) not in allowed]


def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the house."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in files}


@pytest.mark.parametrize("name", modules())
def test_a_module_imports_what_it_may_alone(name: str) -> None:
    path = modules()[name]
    assert forbidden(path.read_text(), name.removesuffix(".__init__"), path.name == "__init__.py") == []


def test_no_module_imports_itself_by_a_detour() -> None:
    """Nor do two files need each other: a cycle would be an error here."""
    graph = {
        name: {other for found in imports(path.read_text(), name.rpartition(".")[0]) for other in files_of(found)}
        for name, path in modules().items()
    }
    assert set(TopologicalSorter(graph).static_order()) == set(graph)


def files_of(found: str) -> set[str]:
    """The module that an imported dotted name is, or is a part of."""
    return {found, found.rpartition(".")[0]} & set(modules())


def test_every_place_of_the_house_has_modules() -> None:
    """Or the test above would look at nothing."""
    assert {place(name.removesuffix(".__init__")) for name in modules()} == set(MAY_IMPORT)
    assert {f"gan_env.{name}" for name in GROUND} <= set(modules())


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("gan_env.config", "ground"),
        ("gan_env.data.bank", "data"),
        ("gan_env.workers", "ground"),
        ("agents.study.play", "agents.study"),
        ("gan_env.metrics.frechet", "metrics"),
        ("gan_env.mdp", "mdp"),
        ("gan_env", "gan_env"),
        ("gan_env.registration", "registration"),
        ("gan_env.vector_env", "roof"),
        ("gan_env.evaluation.rollout", "evaluation"),
        ("baselines.run", "baselines"),
        ("agents.train_ppo", "agents"),
        ("torch.nn", None),
        ("gan_environment", None),
    ],
)
def test_places(module: str, expected: str | None) -> None:
    assert place(module) == expected


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("gan_env.config", "from gan_env.data.bank import decode", "gan_env.data.bank.decode"),
        ("gan_env.seeding", "import gan_env.env", "gan_env.env"),
        ("gan_env.records", "import torch, baselines.run", "baselines.run"),
        ("gan_env.gan.trainer", "from gan_env.metrics.frechet import FrechetDistance", "gan_env.metrics.frechet"),
        ("gan_env.metrics.frechet", "from gan_env.mdp import knobs", "gan_env.mdp.knobs"),
        ("gan_env.data.bank", "from gan_env.gan import update", "gan_env.gan.update"),
        ("gan_env.mdp.knobs", "import gan_env.gan.networks as n", "gan_env.gan.networks"),
        ("gan_env.mdp.knobs", "from gan_env import GANEnv", "gan_env.GANEnv"),
        ("gan_env.gan.update", "from baselines.fit_features import main", "baselines.fit_features.main"),
        ("gan_env.gan.update", "from ..metrics import frechet", "gan_env.metrics.frechet"),
        ("gan_env.gan.update", "from .. import vector_env", "gan_env.vector_env"),
        ("gan_env.gan.update", "def f():\n    if True:\n        from gan_env import env", "gan_env.env"),
        ("gan_env.env", "from gan_env.policies.schedules import linear", "gan_env.policies.schedules.linear"),
        ("gan_env.policies.tables", "import gan_env.evaluation.rollout", "gan_env.evaluation.rollout"),
        ("baselines.run", "import agents.page.plots", "agents.page.plots"),
        ("agents.learning.training", "import agents.study.play", "agents.study.play"),
        ("agents.learning.training", "import baselines.playing", "baselines.playing"),
        ("baselines.options", "import agents.learning.controllers", "agents.learning.controllers"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str, found: str) -> None:
    names = forbidden(source, module)
    assert len(names) == 1
    assert names[0].startswith(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gan_env.config", "import torch\nfrom gan_env.records import RowSettings"),
        ("gan_env.gan.trainer", "from gan_env.gan.population import Population\nfrom gan_env import config"),
        ("gan_env.gan.trainer", "from .population import Population\nfrom ..records import TrainStats"),
        ("gan_env.gan.trainer", "from gan_env.data import bank"),
        ("gan_env.vector_env", "from gan_env.mdp.knobs import KnobSet\nfrom gan_env.gan import update"),
        ("baselines.run", "from gan_env import GANVectorEnv\nfrom gan_env.evaluation.rollout import run_episodes"),
        ("agents.train_ppo", "from baselines.run import load\nimport gan_env.config"),
        ("gan_env.config", "'from gan_env.gan import update'  # import gan_env.env"),
    ],
)
def test_an_allowed_import_is_not_found(module: str, source: str) -> None:
    assert forbidden(source, module) == []


def test_relative_imports_of_a_package_are_its_own() -> None:
    assert forbidden("from .update import Update\nfrom ..mdp import knobs", "gan_env.gan", is_package=True) == [
        "gan_env.mdp.knobs"
    ]


@pytest.mark.parametrize("package", ["agents", "baselines"])
def test_no_script_folder_hides_a_standard_module(package: str) -> None:
    """`python baselines/run.py` puts baselines/ first on the path: a statistics.py there would be torch's too."""
    ours = {path.stem for path in (ROOT / package).glob("*.py")}
    assert not ours & set(sys.stdlib_module_names)
