"""All runs side by side: `python baselines/contact_sheet.py FOLDER... [--out contact_sheet.png] [--target METRIC]`.

FOLDER is a run folder of `baselines/train_gan.py`, or a folder with run folders below it. Draws one picture of all
runs, and prints how soon each of them reached the same metric. They must have one metric, by the same weights of its
classifier, and one data set and image size.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib.backend_bases import FigureCanvasBase

from gan_env.errors import ConfigError, errors_in_one_line, require
from gan_env.evaluation.pictures import contact_sheet, read_decisions
from gan_env.evaluation.run_summary import decisions_to_target
from gan_env.files import require_writable, write_atomically
from gan_env.gan.saved import find_runs


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of a run, and what must be equal in all runs of a sheet: metric, data set, image size, classifier.

    Raises:
        ConfigError: a file is damaged.
    """
    try:
        summary = json.loads((folder / "summary.json").read_text())
        config = yaml.safe_load((folder / "config.yaml").read_text())
        dataset, env = config["instance"]["dataset"], config["env"]
        if dataset == "image_folder":  # one's own images are identified by their folder
            dataset = f"{dataset} {env['data_root']}"
        setting = {"metric": summary["metric"], "data set": dataset, "image size": env["image_size"]}
        setting["classifier"] = summary["extractor_hash"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        how = "train that run again, or leave it out"
        raise ConfigError(f"{folder} has a damaged summary.json or config.yaml ({error!r}): {how}") from error
    return summary, setting


def speeds(runs: dict[str, Path], target: float | None = None) -> str:
    """GAN updates that each run took to a common metric, as a table; a run with several seeds by its median.

    Args:
        runs: name -> run folder.
        target: the common metric; None: the best one that all runs reached.
    """
    decisions = {name: read_decisions(folder) for name, folder in runs.items()}
    curves = {name: np.median(d["score"], axis=0) for name, d in decisions.items()}  # [T]
    aim = max(curve.min() for curve in curves.values()) if target is None else np.log(target)
    lines = [f"{'run':<24} {'final':>9} {'best':>9} {f'updates to {np.exp(aim):.4g}':>20}"]
    for name, curve in curves.items():
        first = decisions_to_target(curve[None], aim)[0]
        shown = f"{decisions[name]['updates'][0, int(first)]:,.0f}" if np.isfinite(first) else "not reached"
        lines.append(f"{name:<24} {np.exp(curve[-1]):>9.4g} {np.exp(curve.min()):>9.4g} {shown:>20}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER", type=Path, help="a run folder, or one of such")
    parser.add_argument("--out", default="contact_sheet.png", help="the picture; its ending sets the format")
    parser.add_argument("--target", type=float, help="a metric; default: the best one that all runs reached")
    options = parser.parse_args(arguments)
    aimed = options.target is None or options.target > 0
    require(aimed, "--target", options.target, "a metric above 0; it is not logarithmic")
    out, endings = Path(options.out), [f".{kind}" for kind in FigureCanvasBase.get_supported_filetypes()]
    require_writable(out.parent, "folder of --out")
    require(out.suffix.lower() in endings, "--out", options.out, f"a name that ends with one of {', '.join(endings)}")
    folders = list(dict.fromkeys(run for folder in options.folders for run in find_runs(folder, "FOLDER")))
    found = {folder: read_run(folder) for folder in folders}
    wanted = found[folders[0]][1]  # a sheet has one axis for all
    for folder, (_, setting) in found.items():
        for what, value in setting.items():
            expected = f"{wanted[what]!r} as in {folders[0]}: only runs of one {what} can be compared"
            require(value == wanted[what], f"{what} of {folder}", value, expected)
    unique = len({path.name for path in folders}) == len(folders)
    runs = {path.name if unique else str(path): path for path in folders}
    figure = contact_sheet({label: (folder, found[folder][0]) for label, folder in runs.items()})
    write_atomically(out, figure.savefig)
    print(speeds(runs, options.target))
    print(f"wrote {out}")


if __name__ == "__main__":
    with errors_in_one_line():
        main()
