"""How the evaluations of a study are shared out; tests/agents/test_compare.py plays a whole one, by two workers."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from small_env import make

import agents.study.play
from agents.study.options import study_options
from agents.study.play import entries, file_name, play_share
from agents.study.readout import Yoked
from agents.study.study import Study
from baselines.search.tuner import Tuned
from gan_env.evaluation.rollout import run_batches

Cell = tuple[str, str]
SETTINGS = ("held_out", "far", "near")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """Setting and file of each cell that is played, in their order."""
    found: list[Cell] = []
    knobs = {knob: {"kind": "fixed", "initial": 0.001} for knob in ("lr_g", "lr_d")}
    tuned = Tuned(policy={"kind": "rates", "knobs": knobs}, score=0.0, finalists=[], trials=1, gan_updates=5)
    monkeypatch.setattr(Study, "tuning_result", lambda self, kind, seed: tuned)

    def play(study: Study, setting: str, name: str, seed: int | None) -> None:
        found.append((setting, file_name(name, seed)))

    monkeypatch.setattr(agents.study.play, "play", play)
    monkeypatch.setattr(agents.study.play, "play_part", lambda study, part: found.append(("oracle", str(part.start))))
    monkeypatch.setattr(
        Study, "training_episodes", lambda self, name, seed=0: found.append(("training", f"{name}-{seed}"))
    )
    return found


def study(folder: Path, workers: int) -> Study:
    far = {"policies": ["ppo", "ppo_replay"], "gan_seeds": 1}
    return Study(
        study_options(
            env={"preset": "points", "knobs": ["r1", "lr_g", "lr_d"], "compile": False},
            controllers={
                "ppo": {"seeds": 3},
                "sac": {"script": "sac", "seeds": 2},
                "blind": {"varies": "ppo", "seeds": 1},
            },
            tuned={"schedule": 2, "ada": 2},
            policies=("fixed", "random"),
            settings={"far": far, "near": {}},
            folder=str(folder),
            workers=workers,
        )
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_cell_is_played_by_one_worker(tmp_path: Path, workers: int, played: list[Cell]) -> None:
    made = study(tmp_path, workers)
    for share in range(workers):
        play_share(made, share)
    due = [(setting, file_name(*entry)) for setting in SETTINGS for entry in entries(made, setting)]
    due += [("training", f"{name}-{seed}") for name in ("best_schedule",) for seed in range(2)]
    due += [("oracle", str(part)) for part in range(4)]
    assert sorted(played) == sorted(due)


def test_what_comes_of_a_training_is_played_by_the_same_worker(tmp_path: Path, played: list[Cell]) -> None:
    """It rests on the same runs on training instances, which two workers would both play."""
    play_share(study(tmp_path, 2), 0)
    mine = {file for setting, file in played if setting in SETTINGS}
    for name in ("ppo", "sac"):
        family = {f"{name}{suffix}-1" for suffix in ("", "_replay", "_rates_replay", "_yoked")}
        assert family <= mine or not family & mine


def test_each_run_has_a_trajectory_of_its_own_over_several_batches() -> None:
    env = make(2, autoreset_mode=AutoresetMode.DISABLED)
    size = (3, env.config.num_decisions, len(env.config.knobs))
    tables = np.random.default_rng(0).uniform(0.4, 0.6, size).astype(np.float32)
    played = run_batches(lambda rows: Yoked(env, tables[rows]), env, [5, 6, 7], [0, 1, 0])
    np.testing.assert_allclose(played.coordinates, tables, atol=1e-5)
    assert played.gan_updates == 4 * env.config.num_decisions * env.config.updates_per_decision


def test_hands_are_alike(tmp_path: Path, played: list[Cell]) -> None:
    made, sizes = study(tmp_path, 2), []
    for share in range(2):
        play_share(made, share)
        sizes.append(len(played) - sum(sizes))
    assert abs(sizes[0] - sizes[1]) <= 10  # the largest family, a training of ppo in three settings
