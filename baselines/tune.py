"""Tunes an opponent: `python baselines/tune.py kind=schedule method=tpe env=points budget=5000000`.

`kind` is schedule, constants, curves, rates (learning rates themselves), linear_rates, step_size (|update| / |weights|,
held by a rule), r3gan, ada or diffusion; `method` is tpe, random or halving, for curves and linear_rates also cma_es,
for curves also population. See baselines/search/tuner.py and methods.py. The best one is written as a policy into
`folder`. After a kill, the same command continues. With `executor=ray` it is tuned as a task of a Ray cluster, which
prints into `folder`.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

from baselines.jobs.executor import ExecutorOptions
from baselines.jobs.job import Job
from baselines.options import errors_about_env, given_options, other_folders, script, search_path
from baselines.search.tuner import TuneOptions, check_budget, save_policy, tune
from gan_env.config import env_config
from gan_env.errors import continued_by
from gan_env.files import locked, require_writable
from gan_env.strict import replace


@script("tune", TuneOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    executor = replace(ExecutorOptions(), fields.pop("executor"), "executor.")
    options, folder = replace(TuneOptions(), fields), Path(fields["folder"])
    require_writable(folder, "folder")
    with errors_about_env():
        config = env_config(**options.env)
    check_budget(config, options)
    with locked(folder), continued_by("the same command"):
        if executor.kind == "ray":
            with executor.start(1, folder) as run:
                run([Job(tune, (options,), folder)])
        executor.use_here()
        found = tune(options)  # a finished one is only read
    path = folder / "policy" / f"tuned_{options.kind}.yaml"
    save_policy(path, found, options.kind)
    print(f"{yaml.safe_dump(found.policy, sort_keys=False)}\nmean final score (log) on fresh runs: {found.score:.3f}")
    env = [text for text in given_options() if text.lstrip("+~").startswith("env")]
    if others := other_folders(sys.argv[1:]):
        env.append(search_path(others))
    words = ["--config-dir", str(path.parent.parent), f"policy={path.stem}", *env]
    print(f"play it: python baselines/run.py {shlex.join(words)}")


if __name__ == "__main__":
    main()
