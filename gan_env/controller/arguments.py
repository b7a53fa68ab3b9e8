"""What a loop shows: the arguments of `GANController.observe`, and which statistics are computed from them."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from gan_env.errors import ConfigError, require
from gan_env.gan.losses import LOSSES, AdversarialLoss
from gan_env.instance_lists import NUMBERS as HYPERPARAMETERS

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

_SOURCE = {average: argument for argument, found in {**LOGITS, **NUMBERS}.items() for average in found}
_NEEDS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("logit_real", "sign_real", "logit_fake", "sign_fake", "clean_train", "penalty")},
    "overfitting": ("clean_train", "clean_held_out"),
    **{f"{kind}_{player}": (f"loss_{player}",) for kind in ("loss", "spread") for player in ("d", "g")},
    **{f"grad_{player}": (f"square_grad_{player}",) for player in ("d", "g")},
    **{f"grad_{player}_change": (f"square_grad_{player}",) for player in ("d", "g")},
    "grad_ratio": ("square_grad_d", "square_grad_g"),
    "step_ratio": ("square_step_d", "square_step_g"),
    "separation": ("logit_real", "logit_fake", "square_logit_real", "square_logit_fake"),
    "variety": ("logit_real", "logit_fake", "square_logit_real", "square_logit_fake"),
    "push_d": ("logit_fake", "logit_after", "logit_real", "square_logit_real", "square_logit_fake"),
    **{f"saturated_{kind}": (f"saturated_{kind}",) for kind in ("real", "fake")},
    **{f"step_{player}": (f"square_step_{player}",) for player in ("d", "g")},
    **{f"align_{player}": (f"align_{player}",) for player in ("d", "g")},
    **dict.fromkeys(("log_metric", "improvement", "change", "above_best"), ("metric",)),
    "collapse": ("spread",),
}
"""Statistic of the observation -> the averages that it is computed from."""


def needed(statistics: Collection[str]) -> list[str]:
    """The averages that some statistics are computed from."""
    return list(dict.fromkeys(average for name in statistics for average in _NEEDS.get(name, ())))


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
                saturated = (right > loss.margin).float().mean() + 0 * means[0]  # NaN where a logit is
                means += [beyond.sign().mean(), logits.square().mean(), saturated]
                batches.append(logits)
            found |= zip(LOGITS[argument], means, strict=True)
        else:
            number = _number(argument, value)
            found |= zip(NUMBERS[argument], (number, number.square()), strict=False)
    return found, batches


def require_context(context: Mapping[str, Any], reads: Collection[str], name: str) -> None:
    """Raises a `ConfigError` unless all are what they should be, and nothing lacks that the policy `name` reads."""
    for key, value in context.items():
        if key == "loss":
            require(value in LOSSES, "context['loss']", value, f"one of {list(LOSSES)}")
        else:
            fits = isinstance(value, int | float) and 0 <= value < math.inf and (value > 0 or key == "beta_1")
            require(fits, f"context[{key!r}]", value, "a number above 0")
    losses = {f"loss_{loss}": "loss" for loss in LOSSES}
    read = dict.fromkeys(losses.get(statistic, statistic) for statistic in reads)
    lacking = [key for key in read if key in CONTEXT and key not in context]
    require(not lacking, "context", dict(context), f"{lacking}, too: {name!r} observes it")


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
        return value.detach().float().reshape(())
    try:
        return torch.tensor(float(value))
    except (TypeError, ValueError, RuntimeError) as error:
        expected = "one number, or a tensor of one: the mean over the batch"
        raise ConfigError(f"observe({argument}=...)={_kind(value)!r} can't be used: expected {expected}") from error


def _kind(value: Any) -> str:
    """What it is, for a message."""
    return f"{value.dtype} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
