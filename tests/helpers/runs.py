"""Run folders as baselines/train_gan.py writes them, without a training: two seeds, three decisions, grey samples."""

import csv
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import yaml

from gan_env.gan.saved import NAME

SUMMARY = {"metric": "a distance", "extractor_hash": "a", "real": 0.5, "final": [1.5, 2.5]}
COLUMNS = {
    "log_metric": [[2.0, 1.0, 0.5], [2.0, 1.5, 1.0]],
    "score": [[2.0, 1.0, 0.5], [2.0, 1.5, 1.0]],
    "updates": [[50, 100, 150], [50, 100, 150]],
    "knob_r1": [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]],
    "loss_d": [[1.0, 1.1, 1.2], [0.5, 0.4, float("nan")]],
}


def write_run(folder: Path, columns: dict[str, list[list[float]]]) -> Path:
    """A run folder with two seeds and the given columns [2, T], as train_gan writes it."""
    (folder / "samples").mkdir(parents=True)
    for name in ("real", "updates_0000000", "updates_0000100"):
        plt.imsave(folder / f"samples/{name}.png", np.full((20, 20), 0.5), cmap="gray")
    with (folder / "decisions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["episode", "seed", "instance", "decision", *columns])
        for e in range(2):
            for t in range(len(next(iter(columns.values()))[0])):
                writer.writerow([e, e, "ring", t, *(values[e][t] for values in columns.values())])
    return folder


def write_finished(folder: Path, summary: dict[str, Any] | None = None, **env: Any) -> Path:
    """A finished run on Fashion-MNIST, with changes to its summary, its environment or its `dataset`."""
    write_run(folder, COLUMNS)
    (folder / "summary.json").write_text(json.dumps(SUMMARY | (summary or {})))
    instance = {"dataset": env.pop("dataset", "fashion_mnist")}
    config = {"instance": instance, "env": {"image_size": 28, "data_root": "data", **env}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / NAME).touch()
    return folder
