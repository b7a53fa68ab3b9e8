"""The cells of a study: trainings, tunings and read-outs. agents/study/play.py plays every policy in every setting.

FOLDER/
    study/config.yml, command.txt, known.json: its options; commits.txt: the code that each start of it ran
    training/NAME-SEED/: one run folder per training; trained.json: what it cost
    tuning/NAME-SEED/: what was tried for an opponent; KIND.json: what was found; tuning/budget.json
    playing/SHARE/log.txt: what each of several workers prints as it plays
    configs/: env/study.yaml, and in policy/ tuned opponents and frozen read-outs, for
        `baselines/run.py --config-dir=FOLDER/configs env=study policy=...`
    evaluations/SETTING/POLICY.npz, samples/SETTING/POLICY.npy
    costs/: wall time and peak memory of each cell
    summary.json
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.controllers import RUN_NAME, load_controller, train
from agents.learning.run_folder import RunFolder
from agents.study.jobs import run_job, tune_opponent
from agents.study.options import SCHEDULE_KINDS, TRAINING, StudyOptions, opponent_kind, opponent_name
from agents.study.readout import REPLAY_SUFFIX, controller_of, read_out
from baselines.search.tuner import Tuned, TuneOptions, save_policy
from gan_env import GANVectorEnv
from gan_env.config import replace
from gan_env.errors import require
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.evaluation.seeds import REPLAY, TEST, tuning_seed
from gan_env.files import write_atomically, write_json
from gan_env.policies.presets import PolicyOptions, load_policy
from gan_env.policies.steering import Policy


class Study:
    """A study and its folder.

    Args:
        options: what belongs to it.
        trained: folders of trainings that live elsewhere, by controller and seed.
        committed: by opponent, its committed tunings; it is not tuned again.

    Attributes:
        path: the folder.
        folder: the same, for saved episodes.
        tunings: the tuned opponents, and how often each is tuned.
        schedules: the tuned opponents that are schedules.
    """

    def __init__(
        self,
        options: StudyOptions,
        trained: Mapping[tuple[str, int], Path] | None = None,
        committed: Mapping[str, Sequence[PolicyOptions]] | None = None,
    ) -> None:
        self.options, self.path = options, Path(options.folder)
        self.folder = RunFolder(self.path, "study")
        self.committed = dict(committed or {})
        self.tunings = options.tunings
        self.schedules = [name for kind in SCHEDULE_KINDS if (name := opponent_name(kind)) in self.tunings]
        self._trained = dict(trained or {})
        self._envs: dict[str, GANVectorEnv] = {}

    # --- environments and runs ---

    def env_options(self, policy: str, *changes: Mapping[str, Any]) -> dict[str, Any]:
        """Options of the environment that a policy acts in; a controller and its read-outs have their own."""
        controller = self.options.active.get(controller_of(policy))
        return self.options.changed_env(controller.env if controller else {}, *changes)

    def env(self, options: Mapping[str, Any], runs: int | None = None) -> GANVectorEnv:
        """The environment with these options, made once; it has fewer rows where it is for fewer runs."""
        rows = min(self.options.rows, runs or self.options.rows)
        key = json.dumps([rows, options], sort_keys=True)
        if key not in self._envs:
            self._envs[key] = GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **options)
        return self._envs[key]

    def training_env(self, policy: str) -> GANVectorEnv:
        """The training instances for a policy."""
        return self.env(self.env_options(policy, {"split": "train"}))

    def test_env(self, setting: str, policy: str = "") -> GANVectorEnv:
        """The test instances of a setting for a policy."""
        changes = {**self.options.setting(setting).env, "split": "test"}
        return self.env(self.env_options(policy, changes), len(self.runs(setting)[0]))

    def write_env(self) -> None:
        """Writes the environment for `baselines/run.py --config-dir=FOLDER/configs env=study`."""
        preset = self.options.env.get("preset", "points")
        fields = {"defaults": [f"preset_{preset}", "_self_"], **self.options.changes_of_preset()}
        text = yaml.safe_dump(fields, sort_keys=False)
        write_atomically(self.path / "configs/env/study.yaml", lambda part: part.write_text(text))

    def size(self, setting: str) -> tuple[int, int]:
        """Numbers of test instances and of GAN seeds on each of them."""
        found = self.options.setting(setting)
        return found.instances or self.options.instances, found.gan_seeds or self.options.gan_seeds

    def runs(self, setting: str) -> tuple[range, list[int]]:
        """GAN seed and test instance of each episode, which go through all instances once for each GAN seed."""
        instances, gan_seeds = self.size(setting)
        return range(TEST, TEST + instances * gan_seeds), list(range(instances)) * gan_seeds

    # --- cells ---

    def train(self, name: str, seed: int) -> dict[str, Any]:
        """Trains a controller; its costs: `gan_updates`, `wall_s`, `peak_mb`."""
        folder, script = self.trained(name, seed), self.options.active[name].script
        path = folder / "trained.json"
        if not path.exists():
            self.run(train, (script, self.options.training(name, seed), RunFolder(folder, RUN_NAME)), folder)
        return dict(json.loads(path.read_text()))

    def trained(self, name: str, seed: int) -> Path:
        """The folder of a training."""
        return self._trained.get((name, seed), self.path / "training" / f"{name}-{seed}")

    @cached_property
    def budget(self) -> int:
        """GAN updates that tuning an opponent takes: as many as the costliest training that is no ablation.

        Raises:
            ConfigError: see `settled_budget`.
        """
        main = [(name, c.seeds) for name, c in self.options.active.items() if c.varies is None]
        found = self.settled_budget(self.train(n, seed)["gan_updates"] for n, seeds in main for seed in range(seeds))
        write_json(self.path / "tuning/budget.json", found)
        return found

    def settled_budget(self, trainings: Iterable[int]) -> int:
        """The budget of tunings, given the GAN updates that each training of a controller takes.

        Raises:
            ConfigError: the opponents of this study were tuned with fewer.
        """
        path, due = self.path / "tuning/budget.json", self.options.budget or max(trainings)
        settled = int(json.loads(path.read_text())) if path.exists() else due
        mend = "put the costlier controller in a new study, whose opponents get the same number of GAN updates"
        require(due <= settled, "budget", due, f"at most {settled}, the budget of this study's opponents: {mend}")
        return settled

    def tune(self, name: str, seed: int) -> Tuned:
        """Tunes an opponent on the training instances."""
        kind, folder = opponent_kind(name), self.path / "tuning" / f"{name}-{seed}"
        path, policy = folder / f"{kind}.json", self.path / "configs/policy" / f"tuned_{kind}_{seed}.yaml"
        if not path.exists():
            options = TuneOptions(
                kind=kind,
                env=self.options.env,
                budget=self.budget,
                runs=self.options.tune_runs,
                rows=self.options.rows,
                seed=tuning_seed(kind, seed),
                folder=str(folder),
            )
            self.run(tune_opponent, (options, self.costs_file(f"tuning-{name}-{seed}")), folder)
        found = Tuned(**json.loads(path.read_text()))
        if not policy.exists():
            save_policy(policy, found, kind)
        return found

    def run(self, job: Callable[..., Any], arguments: Sequence[Any], folder: Path) -> None:
        """Runs a job with its share of the cores."""
        print(f"at work: {folder}/log.txt\n", end="", flush=True)  # in one piece: other threads print as well
        run_job(job, arguments, folder / "log.txt", max(1, torch.get_num_threads() // self.options.workers))

    def frozen(self, controller: str, seed: int, suffix: str = REPLAY_SUFFIX) -> PolicyOptions:
        """A read-out of a controller: its mean knob trajectory on training instances; see `agents.study.readout`."""
        path = self.path / "configs/policy" / f"frozen_{controller}{suffix.removesuffix(REPLAY_SUFFIX)}_{seed}.yaml"
        if not path.exists():
            fields = read_out(self.training_env(controller), self.on_training(controller, seed), suffix)
            text = f"# The mean trajectory of {controller} on training instances.\n"
            text += yaml.safe_dump(fields, sort_keys=False)
            write_atomically(path, lambda part: part.write_text(text))
        return replace(PolicyOptions(), yaml.safe_load(path.read_text()))

    def on_training(self, name: str, seed: int) -> Episodes:
        """Episodes of a policy on training instances, for choices and read-outs."""

        def run() -> Episodes:
            env = self.training_env(name)
            seeds = range(REPLAY, REPLAY + max(self.options.rows, self.options.instances))
            return run_episodes(self.policy(name, seed, env), env, seeds)

        return self.folder.cached_episodes(f"{TRAINING}/{name}-{seed}", run)

    def costs(self, cell: str) -> dict[str, Any]:
        """Wall time and peak memory of a cell, if they were measured."""
        path = self.costs_file(cell)
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def costs_file(self, cell: str) -> Path:
        """The file with the costs of a cell."""
        return self.path / "costs" / f"{cell}.json"

    # --- policies ---

    def opponent(self, name: str, seed: int) -> PolicyOptions:
        """A tuned opponent."""
        if name in self.committed:
            return self.committed[name][seed]
        return replace(PolicyOptions(), self.tune(name, seed).policy, "policy.")

    def policy(self, name: str, seed: int | None, env: GANVectorEnv) -> Policy:
        """A policy by its name and the number of its training or tuning, ready to act in `env`."""
        if seed is None:
            return load_policy(name).make(env)
        if name in self.tunings:
            return self.opponent(name, seed).make(env)
        controller = controller_of(name)
        if name == controller:
            return load_controller(self.trained(name, seed), env)
        return self.frozen(controller, seed, name.removeprefix(controller)).make(env)
