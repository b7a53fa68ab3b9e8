"""Learning rollout by rollout, for algorithms of our own: curves for TensorBoard, and a checkpoint after each."""

from collections.abc import Mapping
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from agents.learning.run_folder import CHECKPOINT, RunFolder
from gan_env.files import load_checkpoint, save_checkpoint


class Learner(Protocol):
    """What learns, an episode of all rows at a time.

    Attributes:
        rollouts: how many there were.
    """

    rollouts: int

    def learn(self) -> dict[str, float]:
        """One rollout: what TensorBoard shows, by name."""

    def get_state(self) -> dict[str, Any]:
        """Everything that learning continues from, between two rollouts."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores what `get_state` gave."""


def learn_rollouts(learner: Learner, folder: RunFolder, total: int, name: str, shown: Mapping[str, str]) -> None:
    """Learns for so many rollouts in all, from the folder's checkpoint on, if there is one.

    Args:
        learner: what learns; it has had `learner.rollouts` rollouts already.
        folder: of the training.
        total: rollouts.
        name: of the algorithm, for the progress bar.
        shown: what the bar shows: words -> name of a curve.
    """
    checkpoint = folder.path / CHECKPOINT
    if checkpoint.exists():
        learner.set_state(load_checkpoint(checkpoint))
    done = learner.rollouts
    with SummaryWriter(str(folder.path / "tensorboard"), purge_step=done + 1) as writer:  # type: ignore[no-untyped-call]
        for _ in (bar := tqdm(range(done, total), total=total, initial=done, desc=name, unit="rollout")):
            logged = learner.learn()
            for curve, value in logged.items():
                writer.add_scalar(curve, value, learner.rollouts)  # type: ignore[no-untyped-call]
            writer.flush()  # type: ignore[no-untyped-call]
            bar.set_postfix_str(", ".join(f"{words} {logged[curve]:.4g}" for words, curve in shown.items()))
            save_checkpoint(checkpoint, learner.get_state())
