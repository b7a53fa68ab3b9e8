"""Trains one GAN for its whole budget under any policy.

    python baselines/train_gan.py policy=cosine env=fashion_mnist seed=0
    python baselines/train_gan.py policy=logs/ppo/gan_env-Points-v1_1 env=points    # a trained controller: its folder
    python baselines/train_gan.py policy=mine.yaml env=points       # a schedule or rule of your own
    python baselines/train_gan.py policy=module:make env=points     # what a function of a module makes
    python baselines/train_gan.py folder=logs/gan/fashion_mnist/cosine-0            # continues a killed run

The run folder, by default logs/gan/<env>/<policy>-<seed>:

    config.yaml: all options        decisions.csv: one row per decision
    generator.safetensors: see gan_env.gan.saved; `python baselines/evaluate.py FOLDER` judges it
    samples/: grids from the same latents at nine moments, and real.png
    tensorboard/: all that the policy saw, and the grids
    curves.png, summary.json: how it went     checkpoint.pt: what a killed run continues from
"""

import dataclasses
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from baselines.options import errors_about_env, given_options, load_extensions_of, read_options, script
from baselines.playing import PlayOptions, open_folder, play_options
from baselines.run import write_decisions
from gan_env import GANVectorEnv
from gan_env.errors import continued_by, require, require_at_least
from gan_env.evaluation.pictures import curves_figure, read_decisions, samples_figure
from gan_env.evaluation.rollout import Episodes, Rollout
from gan_env.evaluation.run_summary import describe_run, summarize_run
from gan_env.files import (
    load_checkpoint,
    locked,
    require_writable,
    save_checkpoint,
    write_atomically,
    write_json,
)
from gan_env.gan.saved import CHECKPOINT, NAME, save_generators
from gan_env.instance_lists import HYPERPARAMETERS, SIZES
from gan_env.records import decode
from gan_env.strict import replace, to_dict

EIGHTHS = 8  # sample grids are drawn at the start and after each of these parts of the run
SHOWN_IMAGES, SHOWN_POINTS, SHOWN_ROWS = 64, 1000, 4
_GROUPS = {"obs_": "observation", "knob_": "knobs", "": "run"}  # prefix of a column -> its group in TensorBoard


@dataclass(frozen=True)
class TrainGANOptions(PlayOptions):
    """Options of this script; all rows train the same instance.

    Attributes:
        instance: fields of `Instance`; None: see `typical_instance`.
        logs: with `name`, where the folder goes if none is given: LOGS/NAME-SEED, or the next free one.
        name: of the run.
        folder: a folder to write to; alone: the run in it continues, with its own options.
    """

    instance: dict[str, Any] = field(default_factory=dict)
    logs: str = "logs/gan"
    name: str = "run"
    folder: str | None = None

    def __post_init__(self) -> None:
        require_at_least(self, rows=1, seed=0)


