"""Publishes a study: `python agents/report.py RUN --to FOLDER` puts there what readers need, and nothing big.

FOLDER/
    README.md: what it is, and the commands
    report.html, report.md, figures/*.png, policies.csv, runs.csv.gz, summary.json: the report
    config.yml, command.txt, commits.txt: the study's
    configs/policy/*.yaml: tuned opponents and frozen read-outs
    training/NAME-SEED/: what trained controllers are loaded from
"""

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from agents.learning.controllers import LOADED
from agents.study.options import HELD_OUT
from agents.study.study import Study
from agents.study.worker import env_fields
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


def publish(study: Study, folder: Path) -> str:
    """Copies what belongs to a study whose report is written, in place of an earlier publication.

    Returns:
        A line that says how much it is.
    """
    check_target(folder)
    summary = json.loads((study.path / "summary.json").read_text())
    text = _readme(study, folder, summary["name"], summary["learned"])
    write_atomically(folder / "README.md", lambda part: part.write_text(text))  # first: a kill leaves what is known
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for source, name in _files(study, summary["learned"]):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"published {len(sizes)} files, {sum(sizes) / 1e6:.2f} MB: {folder}"


def made_by(study: Study) -> tuple[str, str]:
    """The commands that make a study, its code's checkout among them, and the folder that they make it in."""
    there = study.path / "study"
    commands, commits = (there / "command.txt").read_text().strip(), _commits(study)
    if commits:
        begun = f"; begun by {commits[0]}" if len(commits) > 1 else ""
        commands = f"git checkout {commits[-1]}    # the code that it was made by{begun}\n{commands}"
    return commands, yaml.safe_load((there / "config.yml").read_text())["folder"]


def _commits(study: Study) -> list[str]:
    """Of the code, in each sitting; none where it was no git checkout."""
    path = study.path / "study" / "commits.txt"
    return path.read_text().split() if path.exists() else []


def play_commands(study: Study, configs: str, learned: str) -> str:
    """The commands that play the tuned schedule and the learned policy's read-out in their environments."""
    played = {"tuned_schedule_0": study.options.env, f"frozen_{learned}_0": study.controller_env(learned)}
    words = ["python", "baselines/run.py", "--config-dir", f"{configs}/configs"]
    return "\n".join(shlex.join([*words, f"policy={name}", *env_fields(env)]) for name, env in played.items())


def _files(study: Study, learned: str) -> Iterator[tuple[Path, str]]:
    """Every file, and its name in the publication."""
    for name in REPORT:
        yield study.path / name, name
    for name in ("config.yml", "command.txt", *(["commits.txt"] if _commits(study) else [])):
        yield study.path / "study" / name, name
    for pattern in ("figures/[!.]*.png", "configs/policy/[!.]*.yaml"):
        for path in sorted(study.path.glob(pattern)):
            yield path, str(path.relative_to(study.path))
    for controller, fields in study.options.active.items():
        elsewhere = fields.varies is None or set(fields.settings) - {HELD_OUT}  # what sentences on transfer rest on
        for seed in range(fields.seeds if controller == learned else int(bool(elsewhere))):
            run = study.trained(controller, seed)
            for name in LOADED:
                if (run / name).exists():
                    yield run / name, f"training/{run.name}/{name}"


def _readme(study: Study, folder: Path, name: str, learned: str) -> str:
    command, made = made_by(study)
    here = os.path.relpath(folder, CONFIGS.parent)
    quoted, script = shlex.quote(here), study.options.active[learned].script
    return f"""\
{TITLE}{name}

Learned controllers of GAN training against tuned schedules, adaptive rules and constant knobs, all on the same held-out
instances and GAN seeds. [report.md](report.md) shows what came out; `report.html` is the same page as one file. Of
the controllers with the most trainings {learned} is the best on training instances.

- `summary.json`: all numbers of the report; `policies.csv`: the main ones, a row a setting and policy.
- `runs.csv.gz`: a row a run: setting, policy, training seed (or number of the tuning; empty: there was neither),
  instance, number of the GAN seed; log metric at the end, at its best and at the start (lower is better); crashed (1)
  or not (0).
- `configs/policy/`: tuned opponents and frozen read-outs. `training/NAME-SEED/`: trained controllers.
- `config.yml`, `command.txt`, `commits.txt`: the study's options, its command, and the code that it was made by.

Everything here is to be run in the repository's folder. The study and this folder again:

```sh
{command}
python agents/report.py {shlex.quote(made)} --to {quoted}
```

A tuned schedule and a frozen read-out, played without learning:

```sh
{play_commands(study, here, learned)}
```

A trained controller, played on test instances:

```python
from pathlib import Path

import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.controllers import load_controller
from gan_env.evaluation.rollout import run_episodes
from gan_env import GANVectorEnv

folder = Path({json.dumps(here)}) / "training" / "{learned}-0"
options = yaml.safe_load((folder / "controller/config.yml").read_text())["env"]
env = GANVectorEnv(64, autoreset_mode=AutoresetMode.DISABLED, **{{**options, "split": "test"}})
controller = load_controller("{script}", folder, env)
episodes = run_episodes(controller, env, seeds=range(1000, 1064))
print(episodes.final.mean(), episodes.crashed.sum())
```
"""
