"""Looks ahead in a population, and leads the slope of what comes of it back to the knobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gan_env.gan.population import Population, unpack
from gan_env.gan.update import PopulationState, Update
from gan_env.records import RowSettings

_DIFFERENTIABLE = ("ema", "g", "d", "mean_g", "square_g", "mean_d", "square_d")
"""Fields of `PopulationState` through which the knobs act on later updates."""


@dataclass(frozen=True)
class LookAhead:
    """Updates of n rows whose outcome the population does not take over."""

    state: PopulationState  # after all updates
    path: list[PopulationState]  # before each update
    settings: RowSettings
    values: list[Tensor]  # of each knob, [n]
    sources: Sequence[tuple[Tensor, ...]]  # of each update: places of samples [n, B], keys of two random streams [n]


class Unrolled:
    """The next updates of a population as a function of the knobs."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.update = Update(population.bank.sample_shape, population.config, differentiable=True)

    @torch.no_grad()
    def look_ahead(self, rows: Tensor, knobs: dict[str, Tensor], count: int) -> LookAhead:
        """What the next `count` updates will make of some rows, on the same random numbers; the rows stay as they are.

        `rows` are int64 indices [n]; `knobs` holds the value [n] of each of `config.knobs`.
        """
        made = self.population
        settings, values = made.settings.take(rows), [knobs[name] for name in made.config.knobs]
        state = made.state.take(rows)
        path, sources = [], made.sources(settings, state.step, count)
        for index, source in enumerate(sources):
            path.append(PopulationState(*(tensor.clone() for tensor in state.tensors())))
            inputs = [*state.tensors(), *settings.tensors(), *values, *made.draws(*source)]
            made.programs.run(made.update_in_place, *inputs, penalised=made.penalised(index))
        return LookAhead(state, path, settings, values, sources)

    @torch.no_grad()
    def pull_back(self, ahead: LookAhead, by_ema: Tensor) -> dict[str, Tensor]:
        """The slope by the knobs of a function of the averaged generators that `look_ahead` led to.

        The chain rule, from the last update to the first; each is computed once more, from the state before it, so
        that memory holds the graph of one update alone (Maclaurin et al. 2015, arXiv:1502.03492, without reversing).

        Args:
            ahead: from `look_ahead`.
            by_ema: the function's slope by the averaged weights, [n, P_G].

        Returns:
            The slope [n] by the value of each of `config.knobs`. `Update` says which of them have one.
        """
        made, slopes = self.population, [torch.zeros_like(value) for value in ahead.values]
        slope = [by_ema, *(torch.zeros_like(getattr(ahead.state, name)) for name in _DIFFERENTIABLE[1:])]
        for index in reversed(range(len(ahead.path))):
            state, source = ahead.path[index], ahead.sources[index]
            inputs = [*state.tensors(), *ahead.settings.tensors(), *ahead.values, *made.draws(*source), *slope]
            found = made.programs.run(self._pull_back_one, *inputs, penalised=made.penalised(index))
            slope, by_values = found[: len(_DIFFERENTIABLE)], found[len(_DIFFERENTIABLE) :]
            slopes = [total + part for total, part in zip(slopes, by_values, strict=True)]
        return dict(zip(made.config.knobs, slopes, strict=True))

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def _pull_back_one(self, *inputs: Tensor, penalised: bool) -> list[Tensor]:
        """From slopes by the state after an update (the last inputs): those by the state before, then by the knobs."""
        state, settings, others = unpack(inputs)
        names = self.population.config.knobs
        values = [value.detach().requires_grad_() for value in others[: len(names)]]
        samples, uniforms, normals, *slope = others[len(names) :]
        before = {name: getattr(state, name).detach().requires_grad_() for name in _DIFFERENTIABLE}
        knobs = dict(zip(names, values, strict=True))
        new = self.update(replace(state, **before), settings, knobs, samples, uniforms, normals, penalised)
        after = [getattr(PopulationState(*new), name) for name in _DIFFERENTIABLE]
        variables = [*before.values(), *values]
        return list(torch.autograd.grad(after, variables, slope, allow_unused=True, materialize_grads=True))
