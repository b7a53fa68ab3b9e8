"""The cells of a study: trainings, tunings and read-outs. agents/study/play.py plays every policy in every setting.

FOLDER/
    study/config.yml, command.txt, known.json: what it rests on; commits.txt: the code of each sitting
    training/NAME-SEED/: a run folder each; trained.json: what it cost
    tuning/NAME-SEED/KIND.study, KIND.json: what was tried for an opponent or a base, and what was found
    playing/SHARE/log.txt: where workers play side by side
    configs/policy/: tuned opponents and frozen read-outs, for `baselines/run.py --config-dir=FOLDER/configs policy=...`
    evaluations/SETTING/POLICY.npz, samples/SETTING/POLICY.npy
    costs/: wall time and peak memory of each cell
    summary.json
"""

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.comparison import REPLAY_SEED, TEST_SEED
from agents.learning.controllers import load_controller
from agents.learning.run_folder import RunFolder
from agents.study.jobs import run_job
from agents.study.options import BASE, SCHEDULE_KINDS, TRAINING, Controller, StudyOptions, opponent_name
from agents.study.readout import REPLAY, read_out
from agents.study.worker import arguments, hydra_text, work
from baselines.search.spaces import SPACES
from baselines.search.tuner import Tuned, save_policy
from gan_env import GANVectorEnv
from gan_env.config import replace
from gan_env.errors import require
from gan_env.evaluation.rollout import Episodes, run_episodes
from gan_env.files import write_atomically, write_json
from gan_env.policies.presets import PolicyOptions
from gan_env.policies.steering import Policy

TUNE_SEED, BASE_SEED, TUNINGS_APART = 10_000_000, 20_000_000, 100_000
"""First run of the tunings, of opponents and of bases, and how far tunings are apart."""