class GANRun:
    """One run and its folder."""

    def __init__(self, options: TrainGANOptions) -> None:
        require_writable(Path(options.folder or options.logs), "folder" if options.folder else "logs")
        with errors_about_env():
            self.env = env = GANVectorEnv(options.rows, autoreset_mode=AutoresetMode.DISABLED, **options.env)
        given = {name: value for name, value in options.instance.items() if value is not None}
        self.instance = env.instances.pin(typical_instance(env) | given)  # that all rows train
        self.seeds = range(options.seed, options.seed + options.rows)
        self.rollout = Rollout(options.make_policy(env), env, self.seeds, [self.instance] * options.rows)
        env_options = {"preset": options.env.get("preset", "points"), **to_dict(env.config)}
        config = {"policy": asdict(options.policy), "env": env_options, "instance": vars(self.instance)}
        config |= {name: getattr(options, name) for name in ("controller", "seed", "rows")}
        base = Path(options.logs) / f"{options.name}-{options.seed}"
        mend = "; or, to continue that run, folder= and no other option"
        self.folder = open_folder(options.folder, base, config, mend)
        dataset = env.bank.datasets[env.bank.names.index(self.instance.dataset)]
        shown = torch.arange(env.config.metric_samples) % len(dataset.train)  # a small set again and again
        self.real = decode(dataset.train[shown].to(env.device))  # [S, *shape]
        points = len(env.bank.sample_shape) == 1  # shown over held-out ones
        self.behind = decode(dataset.held_out[:SHOWN_POINTS]).cpu().numpy() if points else None

    @property
    def updates(self) -> int:
        """GAN updates so far, a row."""
        return self.rollout.decision * self.env.config.updates_per_decision

    def train(self) -> dict[str, Any]:
        """Trains to the end of the budget, writes the folder, and returns the summary."""
        checkpoint, total = self.folder / CHECKPOINT, self.env.config.num_decisions
        if checkpoint.exists():
            self.rollout.set_state(load_checkpoint(checkpoint))
        places = [self.folder / f"tensorboard/seed_{seed}" for seed in self.seeds]
        writers = [SummaryWriter(place, purge_step=self.updates + 1) for place in places]
        if not self.rollout.decision:
            real = self.real[None] if self.behind is not None else self.real[None, :SHOWN_IMAGES]
            self._save("samples/real.png", samples_figure(real.cpu().numpy(), self.behind, ["real"]))
            self._grid(writers[0])
        moments = set(np.linspace(0, total, EIGHTHS + 1).round().astype(int).tolist())
        with tqdm(total=total, initial=self.rollout.decision, desc=str(self.folder), unit="decision") as bar:
            while self.rollout.decision < total:
                self.rollout.step()
                self._log(writers)
                if self.rollout.decision in moments:
                    self._grid(writers[0])
                save_checkpoint(checkpoint, self.rollout.get_state())
                bar.update()
                bar.set_postfix_str(f"score {np.median(self.rollout.episodes(len(self.seeds)).final):.3f}")
        for writer in writers:
            writer.close()
        return self._finish()

    def record(self) -> Episodes:
        """The episodes so far; their extras also hold GAN updates, and the observation as `obs_NAME`."""
        episodes = self.rollout.episodes(len(self.seeds))
        seen = self.rollout.observations()[:, 1:]  # [N, T, F]
        columns = {f"obs_{name}": seen[..., i] for i, name in enumerate(self.env.observer.names)}
        updates = (np.arange(episodes.rewards.shape[1]) + 1) * self.env.config.updates_per_decision
        whole = {"updates": np.broadcast_to(updates, episodes.rewards.shape).astype(np.float32)}
        return dataclasses.replace(episodes, extras={**whole, **episodes.extras, **columns})

    def _log(self, writers: Sequence[SummaryWriter]) -> None:
        """The last decision to TensorBoard; with the first one also the metric of the untrained generators."""
        episodes = self.record()
        curves = {"log_metric": episodes.log_metric, "score": episodes.score}
        for name, column in {**curves, "reward": episodes.rewards, **episodes.extras}.items():
            prefix = next(prefix for prefix in _GROUPS if name.startswith(prefix))
            tag = f"{_GROUPS[prefix]}/{name.removeprefix(prefix)}"
            untrained = [(0, column[:, 0])] if name in curves and self.rollout.decision == 1 else []
            for step, values in [*untrained, (self.updates, column[:, -1])]:
                for writer, value in zip(writers, values, strict=True):
                    if np.isfinite(value):
                        writer.add_scalar(tag, value, step)

    def _grid(self, writer: SummaryWriter) -> None:
        """Samples from the fixed latents, as PNG and to TensorBoard."""
        samples = self.env.samples(SHOWN_IMAGES if self.behind is None else SHOWN_POINTS)[:SHOWN_ROWS]
        titles = [f"seed {seed}, {self.updates} updates" for seed in self.seeds[:SHOWN_ROWS]]
        figure = samples_figure(samples, self.behind, titles)
        writer.add_figure("samples", figure, self.updates, close=False)
        self._save(f"samples/updates_{self.updates:07d}.png", figure)

    def _save(self, name: str, figure: Figure) -> None:
        write_atomically(self.folder / name, partial(figure.savefig, format="png"))

    def _finish(self) -> dict[str, Any]:
        """Writes the results at the end of a run."""
        episodes, env = self.record(), self.env
        names = [self.instance.dataset] * len(self.seeds)
        dataset = torch.tensor([env.bank.names.index(self.instance.dataset)], device=env.device)
        write_atomically(self.folder / "decisions.csv", lambda path: write_decisions(path, episodes, self.seeds, names))
        summary = summarize_run(episodes, env.config.updates_per_decision) | {
            "metric": f"{env.judge.metric_name}, {env.config.metric_samples} samples",
            "extractor_hash": env.judge.extractor_hash,
            "real": float(env.judge(self.real[None], dataset).score.exp()),  # a perfect generator could reach this
            "seeds": list(self.seeds),
            "gan_updates": env.gan_updates,
        }
        write_json(self.folder / "summary.json", summary)
        self._save("curves.png", curves_figure(read_decisions(self.folder), summary))
        # Last: a folder with this file is finished, see `find_runs`.
        save_generators(self.folder / NAME, env.population, names, env.config.data_root, episodes.crashed.tolist())
        return summary


def typical_instance(env: GANVectorEnv) -> dict[str, Any]:
    """The first data set and loss, all samples, the largest sizes; all else in the (geometric) middle of its range."""
    ranges, bank = env.config.instances, env.bank
    middle = {
        name: float(np.sqrt(np.prod(getattr(ranges, name))) if number.logarithmic else np.mean(getattr(ranges, name)))
        for name, number in HYPERPARAMETERS.items()
    }
    return {
        "dataset": bank.names[0],
        "loss": env.config.losses[0],
        **middle,
        "num_samples": max(bank.sizes_host),
        **{name: getattr(ranges, name)[1] for name in SIZES},
    }


def own_options(options: TrainGANOptions, given: Iterable[str]) -> TrainGANOptions:
    """The options of the run in the folder where `folder=` alone is given; else `options`.

    Args:
        options: all options of the command line.
        given: the command line, such as `["folder=logs/gan/points/cosine-0"]`.

    Raises:
        ConfigError: there is no run in it.
    """
    if not options.folder or not all(text.startswith("folder=") for text in given):
        return options
    path = Path(options.folder) / "config.yaml"
    expected = "the folder of a run, to continue it; to begin a new run in it, give one more option"
    require(path.exists(), "folder", options.folder, expected)
    saved = read_options(path)
    require("instance" in saved, "folder", options.folder, "that of a run of baselines/train_gan.py")
    load_extensions_of(saved)
    return replace(TrainGANOptions(), saved | {"folder": options.folder})


@script("train_gan", TrainGANOptions(), __doc__)
def main(fields: dict[str, Any]) -> None:
    """Entry point."""
    given = given_options()
    run = GANRun(own_options(play_options(TrainGANOptions(), fields, given), given))
    print(f"run folder: {run.folder}")
    with locked(run.folder), continued_by(shlex.join(["python", "baselines/train_gan.py", f"folder={run.folder}"])):
        print(f"\n{describe_run(run.train())}\n\nwrote {run.folder}")


if __name__ == "__main__":
    main()
