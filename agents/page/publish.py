"""Publishes a study: `python agents/report.py RUN --to FOLDER` puts there what readers need, and nothing big.

FOLDER/
    README.md: what it is, and the commands
    report.html, report.md, figures/*.png, policies.csv, runs.csv.gz, summary.json: the report
    config.yml, command.txt, commits.txt: the study's
    configs/: its environment, tuned opponents and frozen read-outs
    training/NAME-SEED/: what trained controllers are loaded from
"""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from agents.learning.controllers import LOADED
from agents.study.options import HELD_OUT
from agents.study.study import Study
from gan_env.config import CONFIGS
from gan_env.errors import ConfigError
from gan_env.files import write_atomically

REPORT = ("report.html", "report.md", "policies.csv", "runs.csv.gz", "summary.json")
FOLDERS = ("figures", "configs", "training")
TITLE = "# Learned against annealed: "
"""What a publication's README.md begins with, by which it is known as one."""


def check_target(folder: Path) -> None:
    """Raises a `ConfigError` where publishing would hit files that are no publication."""
    expected = "expected a new folder, or that of an earlier publication"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--to={str(folder)!r} is a file: {expected}")
    readme = folder / "README.md"
    known = readme.exists() and readme.read_text().startswith(TITLE)
    if folder.exists() and any(folder.iterdir()) and not known:
        raise ConfigError(f"--to={str(folder)!r} holds other files: {expected}")


def publish(study: Study, learned: str, folder: Path) -> str:
    """Copies what belongs to a study whose report is written, in place of an earlier publication.

    Args:
        study: it is done.
        learned: the controller that the report is about, of which all trainings are published.
        folder: where it goes.

    Returns:
        A line that says how much it is.
    """
    check_target(folder)
    text = _readme(study, folder, learned)
    write_atomically(folder / "README.md", lambda part: part.write_text(text))  # first: a kill leaves what is known
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for source, name in _files(study, learned):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"published {len(sizes)} files, {sum(sizes) / 1e6:.2f} MB: {folder}"


def made_in(study: Study) -> Path:
    """The folder that the study's command makes it in."""
    return Path(yaml.safe_load((study.path / "study" / "config.yml").read_text())["folder"])


def commands(study: Study, configs: Path, learned: str) -> str:
    """The commands that make a study and its page, and play the tuned schedule and the learned policy's read-out.

    Args:
        study: it is done.
        configs: the folder with its `configs/`.
        learned: the controller that the report is about.
    """
    there, lines = study.path / "study", []
    if commits := _commits(study):
        begun = f"; begun by {commits[0]}" if len(commits) > 1 else ""
        lines.append(f"git checkout {commits[-1]}    # the code that it was made by{begun}")
    play = ["python", "baselines/run.py", f"--config-dir={configs / 'configs'}", "env=study"]
    lines += [
        (there / "command.txt").read_text().strip(),
        shlex.join(["python", "agents/report.py", str(made_in(study))]),
    ]
    lines += [shlex.join([*play, f"policy={name}"]) for name in ("tuned_schedule_0", f"frozen_{learned}_0")]
    return "\n".join(lines)


def _commits(study: Study) -> list[str]:
    """Of the code, in each sitting; none where it was no git checkout."""
    path = study.path / "study" / "commits.txt"
    return path.read_text().split() if path.exists() else []


def _files(study: Study, learned: str) -> Iterator[tuple[Path, str]]:
    """Every file, and its name in the publication."""
    for name in REPORT:
        yield study.path / name, name
    for name in ("config.yml", "command.txt", *(["commits.txt"] if _commits(study) else [])):
        yield study.path / "study" / name, name
    for pattern in ("figures/[!.]*.png", "configs/*/[!.]*.yaml"):
        for path in sorted(study.path.glob(pattern)):
            yield path, str(path.relative_to(study.path))
    for controller, fields in study.options.active.items():
        elsewhere = fields.varies is None or set(fields.settings) - {HELD_OUT}
        for seed in range(fields.seeds if controller == learned else int(bool(elsewhere))):
            run = study.trained(controller, seed)
            for name in LOADED:
                if (run / name).exists():
                    yield run / name, f"training/{run.name}/{name}"


def _readme(study: Study, folder: Path, learned: str) -> str:
    here = os.path.relpath(folder, CONFIGS.parent)
    return f"""\
{TITLE}{study.path.name}

[report.md](report.md) shows what came out; `report.html` is the same page as one file. `summary.json` has all its
numbers, `policies.csv` the main ones, `runs.csv.gz` a row a run (final, best and first log metric; lower is better).
`configs/` has the environment, tuned opponents and frozen read-outs, `training/NAME-SEED/` trained controllers,
`config.yml` the study's options.

In the repository's folder, the study, its page, and two of its policies by these commands:

```sh
{commands(study, Path(here), learned)}
```

A trained controller, played on test instances:

```python
from pathlib import Path

import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.controllers import load_controller
from gan_env import GANVectorEnv
from gan_env.evaluation.rollout import run_episodes

folder = Path({here!r}) / "training" / "{learned}-0"
options = yaml.safe_load((folder / "controller/config.yml").read_text())["env"]
env = GANVectorEnv(64, autoreset_mode=AutoresetMode.DISABLED, **{{**options, "split": "test"}})
episodes = run_episodes(load_controller(folder, env), env, seeds=range(1000, 1064))
print(episodes.final.mean(), episodes.crashed.sum())
```
"""
