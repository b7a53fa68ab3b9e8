"""All policies side by side in one picture: `python baselines/contact_sheet.py FOLDER... [--out contact_sheet.png]`.

FOLDER is a run folder of `baselines/train_gan.py`, or a folder with run folders below it.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt

from baselines.pictures import contact_sheet
from gan_env.config import require
from gan_env.files import write_atomically


def find_runs(folders: list[str]) -> list[Path]:
    """The finished run folders among and below the given ones, each once, in order of name.

    Raises:
        ConfigError: a folder has none.
    """
    found: list[Path] = []
    for folder in folders:
        below = sorted(path.parent for path in Path(folder).rglob("summary.json") if (path.parent / "samples").is_dir())
        require(bool(below), "FOLDER", folder, "a folder that baselines/train_gan.py has finished, or one above such")
        found += [path for path in below if path not in found]
    return found


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--out", default="contact_sheet.png", help="the picture; default: contact_sheet.png")
    options = parser.parse_args(arguments)
    folders = find_runs(options.folders)
    names = [path.name for path in folders]
    labels = names if len(set(names)) == len(names) else [str(path) for path in folders]
    runs = {
        label: (path, json.loads((path / "summary.json").read_text()))
        for label, path in zip(labels, folders, strict=True)
    }
    figure = contact_sheet(runs)
    write_atomically(Path(options.out), partial(figure.savefig, format="png"))
    plt.close(figure)
    print(f"wrote {options.out}: {', '.join(labels)}")


if __name__ == "__main__":
    main()
