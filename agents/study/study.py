"""The cells of a study: trainings, tunings and read-outs. agents/study/play.py plays every policy in every setting.

FOLDER/
    study/config.yml, command.txt, known.json: its options; commits.txt: the code that each start of it ran
    training/NAME-SEED/: one run folder per training; trained.json: what it cost
    tuning/NAME-SEED/: what was tried for an opponent; KIND.json: what was found; tuning/budget.json
    training/NAME-SEED/log.txt, tuning/NAME-SEED/log.txt, playing/SHARE/log.txt: what each job printed
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

import yaml
from gymnasium.vector import AutoresetMode

from agents.learning.controllers import RUN_NAME, load_controller, train
from agents.learning.costs import save_costs
from agents.learning.run_folder import RunFolder
from agents.study.options import (
    RIVAL_KINDS,
    SCHEDULE_KINDS,
    TRAINING,
    StudyOptions,
    opponent_kind,
    opponent_name,
    search_of,
)
from agents.study.readout import RATES_REPLAY_SUFFIX, REPLAY_SUFFIX, controller_of, read_out
from baselines.jobs.job import Job
from baselines.search.tuner import TOLD, Tuned, TuneOptions, looked_at, save_policy, tune
from gan_env import GANVectorEnv
from gan_env.errors import require
from gan_env.evaluation.rollout import Episodes, kept_episodes, run_episodes
from gan_env.evaluation.seeds import REPLAY, TEST, tuning_seed
from gan_env.files import LOST, read_json, write_json, write_text
from gan_env.mdp.knobs import TARGETS
from gan_env.policies.presets import PolicyOptions, load_policy, observing, policy_of
from gan_env.policies.steering import Policy


class Study:
    """A study and its folder.

    Args:
        options: what belongs to it.
        trained: folders of trainings that live elsewhere, by controller and seed.
        committed: by opponent, its committed tunings; it is not tuned again.

    Attributes:
        path: the folder.
        tunings: the tuned opponents, and how often each is tuned.
        rivals: the tuned opponents that every policy is compared with: schedules and the rule for step sizes.
        schedules: those that are schedules.
    """

    def __init__(
        self,
        options: StudyOptions,
        trained: Mapping[tuple[str, int], Path] | None = None,
        committed: Mapping[str, Sequence[PolicyOptions]] | None = None,
    ) -> None:
        self.options, self.path = options, Path(options.folder)
        self.committed = dict(committed or {})
        self.tunings = options.tunings
        self.rivals = [name for kind in RIVAL_KINDS if (name := opponent_name(kind)) in self.tunings]
        self.schedules = [name for name in self.rivals if opponent_kind(name) in SCHEDULE_KINDS]
        self._trained = dict(trained or {})
        self._envs: dict[str, GANVectorEnv] = {}

    # --- environments and runs ---

    def env_options(self, policy: str, *changes: Mapping[str, Any]) -> dict[str, Any]:
        """Options of the environment that a policy acts in; a controller and its read-outs have their own."""
        controller = self.options.active.get(controller_of(policy))
        options = self.options.changed_env(controller.env if controller else {}, *changes)
        if controller and controller_of(policy) == policy:
            return options
        if controller and options.get("action_mode") in TARGETS:
            options["action_mode"] = "delta"  # moves are as large, and go on where steps have other sizes
        return observing(options, ("progress", "knobs", *self.reads(policy)))

    def told_rates(self, policy: str) -> bool:
        """Whether a policy sets learning rates themselves, for which it is told those that a run starts with."""
        if policy in self.options.named:
            return load_policy(self.options.named[policy]).kind == "rates"
        return policy in map(opponent_name, TOLD) or policy.endswith(RATES_REPLAY_SUFFIX)

    def reads(self, policy: str) -> tuple[str, ...]:
        """Groups of statistics that a schedule or rule looks at, besides progress and knobs."""
        if policy in self.options.named:
            return load_policy(self.options.named[policy]).groups
        if policy in self.committed:
            return tuple(dict.fromkeys(group for made in self.committed[policy] for group in made.groups))
        if policy in self.options.active:
            return ()
        return ("context",) if self.told_rates(policy) else looked_at(search_of(policy)[0])

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
        changes = {**self.options.setting(setting).changes, "split": "test"}
        return self.env(self.env_options(policy, changes), len(self.runs(setting)[0]))

    def write_env(self) -> None:
        """Writes the environment for `baselines/run.py --config-dir=FOLDER/configs env=study`."""
        preset = self.options.env.get("preset", "points")
        fields = {"defaults": [f"preset_{preset}", "_self_"], **self.options.changes_of_preset()}
        text = yaml.safe_dump(fields, sort_keys=False)
        write_text(self.path / "configs/env/study.yaml", text)

    def size(self, setting: str) -> tuple[int, int]:
        """Numbers of test instances and of GAN seeds on each of them."""
        found = self.options.setting(setting)
        return found.instances or self.options.instances, found.gan_seeds or self.options.gan_seeds

    def runs(self, setting: str) -> tuple[range, list[int]]:
        """GAN seed and test instance of each episode, which go through all instances once for each GAN seed."""
        instances, gan_seeds = self.size(setting)
        return range(TEST, TEST + instances * gan_seeds), list(range(instances)) * gan_seeds

    # --- cells ---

    def trainings_due(self) -> list[Job]:
        """The trainings that are not done."""
        named = [(name, seed) for name, controller in self.options.active.items() for seed in range(controller.seeds)]
        due = [(name, seed) for name, seed in named if not (self.training_folder(name, seed) / "trained.json").exists()]
        return [self._training(name, seed) for name, seed in due]

    def _training(self, name: str, seed: int) -> Job:
        folder, script = self.training_folder(name, seed), self.options.active[name].script
        return Job(train, (script, self.options.training(name, seed), RunFolder(folder, RUN_NAME)), folder)

    def training_costs(self, name: str, seed: int) -> dict[str, Any]:
        """What a training cost: `gan_updates`, `wall_s`, `peak_mb`."""
        return dict(read_json(self.training_folder(name, seed) / "trained.json"))

    def training_folder(self, name: str, seed: int) -> Path:
        """The folder of a training."""
        return self._trained.get((name, seed), self.path / "training" / f"{name}-{seed}")

    @cached_property
    def budget(self) -> int:
        """GAN updates that tuning an opponent takes: as many as the costliest training that is no ablation.

        All trainings must be done.

        Raises:
            ConfigError: see `settled_budget`.
        """
        main = [(name, seed) for name, c in self.options.active.items() if c.varies is None for seed in range(c.seeds)]
        found = self.settled_budget(self.training_costs(*training)["gan_updates"] for training in main)
        write_json(self.path / "tuning/budget.json", found)
        return found

    def settled_budget(self, trainings: Iterable[int]) -> int:
        """The budget of tunings, given the GAN updates that each training of a controller takes.

        Raises:
            ConfigError: the opponents of this study were tuned with fewer.
        """
        path, due = self.path / "tuning/budget.json", self.options.budget or max(trainings)
        settled = int(read_json(path, LOST)) if path.exists() else due
        mend = "put the costlier controller in a new study, whose opponents get the same number of GAN updates"
        require(due <= settled, "budget", due, f"at most {settled}, the budget of this study's opponents: {mend}")
        return settled

    def tunings_due(self) -> list[Job]:
        """The tunings that are not done; all trainings must be."""
        named = [
            (name, seed) for name in self.tunings if name not in self.committed for seed in range(self.tunings[name])
        ]
        return [self._tuning(name, seed) for name, seed in named if not self._tuning_file(name, seed).exists()]

    def _tuning(self, name: str, seed: int) -> Job:
        (kind, method), folder = search_of(name), self._tuning_file(name, seed).parent
        options = TuneOptions(
            kind=kind,
            method=method,
            env=self.options.env,
            budget=self.budget,
            runs=self.options.tune_runs,
            rows=self.options.rows,
            seed=tuning_seed(opponent_kind(name), seed),
            folder=str(folder),
        )
        return Job(tune_opponent, (options, self.costs_file(f"tuning-{name}-{seed}")), folder)

    def _tuning_file(self, name: str, seed: int) -> Path:
        return self.path / "tuning" / f"{name}-{seed}" / f"{search_of(name)[0]}.json"

    def tuning_result(self, name: str, seed: int) -> Tuned:
        """What was found by tuning an opponent on the training instances."""
        return Tuned(**read_json(self._tuning_file(name, seed)))

    def write_opponents(self) -> None:
        """Writes what was found by tuning into configs/policy/; all tunings must be done."""
        for name in (name for name in self.tunings if name not in self.committed):
            for seed in range(self.tunings[name]):
                kind = opponent_kind(name)
                path = self.path / f"configs/policy/tuned_{kind}_{seed}.yaml"
                if not path.exists():
                    save_policy(path, self.tuning_result(name, seed), kind)

    def read_out_policy(self, controller: str, seed: int, suffix: str = REPLAY_SUFFIX) -> PolicyOptions:
        """A read-out of a controller: its mean knob trajectory on training instances; see `agents.study.readout`."""
        path = self.path / "configs/policy" / f"frozen_{controller}{suffix.removesuffix(REPLAY_SUFFIX)}_{seed}.yaml"
        if not path.exists():
            env, coordinates = self.training_env(controller), self.training_episodes(controller, seed).coordinates
            runs = [env.instances[i % len(env.instances)] for i in range(len(coordinates))]  # one after another
            fields = read_out(env, coordinates, runs, suffix)
            text = f"# The mean trajectory of {controller} on training instances.\n"
            text += yaml.safe_dump(fields, sort_keys=False)
            write_text(path, text)
        return load_policy(path)

    def episodes(self, cell: str, run: Callable[[], Episodes]) -> Episodes:
        """The saved episodes of a cell, SETTING/POLICY; where there are none, those that `run` gives, which it saves.

        Raises:
            DataError: the file is damaged.
        """
        return kept_episodes(self.path / "evaluations" / f"{cell}.npz", run)

    def training_episodes(self, name: str, seed: int) -> Episodes:
        """Episodes of a policy on training instances, for choices and read-outs."""

        def run() -> Episodes:
            env = self.training_env(name)
            seeds = range(REPLAY, REPLAY + max(self.options.rows, self.options.instances))
            return run_episodes(self.policy(name, seed, env), env, seeds)

        return self.episodes(f"{TRAINING}/{name}-{seed}", run)

    def costs(self, cell: str) -> dict[str, Any]:
        """Wall time and peak memory of a cell, if they were measured."""
        path = self.costs_file(cell)
        return dict(read_json(path, "delete it: the page then lacks these costs")) if path.exists() else {}

    def costs_file(self, cell: str) -> Path:
        """The file with the costs of a cell."""
        return self.path / "costs" / f"{cell}.json"

    # --- policies ---

    def opponent(self, name: str, seed: int) -> PolicyOptions:
        """A tuned opponent."""
        if name in self.committed:
            return self.committed[name][seed]
        return policy_of(self.tuning_result(name, seed).policy)

    def policy(self, name: str, seed: int | None, env: GANVectorEnv) -> Policy:
        """A policy by its name and the number of its training or tuning, ready to act in `env`."""
        if seed is None:
            return load_policy(self.options.named[name]).make(env)
        if name in self.tunings:
            return self.opponent(name, seed).make(env)
        controller = controller_of(name)
        if name == controller:
            return load_controller(self.training_folder(name, seed), env)
        return self.read_out_policy(controller, seed, name.removeprefix(controller)).make(env)


def tune_opponent(options: TuneOptions, costs: Path) -> None:
    """Tunes on training instances, or continues a search; its folder gets what was found, and `costs` what it cost."""

    def run() -> dict[str, Any]:
        tune(options)
        return {}

    save_costs(costs, run)
