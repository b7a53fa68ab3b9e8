"""The cells of a study: trainings, tunings and read-outs. agents/study/play.py plays every policy in every setting.

FOLDER/
    study/config.yml, command.txt, known.json: what it rests on; commits.txt: the code of each sitting
    training/NAME-SEED/: a run folder each; trained.json: what it cost
    tuning/NAME-SEED/: what was tried for an opponent; KIND.json: what was found
    playing/SHARE/log.txt: where workers play side by side
    configs/: env/study.yaml, and in policy/ tuned opponents and frozen read-outs, for
        `baselines/run.py --config-dir=FOLDER/configs env=study policy=...`
    evaluations/SETTING/POLICY.npz, samples/SETTING/POLICY.npy
    costs/: wall time and peak memory of each cell
    summary.json
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.controllers import load_controller
from agents.learning.run_folder import RunFolder
from agents.study.jobs import run_job, train_controller, tune_opponent
from agents.study.options import SCHEDULE_KINDS, TRAINING, StudyOptions, opponent_name
from agents.study.readout import REPLAY, read_out
from baselines.search.tuner import Tuned, TuneOptions, save_policy
from gan_env import GANVectorEnv
from gan_env.config import replace
from gan_env.errors import require
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.evaluation.seeds import REPLAY as REPLAY_SEED
from gan_env.evaluation.seeds import TEST, tuning_seed
from gan_env.files import write_atomically, write_json
from gan_env.policies.presets import PolicyOptions
from gan_env.policies.steering import Policy


class Study:
    """A study and its folder.

    Args:
        options: what belongs to it.
        trained: folders of trainings that are done elsewhere, by controller and seed.
        committed: opponents that were tuned before, by kind; they are not tuned again.

    Attributes:
        path: the folder.
        folder: where evaluations are saved.
    """

    def __init__(
        self,
        options: StudyOptions,
        trained: Mapping[tuple[str, int], Path] | None = None,
        committed: Mapping[str, Sequence[PolicyOptions]] | None = None,
    ) -> None:
        self.options, self.path = options, Path(options.folder)
        self.committed = dict(committed or {})
        self._trained = dict(trained or {})
        self.folder = RunFolder(self.path, "study")
        self._budget_file = self.path / "tuning" / "budget.json"
        self._envs: dict[str, GANVectorEnv] = {}

    @property
    def main_trainings(self) -> list[tuple[str, int]]:
        """Name and seed of every training of a controller that is no ablation."""
        active = self.options.active.items()
        return [(name, seed) for name, c in active if c.varies is None for seed in range(c.seeds)]

    def env(self, options: Mapping[str, Any], runs: int | None = None) -> GANVectorEnv:
        """The environment of these options, made once; with fewer rows where it isn't for so many runs."""
        rows = min(self.options.rows, runs or self.options.rows)
        key = json.dumps([rows, options], sort_keys=True)
        if key not in self._envs:
            self._envs[key] = GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **options)
        return self._envs[key]

    def write_env(self) -> None:
        """Writes the environment for `baselines/run.py --config-dir=FOLDER/configs env=study`."""
        preset = self.options.env.get("preset", "points")
        fields = {"defaults": [f"preset_{preset}", "_self_"], **self.options.changes_of_preset()}
        text = yaml.safe_dump(fields, sort_keys=False)
        write_atomically(self.path / "configs/env/study.yaml", lambda part: part.write_text(text))

    # --- cells ---

    def train(self, name: str, seed: int) -> dict[str, Any]:
        """Trains a controller; its costs: `gan_updates`, `wall_s`, `peak_mb`."""
        folder, script = self.trained(name, seed), self.options.active[name].script
        path = folder / "trained.json"
        if not path.exists():
            self.run(train_controller, (script, self.options.training(name, seed), folder), folder)
        return dict(json.loads(path.read_text()))

    def trained(self, name: str, seed: int) -> Path:
        """The folder of a training."""
        return self._trained.get((name, seed), self.path / "training" / f"{name}-{seed}")

    @cached_property
    def budget(self) -> int:
        """GAN updates that tuning an opponent takes: those of the dearest training of a controller, ablations left out.

        Raises:
            ConfigError: a dearer controller was added to a study whose opponents are tuned.
        """
        costs = {name: self.train(name, seed)["gan_updates"] for name, seed in self.main_trainings}
        found = self.settled_budget or self.options.budget or max(costs.values())
        write_json(self._budget_file, {"gan_updates": found})
        for name, cost in costs.items():
            self.require_affordable(name, cost)
        return found

    @property
    def settled_budget(self) -> int | None:
        """GAN updates that tuning an opponent of this study has taken; None: none is tuned yet."""
        path = self._budget_file
        return int(json.loads(path.read_text())["gan_updates"]) if path.exists() else None

    def require_affordable(self, name: str, cost: int) -> None:
        """Raises a `ConfigError` where a training takes more GAN updates than the opponents were tuned with."""
        budget = self.settled_budget
        if budget and not self.options.budget:
            other = "train it shorter under another name, or in a study of its own"
            expected = f"at most {budget:,}, which tuning the opponents took: {other}"
            require(cost <= budget, f"controllers.{name}", cost, expected)

    def tune(self, kind: str, seed: int) -> Tuned:
        """Tunes an opponent on the training instances."""
        cell = f"{opponent_name(kind)}-{seed}"
        folder = self.path / "tuning" / cell
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
            self.run(tune_opponent, (options, self.costs_file(f"tuning-{cell}")), folder)
        found = Tuned(**json.loads(path.read_text()))
        if not policy.exists():
            save_policy(policy, found, kind)
        return found

    def run(self, job: Callable[..., None], arguments: Sequence[Any], folder: Path) -> None:
        """Runs a job with its share of the cores."""
        print(f"at work: {folder}/log.txt\n", end="", flush=True)  # in one piece: other threads print as well
        run_job(job, arguments, folder / "log.txt", max(1, torch.get_num_threads() // self.options.workers))

    def frozen(self, name: str, seed: int, suffix: str = REPLAY) -> PolicyOptions:
        """A read-out of a controller: its mean knob trajectory on training instances; see `agents.study.readout`."""
        path = self.path / "configs/policy" / f"frozen_{name}{suffix.removesuffix(REPLAY)}_{seed}.yaml"
        if not path.exists():
            env = self.env(self.controller_env(name, {"split": "train"}))
            fields = read_out(env, self.on_training(name, seed), suffix)
            text = f"# What {name} does on average over training instances.\n{yaml.safe_dump(fields, sort_keys=False)}"
            write_atomically(path, lambda part: part.write_text(text))
        return replace(PolicyOptions(), yaml.safe_load(path.read_text()))

    def load_frozen(self, name: str, seed: int, suffix: str, env: GANVectorEnv) -> Policy:
        """A read-out of a controller, ready to act in `env`."""
        return self.frozen(name, seed, suffix).make(env)

    def on_training(self, name: str, seed: int = 0) -> Episodes:
        """Episodes of a controller or a tuned opponent on training instances: choices and read-outs come from them."""

        def run() -> Episodes:
            opponent = name in self.opponents
            options = self.options.env if opponent else self.controller_env(name)
            env = self.env({**options, "split": "train"})
            policy = self.opponent(name, seed).make(env) if opponent else self.load(name, seed, env)
            seeds = range(REPLAY_SEED, REPLAY_SEED + max(self.options.rows, self.options.instances))
            return run_episodes(policy, env, seeds)

        return self.folder.cached_episodes(f"{TRAINING}/{name}-{seed}", run)

    # --- who plays where ---

    @property
    def opponents(self) -> dict[str, str]:
        """The kind of each tuned opponent, by its name."""
        return {opponent_name(kind): kind for kind in self.options.tunings}

    @property
    def tunings(self) -> dict[str, int]:
        """The tuned opponents, and how often each is tuned."""
        return {opponent_name(kind): times for kind, times in self.options.tunings.items()}

    @property
    def schedules(self) -> list[str]:
        """The tuned opponents that are schedules."""
        return [name for name, kind in self.opponents.items() if kind in SCHEDULE_KINDS]

    def opponent(self, name: str, seed: int) -> PolicyOptions:
        """A tuned opponent by its name."""
        kind = self.opponents[name]
        if kind in self.committed:
            return self.committed[kind][seed]
        return replace(PolicyOptions(), self.tune(kind, seed).policy, "policy.")

    def size(self, setting: str) -> tuple[int, int]:
        """Numbers of test instances and of GAN seeds on each of them."""
        found = self.options.setting(setting)
        return found.instances or self.options.instances, found.gan_seeds or self.options.gan_seeds

    def runs(self, setting: str) -> tuple[range, list[int]]:
        """GAN seed and test instance of each episode: one instance after another, once a GAN seed."""
        instances, gan_seeds = self.size(setting)
        return range(TEST, TEST + instances * gan_seeds), list(range(instances)) * gan_seeds

    def load(self, name: str, seed: int, env: GANVectorEnv) -> Policy:
        """A trained controller, ready to act in `env`."""
        return load_controller(self.trained(name, seed), env)

    def controller_env(self, name: str, *changes: Mapping[str, Any]) -> dict[str, Any]:
        """The options of an environment that a controller acts in."""
        return self.options.changed_env(self.options.active[name].env, *changes)

    def costs(self, cell: str) -> dict[str, Any]:
        """Wall time and peak memory of a cell, if they were measured."""
        path = self.costs_file(cell)
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def costs_file(self, cell: str) -> Path:
        """The file that says what a cell took."""
        return self.path / "costs" / f"{cell}.json"
