"""Bilevel training of a meta-controller, for `train_meta.py` and `train_maml.py`.

The inner problem is GAN training, the outer one the controller. At every decision the validation loss is differentiated
by the knobs through a window of unrolled updates (`hypergradient.py`), and from there through the controller. Where the
policy adapts itself, the loss is the one after adaptation, and the outer problem is MAML's.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from agents.learning.options import AgentOptions, TrainOptions
from agents.learning.rollouts import learn_rollouts
from agents.learning.run_folder import CHECKPOINT, RunFolder
from agents.learning.training import knob_curves
from agents.meta.controller import MetaController, MetaPolicy, meta_layers
from agents.meta.hypergradient import Hypergradient
from gan_env import GANVectorEnv
from gan_env.errors import require, require_at_least
from gan_env.evaluation.seeds import row_seeds
from gan_env.saved_controller import Adaptation, forget

LAST_RATE = 0.1
"""Share of the learning rate that is left at the end."""


@dataclass(frozen=True)
class MetaOptions(AgentOptions):
    """Hyperparameters of bilevel training.

    Attributes:
        every: decisions between two updates of the controller; an LSTM is unrolled as far. Slopes differ between
            the start and the end of an episode, so one update per episode is best.
        kind: "mlp" or "lstm".
        window: GAN updates that are unrolled at each decision.
        samples: generated and held-out samples per row that the validation loss compares.
        learning_rate: of the controller's AdamW at the start; it falls linearly to a tenth.
        weight_decay: of the controller's weights, not of its biases.
        max_grad_norm: longest gradient of the controller.
        inner_steps: steps of adaptation to a row's own run at each decision; 0: none (scheme A).
        inner_rate: size of these steps.
    """

    rows: int = 48
    rollouts: int = 24
    every: int = 12
    kind: Literal["mlp", "lstm"] = "mlp"
    window: int = 50
    samples: int = 256
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    max_grad_norm: float = 1.0
    inner_steps: int = 0
    inner_rate: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, "agent.", every=1, window=1)
        require(len(self.hidden) > 0, "agent.hidden", self.hidden, "at least one layer")
        require(self.samples >= 2, "agent.samples", self.samples, "at least 2")
        for name in ("learning_rate", "max_grad_norm", "inner_rate"):
            require(getattr(self, name) > 0, f"agent.{name}", getattr(self, name), "more than 0")
        require_at_least(self, "agent.", weight_decay=0, inner_steps=0)


class Learner:
    """A controller that learns while its environment's GANs train.

    Args:
        env: training instances, with SAME_STEP autoreset.
        options: hyperparameters.
        seed: of the controller's weights; see `TrainOptions` for the episodes.

    Attributes:
        controller: what learns.
        rollouts: how many are done.
    """

    def __init__(self, env: GANVectorEnv, options: MetaOptions, seed: int) -> None:
        self.env, self.options, self.rollouts = env, options, 0
        torch.manual_seed(seed)
        sizes = (len(env.observer.names), len(env.config.knobs))
        self.controller = MetaController(meta_layers(*sizes, options.hidden, options.kind), sizes[0])
        self.controller.start_at(env.knobs.initial.cpu())
        self.policy = make_policy(self.controller, env, options)
        self.look = self.policy.look
        weights = [p for p in self.controller.parameters() if p.dim() > 1]
        biases = [p for p in self.controller.parameters() if p.dim() == 1]
        groups = [{"params": weights, "weight_decay": options.weight_decay}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, options.learning_rate)
        self._observation = torch.from_numpy(env.reset(seed=row_seeds(seed, env.num_envs))[0])
        self._start = torch.ones(env.num_envs, dtype=torch.bool)
        self._state = self.policy.blank(env.num_envs)

    @property
    def gan_updates(self) -> int:
        """GAN updates of all rows, including those that only looked ahead."""
        return self.env.gan_updates + self.look.gan_updates

    def fit_normalisation(self) -> None:
        """Lets all rows run for an episode with the initial knobs, and normalises by what is observed."""
        seen, still = [], self.env.knobs.initial.cpu().expand(self.env.num_envs, -1)
        for _ in range(self.env.config.num_decisions):
            seen.append(self._observation)
            self._observation, _ = self._step(still)
        self.controller.normalise_by(torch.cat(seen))

    def learn(self) -> dict[str, float]:
        """One rollout: as many decisions as an episode has, and an update of the controller every few of them.

        Returns:
            What TensorBoard shows, by name.
        """
        env, options = self.env, self.options
        decisions = env.config.num_decisions
        losses, norms, usable = [], [], []
        finals: list[float] = []
        crashes, logged = 0, dict[str, float]()
        total = torch.zeros(())
        for group in self.optimizer.param_groups:
            group["lr"] = options.learning_rate * (1 - (1 - LAST_RATE) * self.rollouts / options.rollouts)
        for decision in range(1, decisions + 1):
            self._state = forget(self._state, self._start)
            wanted, self._state = self.policy.act(self._observation, self._state)
            loss, slope = self.look(self.policy.reach(self._observation, wanted))
            # Down the slope, even where a knob can't move as far as the controller wants.
            total = total + (wanted * slope).sum(dim=1).mean()
            self._observation, infos = self._step(wanted.detach())
            if decision % options.every == 0 or decision == decisions:
                norms.append(self._update(total))
                total, self._state = torch.zeros(()), tuple(part.detach() for part in self._state)
            losses.append(float(loss.nanmean()))
            usable.append(float((slope != 0).any(dim=1).float().mean()))
            if self._start.any():
                ended = self._start.numpy()
                finals += infos["final_info"]["log_metric"][ended].tolist()
                crashes += int(infos["final_info"]["crashed"][ended].sum())
            logged |= knob_curves(env, decision)
        self.rollouts += 1
        means = {"meta/validation_loss": losses, "meta/gradient_norm": norms, "meta/rows_with_a_slope": usable}
        logged |= {name: float(np.mean(values)) for name, values in {**means, "gan/final_log_metric": finals}.items()}
        return logged | {"gan/crashes": crashes, "gan/updates": self.gan_updates}

    def get_state(self) -> dict[str, Any]:
        """Everything that learning continues from, between two rollouts."""
        return {
            "controller": self.controller.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "env": self.env.get_state(),
            "rows": (self._observation, self._start, self._state),
            "rollouts": self.rollouts,
            "looked_ahead": self.look.gan_updates,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Restores what `get_state` gave."""
        self.controller.load_state_dict(state["controller"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.env.set_state(state["env"])
        self._observation, self._start, self._state = state["rows"]
        self.rollouts = state["rollouts"]
        self.look.gan_updates = state["looked_ahead"]

    def _step(self, wanted: Tensor) -> tuple[Tensor, dict[str, Any]]:
        """One decision of all rows with the knobs as near to [N, K] as they get: the next observation, and infos."""
        action = self.policy.steering.action(self._observation.numpy(), wanted.numpy())
        observation, _, ended, _, infos = self.env.step(action)
        self._start = torch.from_numpy(ended)
        return torch.from_numpy(observation), infos

    def _update(self, total: Tensor) -> float:
        """One step of the controller; the norm of its gradient before clipping."""
        self.optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.controller.parameters(), self.options.max_grad_norm)
        self.optimizer.step()
        return float(norm)


def make_policy(controller: MetaController, env: GANVectorEnv, options: MetaOptions) -> MetaPolicy:
    """The controller as a policy of an environment."""
    look = Hypergradient(env, options.window, options.samples)
    return MetaPolicy(controller, look, options.inner_steps, options.inner_rate)


def train(options: TrainOptions, folder: RunFolder) -> dict[str, Any]:
    """Trains a controller, or continues from the folder's checkpoint.

    Returns:
        `gan_updates`: how many the training took; `adaptation_updates_a_decision`: how many acting takes besides the
        run's own.
    """
    agent, env = options.agent, GANVectorEnv(options.agent.rows, **options.env)
    assert isinstance(agent, MetaOptions)
    learner = Learner(env, agent, options.seed)
    if not (folder.path / CHECKPOINT).exists():
        learner.fit_normalisation()
    shown = {"final log metric": "gan/final_log_metric", "validation loss": "meta/validation_loss"}
    learn_rollouts(learner, folder, agent.rollouts, "meta", shown)
    adapts = Adaptation(agent.inner_steps, agent.inner_rate, agent.window, agent.samples)
    folder.save_controller(learner.controller, env, "coordinates", adapts if agent.inner_steps else None)
    return {"gan_updates": learner.gan_updates, "adaptation_updates_a_decision": agent.inner_steps * agent.window}
