"""The meta-network: a controller that says where the knobs should be, and a policy that moves them there.

`MetaController` is the network alone. `MetaPolicy` acts with it in an environment, and may adapt it to the run, as MAML
does.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from agents.meta.hypergradient import Hypergradient
from gan_env import GANVectorEnv
from gan_env.policies.learned import require_fit
from gan_env.policies.steering import EpisodeStart, State, Steering
from gan_env.records import Float32
from gan_env.saved_controller import Layer, Network, SavedController, Tensors, forget


def meta_layers(state_dim: int, num_params: int, hidden: Sequence[int] = (64, 64), kind: str = "mlp") -> list[Layer]:
    """The layers of a meta-network.

    Args:
        state_dim: F, length of an observation.
        num_params: K, number of knobs.
        hidden: units of the hidden layers.
        kind: "mlp", or "lstm": the last hidden layer is an LSTM cell, whose memory lasts from decision to decision.
    """
    sizes = list(pairwise((state_dim, *hidden)))
    dense = sizes if kind == "mlp" else sizes[:-1]
    layers: list[Layer] = [layer for a, b in dense for layer in (("linear", a, b), ("tanh",))]
    if kind == "lstm":
        layers.append(("lstm", *sizes[-1]))
    return [*layers, ("linear", sizes[-1][1], num_params), ("sigmoid",)]


class MetaController(Network):
    """Observations -> coordinates of the knobs in [0, 1].

    Args:
        layers: from `meta_layers`; the last linear one is the head.
        inputs: F, length of an observation.
    """

    @property
    def head(self) -> nn.Linear:
        """The last linear layer."""
        head = self.layers[-2]
        assert isinstance(head, nn.Linear)
        return head

    def start_at(self, coordinates: Tensor) -> None:
        """Makes these coordinates [K] the output for every observation, from which learning starts."""
        nn.init.zeros_(self.head.weight)
        with torch.no_grad():
            self.head.bias.copy_(torch.logit(coordinates, eps=0.01))

    def features(self, observation: Tensor, memory: Tensors) -> tuple[Tensor, Tensors]:
        """What the head sees: [N, F] and the memory -> [N, H] and the next memory."""
        return self.run(self.normalised(observation), memory, upto=-2)

    def coordinates(self, features: Tensor, adapted: Tensors = ()) -> Tensor:
        """The last layer: [N, H] -> [N, K] in [0, 1].

        Args:
            features: from `features`.
            adapted: what each row adds to the layer's weight and bias, [N, K, H] and [N, K]; or nothing.
        """
        logits: Tensor = self.head(features)
        if adapted:
            weight, bias = adapted
            logits = logits + (weight @ features[..., None]).squeeze(-1) + bias
        return torch.sigmoid(logits)


class MetaPolicy:
    """Acts with a controller, and with `steps` adapts it to the run.

    The state of a row is the controller's memory, followed (with adaptation) by what the row adds to the last layer.
    At each decision the row takes `steps` steps down its own hypergradient, by the last layer alone, and keeps them for
    the rest of its episode. That is MAML's inner loop (Finn et al. 2017, arXiv:1703.03400) in the variant ANIL, where
    only the head adapts (Raghu et al. 2020, arXiv:1909.09157).

    Args:
        controller: the network.
        look: finds the slope of the validation loss in the environment that the policy acts in.
        steps: gradient steps per decision; 0: none.
        rate: their size.

    Raises:
        ConfigError: the environment does not observe its knobs.
    """

    def __init__(self, controller: MetaController, look: Hypergradient, steps: int = 0, rate: float = 0.0) -> None:
        self.controller, self.env, self.look, self.steps, self.rate = controller, look.env, look, steps, rate
        self.steering = Steering(look.env, [])

    def blank(self, rows: int) -> Tensors:
        """The state at the start of an episode."""
        head = self.controller.head
        adapted = tuple(torch.zeros(rows, *part.shape) for part in (head.weight, head.bias))
        return self.controller.blank(rows) + (adapted if self.steps else ())

    def act(self, observation: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        """Where the knobs should be, differentiable by the controller: [N, F] -> [N, K] in [0, 1], and the next state.

        The steps of adaptation count as constants then (first-order MAML).
        """
        memory, adapted = (state[:-2], state[-2:]) if self.steps else (state, ())
        features, memory = self.controller.features(observation, memory)
        for step in range(self.steps):
            adapted = self._adapt(observation, features.detach(), adapted, step)
        return self.controller.coordinates(features, adapted), memory + adapted

    @torch.no_grad()
    def predict(
        self, observation: Float32, state: State = None, episode_start: EpisodeStart = None, deterministic: bool = True
    ) -> tuple[Float32, State]:
        """Observations [N, F] -> the action that takes the knobs where the controller wants them, [N, K] in [-1, 1]."""
        tensors = self.blank(len(observation)) if state is None else tuple(torch.from_numpy(part) for part in state)
        if episode_start is not None:
            tensors = forget(tensors, torch.from_numpy(episode_start))
        wanted, tensors = self.act(torch.from_numpy(observation), tensors)
        return self.steering.action(observation, wanted.numpy()), tuple(part.numpy() for part in tensors)

    def reach(self, observation: Tensor, wanted: Tensor) -> Tensor:
        """Where one move takes the knobs if they are wanted at [N, K]."""
        seen = observation.numpy()
        action = self.steering.action(seen, wanted.detach().numpy())
        parts = self.env.coordinates(), action, self.steering.first_move(seen), self.steering.steps(seen)
        return self.env.knobs.move(*(torch.from_numpy(part).to(self.env.device) for part in parts))

    @torch.no_grad()
    def _adapt(self, observation: Tensor, features: Tensor, adapted: Tensors, step: int) -> Tensors:
        """One gradient step of each row's own head; the limit of a move counts as if it weren't there."""
        wanted = self.controller.coordinates(features, adapted)
        _, slope = self.look(self.reach(observation, wanted), draw=1 + step)
        change = self.rate * slope * wanted * (1 - wanted)  # by the logits, [N, K]
        weight, bias = adapted
        return weight - change[..., None] * features[:, None], bias - change


def adaptive_policy(saved: SavedController, env: GANVectorEnv) -> MetaPolicy:
    """A saved controller that adapts to its runs, ready to act.

    Raises:
        ConfigError: it doesn't fit the environment.
    """
    require_fit(saved, env)
    assert saved.adaptation is not None
    controller, how = MetaController(saved.network.description, len(env.observer.names)), saved.adaptation
    controller.load_state_dict(saved.network.state_dict())
    return MetaPolicy(controller, Hypergradient(env, how.window, how.samples), how.steps, how.rate)
