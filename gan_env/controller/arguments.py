"""What a loop shows: the arguments of `GANController.observe`, and what statistics are computed from them."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_env.controller.averages import Averages
from gan_env.errors import ConfigError, require
from gan_env.gan.losses import LOSSES, AdversarialLoss
from gan_env.instance_lists import HYPERPARAMETERS
from gan_env.mdp.knobs import RATES
from gan_env.records import AVERAGED

LOGITS = {"real": ("logit_real", "sign_real", "square_logit_real", "saturated_real"),
          "fake": ("logit_fake", "sign_fake", "square_logit_fake", "saturated_fake"),
          "fake_after": ("logit_after",), "clean": ("clean_train",), "held_out": ("clean_held_out",)}  # fmt: skip
"""Arguments that are logits of a batch, and what is averaged of each: themselves, their signs, their squares, and how
many lie where D's loss is flat."""
NUMBERS = {"loss_d": ("loss_d", "square_loss_d"), "loss_g": ("loss_g", "square_loss_g"), "penalty": ("penalty",),
           "metric": ("metric",), "spread": ("spread",)}  # fmt: skip
"""Arguments that are one number, and what is averaged: itself, and its square."""
ARGUMENTS = (*LOGITS, *NUMBERS)
ONCE = ("clean", "held_out", "metric", "spread")
"""What is shown once an interval, and is known before the first update."""
CONTEXT = (*HYPERPARAMETERS, "loss")
"""Hyperparameters of the run: numbers, and the name of its loss."""
GIVEN = tuple(name for name in CONTEXT if name not in RATES)
"""Those that a loop may name; learning rates are the optimisers' own."""

_SOURCE = {average: argument for argument, found in {**LOGITS, **NUMBERS}.items() for average in found}
_MADE_OF: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in (*AVERAGED, "clean_train", "clean_held_out")},
    **{f"spread_{player}": (f"loss_{player}",) for player in ("d", "g")},
    **{f"logit_spread_{kind}": (f"logit_{kind}", f"square_logit_{kind}") for kind in ("real", "fake")},
    **{name: (f"square_{name}",) for name in ("grad_d", "grad_g", "step_d", "step_g")},
    **{f"first_grad_{player}": (f"square_grad_{player}",) for player in ("d", "g")},
    **dict.fromkeys(("log_metric", "score", "first", "previous", "best"), ("metric",)),
    "collapse": ("spread",),
}
"""Field of a `Moment`, of its `stats` or of its `quality` -> the averages that it is made of."""


def needed(fields: Collection[str]) -> list[str]:
    """The averages that some fields of a `Moment`, its `stats` and its `quality` are made of."""
    return list(dict.fromkeys(average for name in fields for average in _MADE_OF.get(name, ())))


def source(average: str) -> str:
    """The argument that an average comes from, or "gradients"."""
    return _SOURCE.get(average, "gradients")


def as_averages(given: Mapping[str, Any], loss: AdversarialLoss) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Arguments of `observe` as what is averaged, a number [] each; and the logits of D's own batches themselves.

    Args:
        given: the arguments.
        loss: says around which logit D parts real from fake, and where it is sure.

    Raises:
        ConfigError: one isn't what it should be.
    """
    found: dict[str, Tensor] = {}
    batches = []
    for argument, value in given.items():
        if argument in LOGITS:
            logits = _logits(argument, value)
            means = [logits.mean()]
            if argument in ("real", "fake"):
                beyond = logits - (loss.middle or 0.0)
                right = beyond if argument == "real" else -beyond
                lost = 0 * means[0]  # NaN where a logit isn't finite: the sign of NaN is 0
                saturated = (right > loss.margin).float().mean()
                means += [beyond.sign().mean() + lost, logits.square().mean(), saturated + lost]
                batches.append(logits)
            found |= zip(LOGITS[argument], means, strict=True)
        else:
            number = _number(argument, value)
            found |= zip(NUMBERS[argument], (number, number.square()), strict=False)
    return found, batches


def require_context(context: Mapping[str, Any], fields: Collection[str], name: str) -> None:
    """Refuses hyperparameters that a run can't have, and too few of them.

    Args:
        context: the hyperparameters that are given.
        fields: those of a `Moment` and its parts that the policy needs.
        name: of the policy.

    Raises:
        ConfigError: one isn't what it should be, or the policy needs one that is not given.
    """
    for key, value in context.items():
        if key == "loss":
            require(value in LOSSES, "context['loss']", value, f"one of {list(LOSSES)}")
        else:
            number = isinstance(value, int | float | np.integer | np.floating)
            fits = number and 0 <= value < math.inf and (value > 0 or key == "beta_1")
            require(bool(fits), f"context[{key!r}]", value, "a number above 0")
    lacking = [key for key in fields if key in CONTEXT and key not in context]
    require(not lacking, "context", dict(context), f"{lacking}, too: {name!r} observes it")


def require_warmup(steps: object, total: int, policy: str, sets_rates: bool) -> None:
    """Refuses a warm-up that a run of so many updates can't have, or that has no learning rates to act on.

    Raises:
        ConfigError: it is no such number, or the policy leaves both learning rates as they are.
    """
    fits = isinstance(steps, int | np.integer) and 0 <= int(steps) < total
    require(fits, "warmup_steps", steps, f"a whole number, at least 0 and below total_steps={total}")
    require(sets_rates or steps == 0, "warmup_steps", steps, f"0: {policy!r} leaves the learning rates as they are")


def require_shown(names: Collection[str], averages: Averages, policy: str, where: str) -> None:
    """Refuses a loop that does not show what the policy needs; every rank has to ask.

    Args:
        names: of the averages that the policy needs.
        averages: what was shown.
        policy: its name.
        where: what takes the arguments, for the message.

    Raises:
        ConfigError: an average was never shown.
    """
    known = averages.known() if names else set()
    lacking = dict.fromkeys(source(name) for name in names if name not in known)
    if "gradients" in lacking:
        mend = "call backward() before step(), and step() without a closure"
        raise ConfigError(f"{policy!r} reads gradients: an optimiser took a step without any; {mend}")
    shown = ", ".join(f"{argument}=..." for argument in lacking)
    if lacking:
        raise ConfigError(f"{policy!r} observes what the loop doesn't show: pass {shown} to {where}")


def checked(where: str, given: Mapping[str, Any] | None, known: Collection[str]) -> dict[str, Any]:
    """The named values, without those that are None.

    Raises:
        ConfigError: it is no mapping, or a name is not known.
    """
    require(given is None or isinstance(given, Mapping), where, given, f"a mapping with some of {list(known)}")
    for name in given or {}:
        require(name in known, where, name, f"one of {list(known)}")
    return {name: value for name, value in (given or {}).items() if value is not None}


def _logits(argument: str, value: Any) -> Tensor:
    """Logits of any shape as float32, without their graph."""
    expected = "a tensor of the discriminator's logits, one a sample or a patch"
    fits = isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0
    require(fits, f"observe({argument}=...)", _kind(value), expected)
    return value.detach().float()  # type: ignore[no-any-return]


def _number(argument: str, value: Any) -> Tensor:
    """One number as a float32 tensor [], without its graph."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.detach().reshape(()).to(torch.float32, copy=True)  # the loop may go on adding to it
    try:
        return torch.tensor(float(value))
    except (TypeError, ValueError, RuntimeError) as error:
        expected = "one number, or a tensor of one: the mean over the batch"
        raise ConfigError(f"observe({argument}=...)={_kind(value)!r} can't be used: expected {expected}") from error


def _kind(value: Any) -> str:
    """What it is, for a message."""
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
