"""Learned against annealed: a whole study from one command.

    python agents/compare.py experiment=points                              # or experiment=images
    python agents/compare.py experiment=points controllers.sac.seeds=5      # more trainings of a controller
    python agents/compare.py experiment=points policies=[fixed,mine.yaml]   # a schedule or rule of your own plays, too
    python agents/compare.py experiment=points executor=ray workers=32      # on a cluster: docs/studies_on_ray.md
    python agents/report.py logs/study/points                               # the page that shows it

Trains every controller with every seed, tunes the opponents with as many GAN updates, and plays all of them on the same
held-out instances and GAN seeds. Each training, tuning and evaluation is saved when it is done: after a kill, the same
command continues.
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from agents.study.check import check_study, require_continuable
from agents.study.closing_table import closing_table
from agents.study.options import StudyOptions, study_options
from agents.study.play import play_study
from agents.study.records import write_summary
from agents.study.study import Study
from agents.study.summary import summarize_study
from baselines.options import script
from gan_env.config import CONFIGS
from gan_env.errors import continued_by
from gan_env.files import LOST, locked, read_json, require_writable, write_json, write_text


@script("compare", StudyOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    with continued_by("the same command"):
        compare(fields, ["python", "agents/compare.py", *sys.argv[1:]])  # a command for any machine


def compare(fields: dict[str, Any], command: list[str]) -> None:
    """Makes a study, or continues it.

    Args:
        fields: its options, a nested mapping.
        command: a command that makes the study again, for its page.
    """
    options = study_options(**fields)
    require_writable(Path(options.folder), "folder")
    study = Study(options)
    check_study(study)
    with locked(study.path):
        complete(study, fields, command)


def complete(study: Study, fields: dict[str, Any], command: list[str]) -> None:
    """Computes what a study lacks, and prints its table; `fields` and `command` are those of `compare`.

    Raises:
        ConfigError: it was begun with other options; then none of its files has changed.
    """
    folder, known = study.path, study.path / "study" / "known.json"
    rests_on = require_continuable(read_json(known, LOST) if known.exists() else {}, study.options, folder)
    write_json(known, rests_on)
    texts = {"config.yml": yaml.safe_dump(fields, sort_keys=False), "command.txt": shlex.join(command) + "\n"}
    for name, text in texts.items():
        write_text(folder / "study" / name, text)
    note_commit(folder / "study" / "commits.txt")
    (folder / "summary.json").unlink(missing_ok=True)  # until the new cells are done
    play_study(study)
    summary = summarize_study(study)
    write_summary(folder / "summary.json", summary)
    print(f"\n{closing_table(summary, study.options.instances)}\n\npython agents/report.py {shlex.quote(str(folder))}")


def note_commit(path: Path) -> None:
    """Adds the commit of the code, if it is a git checkout, to those of earlier starts, unless it is the same."""
    words = ["git", "-C", str(CONFIGS.parent), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout if shutil.which("git") else ""
    noted = path.read_text() if path.exists() else ""
    if found and noted.splitlines()[-1:] != [found.strip()]:
        write_text(path, noted + found)


if __name__ == "__main__":
    main()
