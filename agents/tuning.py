"""Tunes an opponent of a study in a process of its own, as `agents.controllers` trains a controller.

`python -m agents.tuning FOLDER COSTS [FIELD=VALUE ...]` does what `python baselines/tune.py` does with these fields, in
a given folder, and writes wall time and peak memory to the file COSTS.
"""

import sys
from pathlib import Path

from hydra import compose, initialize_config_dir

from agents.controllers import end_with_parent, env_fields
from agents.costs import metered
from baselines.options import CONFIGS, load, register_presets
from baselines.tune import TuneOptions, search
from gan_env.files import write_json


def command(options: TuneOptions, costs: Path) -> list[str]:
    """The command that tunes, or goes on tuning.

    Args:
        options: what is tuned, how long and where; preset and all fields of `EnvConfig` in `env`.
        costs: where its costs go.
    """
    names = ("kind", "budget", "runs", "finalists", "rows", "seed")
    fields = [*(f"{name}={getattr(options, name)}" for name in names), *env_fields(options.env)]
    return [sys.executable, "-m", "agents.tuning", options.folder, str(costs), *fields]


def main(arguments: list[str]) -> None:
    """Entry point."""
    end_with_parent()
    folder, costs, *fields = arguments
    register_presets()
    with initialize_config_dir(CONFIGS, version_base=None):
        config = compose("tune", fields)
    config.folder = folder  # not by a field: a path may hold what Hydra's command line has a meaning for
    with metered() as found:
        search(load(TuneOptions, config))
    write_json(Path(costs), found)


if __name__ == "__main__":
    main(sys.argv[1:])
