"""Publishes a study: `python agents/report.py RUN --to FOLDER` copies there what readers need, and nothing big.

FOLDER/
    report.html, report.md, figures/*.png, runs.parquet: the report
    config.yml, command.txt, commits.txt: the study's options, command, and code
    configs/: its environment, tuned opponents, and the read-outs of the learned controller
    training/NAME-SEED/: the learned controller, of its trainings the best on training instances
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from agents.learning.controllers import read_controller
from agents.study.study import Study
from gan_env.errors import ConfigError
from gan_env.saved_controller import DESCRIPTION, WEIGHTS

TITLE = "# Learned against annealed: "
"""What a page begins with; the name of the study follows."""
REPORT = ("report.md", "report.html", "runs.parquet")
FOLDERS = ("figures", "configs", "training")


def check_target(folder: Path) -> None:
    """Raises a `ConfigError` where publishing would overwrite other files."""
    expected = "expected a new folder, or that of an earlier publication"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--to={str(folder)!r} is a file: {expected}")
    page = folder / "report.md"
    known = (folder / "config.yml").exists() and page.exists() and page.read_text().startswith(TITLE)
    if folder.exists() and any(folder.iterdir()) and not known:
        raise ConfigError(f"--to={str(folder)!r} holds other files: {expected}")


def publish(study: Study, learned: str, folder: Path) -> str:
    """Copies the files of a study whose report is written, and replaces an earlier publication.

    Args:
        study: it is done.
        learned: the controller of the report.
        folder: where it goes.

    Returns:
        A line with the number of files and their size.

    Raises:
        ConfigError: a controller can't be read; nothing is replaced.
    """
    files = list(_files(study, learned))  # refused before anything is replaced
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for source, name in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"published {len(sizes)} files, {sum(sizes) / 1e6:.2f} MB: {folder}"


def commands(study: Study, learned: str) -> str:
    """The commands that make a study and its page, and play a tuned schedule and a read-out of the controller."""
    there = study.path / "study"
    folder, lines = yaml.safe_load((there / "config.yml").read_text())["folder"], []
    if commits := _commits(study):
        begun = f"; begun by {commits[0]}" if len(commits) > 1 else ""
        lines.append(f"git checkout {commits[-1]}    # the code that it was made by{begun}")
    lines += [(there / "command.txt").read_text().strip(), shlex.join(["python", "agents/report.py", folder])]
    play = ["python", "baselines/run.py", f"--config-dir={folder}/configs", "env=study"]
    lines += [shlex.join([*play, f"policy={name}"]) for name in ("tuned_schedule_0", f"frozen_{learned}_0")]
    return "\n".join(lines)


def _commits(study: Study) -> list[str]:
    """The commit of the code at each start of the study; empty outside a git checkout."""
    path = study.path / "study" / "commits.txt"
    return path.read_text().split() if path.exists() else []


def _files(study: Study, learned: str) -> Iterator[tuple[Path, str]]:
    """Every file, and its name in the publication; config.yml and report.md mark it as one."""
    for name in ("config.yml", "command.txt", *(["commits.txt"] if _commits(study) else [])):
        yield study.path / "study" / name, name
    for name in REPORT:
        yield study.path / name, name
    for pattern in ("figures/[!.]*.png", "configs/env/*.yaml", "configs/policy/tuned_*.yaml"):
        for path in sorted(study.path.glob(pattern)):
            yield path, str(path.relative_to(study.path))
    for path in sorted(study.path.glob(f"configs/policy/frozen_{learned}_*.yaml")):
        if re.fullmatch(rf"frozen_{learned}(_rates)?_\d+", path.stem):  # not those of one whose name goes on
            yield path, str(path.relative_to(study.path))
    seeds = range(study.options.active[learned].seeds)
    best = min(seeds, key=lambda seed: study.training_episodes(learned, seed).validation.mean())
    run = study.training_folder(learned, best)
    read_controller(run)  # refuses a damaged one
    for name in (DESCRIPTION, WEIGHTS):
        yield run / name, f"training/{run.name}/{name}"
