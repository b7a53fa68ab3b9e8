"""All policies side by side: `python baselines/contact_sheet.py FOLDER... [--out contact_sheet.png] [--target METRIC]`.

FOLDER is a run folder of `baselines/train_gan.py`, or a folder with run folders below it. Draws one picture of all
runs, and prints how soon each of them came to the same metric.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from baselines.pictures import contact_sheet, read_decisions
from baselines.run_summary import updates_to_target
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


def speeds(runs: dict[str, Path], target: float | None = None) -> str:
    """GAN updates that each run took to a common metric, as a table; a run with several seeds by its median.

    Args:
        runs: name -> run folder.
        target: metric that is aimed at; None: the best one that all runs reached.
    """
    decisions = {name: read_decisions(folder) for name, folder in runs.items()}
    curves = {name: np.median(d["log_metric"], axis=0) for name, d in decisions.items()}  # [T]
    aim = max(curve.min() for curve in curves.values()) if target is None else np.log(target)
    lines = [f"{'run':<24} {'final':>9} {'best':>9} {f'updates to {np.exp(aim):.4g}':>20}"]
    for name, curve in curves.items():
        first = updates_to_target(curve[None], aim, 1)[0]
        shown = f"{decisions[name]['updates'][0, int(first)]:,.0f}" if np.isfinite(first) else "not reached"
        lines.append(f"{name:<24} {np.exp(curve[-1]):>9.4g} {np.exp(curve.min()):>9.4g} {shown:>20}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--out", default="contact_sheet.png", help="the picture; default: contact_sheet.png")
    parser.add_argument("--target", type=float, help="a metric; default: the best one that all runs reached")
    options = parser.parse_args(arguments)
    aimed = options.target is None or options.target > 0
    require(aimed, "--target", options.target, "a metric above 0; it is not logarithmic")
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
    print(speeds(dict(zip(labels, folders, strict=True)), options.target))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
