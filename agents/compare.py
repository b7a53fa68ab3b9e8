"""Learned against annealed: a whole study from one command.

    python agents/compare.py experiment=points                              # or experiment=fashion_mnist
    python agents/compare.py experiment=points controllers.sac.seeds=5      # more trainings of a controller
    python agents/report.py logs/study/points                               # the page that shows it

Trains every controller with every seed, tunes the opponents with as many GAN updates, and plays all of them on the same
held-out instances and GAN seeds. Each piece is a cell, which is saved when it is done and not done again; killed and
started again with the same command, a study goes on.
"""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from agents.page.tables import closing_table
from agents.study.check import check_study
from agents.study.options import StudyOptions, go_on
from agents.study.play import play_study
from agents.study.study import Study
from agents.study.summary import summarize_study
from baselines.options import load, register_presets, script
from gan_env.config import CONFIGS
from gan_env.files import write_atomically, write_json


@script("compare")
def main(config: DictConfig) -> None:
    """Entry point."""
    options = load(StudyOptions, config)
    folder = Path(options.folder)
    here = json.loads(json.dumps(OmegaConf.to_container(config, resolve=True)))
    path, known = folder / "study" / "config.yml", folder / "study" / "known.json"
    rests_on = go_on(json.loads(known.read_text()) if known.exists() else {}, options, folder)
    study = Study(options)
    check_study(study)  # before anything of a study that is there is touched
    write_json(known, rests_on)
    write_atomically(path, lambda part: part.write_text(yaml.safe_dump(here, sort_keys=False)))
    text = shlex.join(["python", "agents/compare.py", *sys.argv[1:]]) + "\n"  # as on any machine
    write_atomically(folder / "study" / "command.txt", lambda part: part.write_text(text))
    note_commit(folder / "study" / "commits.txt")
    (folder / "summary.json").unlink(missing_ok=True)  # what it goes on from may lack cells now
    play_study(study)
    summary = summarize_study(study)
    write_json(folder / "summary.json", summary)
    print(f"\n{closing_table(summary)}\n\npython agents/report.py {shlex.quote(str(folder))}")


def note_commit(path: Path) -> None:
    """Adds the commit of the code, where it is a git checkout, unless it is the last that is noted."""
    words = ["git", "-C", str(CONFIGS.parent), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout if shutil.which("git") else ""
    noted = path.read_text() if path.exists() else ""
    if found and noted.splitlines()[-1:] != [found.strip()]:
        write_atomically(path, lambda part: part.write_text(noted + found))


if __name__ == "__main__":
    register_presets()
    main()
