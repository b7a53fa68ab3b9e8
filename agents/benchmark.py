"""Enters a policy in the benchmark: `python agents/benchmark.py policy=cosine`.

A policy is a file of configs/policy/ or one of your own like those (`policy=mine.yaml`), the folder of a trained
controller, or `module:make`, a function that makes a policy, a thing with `predict`, from the environment. It plays the
runs of a protocol (gan_env/benchmark/protocols.py) beside constants and the committed tuned schedules. `folder` gets
card.json and card.txt; see docs/benchmark.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.options import given_options, is_import_path, script
from baselines.playing import PlayOptions, play_options, updates_of_training
from gan_env.benchmark import enter
from gan_env.benchmark.protocols import protocol_named
from gan_env.config import RUN_OPTIONS
from gan_env.errors import require, require_at_least
from gan_env.evaluation.runs import load_runs
from gan_env.files import require_writable


@dataclass(frozen=True)
class BenchmarkOptions(PlayOptions):
    """Options of this script; of `env` those alone that don't change results, such as `device`.

    Attributes:
        protocol: a name in `gan_env.benchmark.PROTOCOLS`.
        name: what the card calls the policy.
        rows: GANs that run side by side.
        training_updates: GAN updates of its training or tuning; None: what its folder says.
        runs: file of baselines/worth.py, for what one run is worth in tuning runs.
        folder: where the card is written.
    """

    protocol: str = "points-v1"
    name: str = "policy"
    rows: int = 96
    training_updates: int | None = None
    runs: str | None = None
    folder: str = "logs/benchmark"

    def __post_init__(self) -> None:
        require_at_least(self, rows=1, seed=0)


def benchmark(options: BenchmarkOptions) -> None:
    """Plays, and writes the card."""
    folder, protocol = Path(options.folder), protocol_named(options.protocol)
    require_writable(folder, "folder")
    runs = None if options.runs is None else load_runs(options.runs)
    observation, mode = None, "delta"
    training = updates_of_training(options.controller, options.training_updates)
    env = {name: value for name, value in options.env.items() if name in RUN_OPTIONS}
    if options.controller is not None and not is_import_path(options.controller):
        observation, mode = options.env["observation"], options.env["action_mode"]
    hidden = [] if options.controller else [g for g in options.policy.groups if g not in protocol.observation]
    looks = f"a policy that looks at what {protocol.name} shows; this one needs {', '.join(hidden)}"
    require(not hidden, "policy.kind", options.policy.kind, looks)
    card = enter(
        protocol, options.name, options.make_policy, observation, mode, options.rows, training, runs,
        lambda name: print(f"playing {name}", flush=True), **env,
    )  # fmt: skip
    card.write(folder)
    print(f"\n{card.describe()}\n\nwrote {folder}/card.json and {folder}/card.txt")


@script("benchmark", BenchmarkOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    benchmark(play_options(BenchmarkOptions(), fields, given_options()))


if __name__ == "__main__":
    main()