class Study:
    """A study and its folder.

    Args:
        options: what belongs to it.

    Attributes:
        path: the folder.
        folder: where evaluations are saved.
    """

    def __init__(self, options: StudyOptions) -> None:
        self.options, self.path = options, Path(options.folder)
        self.folder = RunFolder(self.path, "study")
        self._budget_file = self.path / "tuning" / "budget.json"
        self._envs: dict[str, GANVectorEnv] = {}

    @property
    def mains(self) -> list[tuple[str, int]]:
        """Name and seed of every controller that is no ablation."""
        active = self.options.active.items()
        return [(name, seed) for name, c in active if c.varies is None for seed in range(c.seeds)]

    def env(self, options: dict[str, Any], runs: int | None = None) -> GANVectorEnv:
        """The environment of these options, made once; with fewer rows where it isn't for so many runs."""
        rows = min(self.options.rows, runs or self.options.rows)
        key = json.dumps([rows, options], sort_keys=True)
        if key not in self._envs:
            self._envs[key] = GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **options)
        return self._envs[key]

    # --- cells ---

    def train(self, name: str, controller: Controller, seed: int) -> dict[str, Any]:
        """Trains a controller; its costs: `gan_updates`, `wall_s` (both with the tuning of its base), `peak_mb`."""
        folder, base = self.trained(name, seed), self.base(name, controller, seed)
        path = folder / "trained.json"
        if not path.exists():
            env = self.options.changed_env(controller.env, controller.training)
            fields = [f"seed={self.options.seed + seed}", *controller.arguments]
            fields += [f"++base={hydra_text(base.policy)}"] if base else []
            self.run(work, arguments(f"train_{controller.script}", folder, path, fields, env), folder)
        costs = dict(json.loads(path.read_text()))
        if base:
            costs["gan_updates"] += base.gan_updates
            costs["wall_s"] += self.costs(f"tuning-{name}{BASE}-{seed}").get("wall_s", 0.0)
        return costs

    def trained(self, name: str, seed: int) -> Path:
        """The folder of a training."""
        return self.path / "training" / f"{name}-{seed}"

    @cached_property
    def budget(self) -> int:
        """GAN updates that tuning an opponent takes: those of the dearest training of a main controller.

        Raises:
            ConfigError: a dearer controller was added to a study whose opponents are tuned.
        """
        active = self.options.active
        costs = {name: self.train(name, active[name], seed)["gan_updates"] for name, seed in self.mains}
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

    def tuned(self, kind: str, seed: int = 0) -> Tuned:
        """Tunes an opponent on the training instances."""
        name, first = opponent_name(kind), len(SPACES) * seed + sorted(SPACES).index(kind)
        found = self._tune(f"{name}-{seed}", kind, self.budget, TUNE_SEED + TUNINGS_APART * first)
        policy = self.path / "configs/policy" / f"tuned_{kind}_{seed}.yaml"
        if not policy.exists():
            save_policy(policy, found, kind)
        return found

    def base(self, name: str, controller: Controller, seed: int) -> Tuned | None:
        """Tunes what a training of a controller corrects, on what it is trained on."""
        if controller.base is None:
            return None
        first, changes = BASE_SEED + TUNINGS_APART * seed, (controller.env, controller.training)
        return self._tune(f"{name}{BASE}-{seed}", controller.base, controller.base_updates, first, *changes)

    def _tune(self, cell: str, kind: str, budget: int, seed: int, *changes: dict[str, Any]) -> Tuned:
        folder = self.path / "tuning" / cell
        path = folder / f"{kind}.json"
        if not path.exists():
            sizes = {"budget": budget, "runs": self.options.tune_runs, "rows": self.options.rows, "seed": seed}
            fields = [f"kind={kind}", *(f"{name}={value}" for name, value in sizes.items())]
            costs, env = self.costs_file(f"tuning-{cell}"), self.options.changed_env(*changes)
            self.run(work, arguments("tune", folder, costs, fields, env), folder)
        return Tuned(**json.loads(path.read_text()))

    def run(self, job: Callable[..., None], words: list[str], folder: Path) -> None:
        """Runs a job with its share of the cores."""
        print(f"at work: {folder}/log.txt\n", end="", flush=True)  # in one piece: other threads print as well
        run_job(job, words, folder / "log.txt", max(1, torch.get_num_threads() // self.options.workers))

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
        """Episodes on training instances, of a controller, opponent or base: choices and replays come from them."""

        def run() -> Episodes:
            owner = self.options.active.get(self.bases.get(name, name))
            changes = owner.env if owner else {}
            env = self.env(self.options.changed_env(changes, {"split": "train"}))
            tuned = name in self.tunings
            policy = self.opponent(name, seed).make(env) if tuned else self.load(name, seed, env)
            seeds = range(REPLAY_SEED, REPLAY_SEED + max(self.options.rows, self.options.instances))
            return run_episodes(policy, env, seeds)

        return self.folder.cached_episodes(f"{TRAINING}/{name}-{seed}", run)

    # --- who plays where ---

    @property
    def opponents(self) -> dict[str, str]:
        """The kind of each tuned opponent, by its name."""
        return {opponent_name(kind): kind for kind in self.options.tunings}

    @property
    def bases(self) -> dict[str, str]:
        """The controller that corrects it, for each base that plays by itself."""
        return {name + BASE: name for name, c in self.options.active.items() if c.base and c.varies is None}

    @property
    def tunings(self) -> dict[str, int]:
        """The tuned opponents and bases, and how often each is tuned: a base once a training."""
        found = {opponent_name(kind): times for kind, times in self.options.tunings.items()}
        return found | {name: self.options.active[of].seeds for name, of in self.bases.items()}

    @property
    def schedules(self) -> list[str]:
        """The tuned opponents and bases that are schedules."""
        kinds = self.opponents | {name: str(self.options.active[of].base) for name, of in self.bases.items()}
        return [name for name, kind in kinds.items() if kind in SCHEDULE_KINDS]

    def tuning(self, name: str, seed: int) -> Tuned:
        """What a tuning of an opponent or a base found."""
        owner = self.bases.get(name)
        found = self.base(owner, self.options.active[owner], seed) if owner else self.tuned(self.opponents[name], seed)
        assert found is not None
        return found

    def opponent(self, name: str, seed: int) -> PolicyOptions:
        """A tuned opponent or a base by its name."""
        return replace(PolicyOptions(), self.tuning(name, seed).policy, "policy.")

    def size(self, setting: str) -> tuple[int, int]:
        """Numbers of test instances and of GAN seeds on each of them."""
        found = self.options.setting(setting)
        return found.instances or self.options.instances, found.gan_seeds or self.options.gan_seeds

    def runs(self, setting: str) -> tuple[range, list[int]]:
        """GAN seed and test instance of each episode: one instance after another, once a GAN seed."""
        instances, gan_seeds = self.size(setting)
        return range(TEST_SEED, TEST_SEED + instances * gan_seeds), list(range(instances)) * gan_seeds

    def load(self, name: str, seed: int, env: GANVectorEnv) -> Policy:
        """A trained controller, ready to act in `env`."""
        return load_controller(self.options.active[name].script, self.trained(name, seed), env)

    def controller_env(self, name: str, *changes: dict[str, Any]) -> dict[str, Any]:
        """The options of an environment that a controller acts in."""
        return self.options.changed_env(self.options.active[name].env, *changes)

    def costs(self, cell: str) -> dict[str, Any]:
        """Wall time and peak memory of a cell, if they were measured."""
        path = self.costs_file(cell)
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def costs_file(self, cell: str) -> Path:
        """The file that says what a cell took."""
        return self.path / "costs" / f"{cell}.json"
