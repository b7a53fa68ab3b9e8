"""Rows of a fleet to members and back: options are cut, infos are joined."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gan_env.errors import require
from gan_env.instance_lists import Instance


def cut_options(options: Mapping[str, Any], rows: Sequence[slice], total: int) -> list[dict[str, Any]]:
    """The options of `reset` for each member, without `reset_mask`; what holds for all rows goes to every member.

    Args:
        options: "instance" and "knobs", as `GANVectorEnv.reset` takes them for N rows.
        rows: the rows of each member.
        total: N.

    Raises:
        ConfigError: a sequence is not of length N. Everything else is checked by the members.
    """
    instance: Any = options.get("instance")
    if isinstance(instance, Instance):
        options = {**options, "instance": vars(instance)}  # a rescue file holds no objects
    parts: list[dict[str, Any]] = [dict(options) for _ in rows]
    if isinstance(instance, list | tuple) or (isinstance(instance, np.ndarray) and instance.ndim > 0):
        fits = len(instance) == total
        require(fits, "options['instance']", instance, f"one instance, or a sequence of {total}")
        for part, own in zip(parts, rows, strict=True):
            part["instance"] = [vars(one) if isinstance(one, Instance) else one for one in instance[own]]
    if isinstance(options.get("knobs"), Mapping):
        for part in parts:
            part["knobs"] = {}
        for name, given in options["knobs"].items():
            each = isinstance(given, list | tuple) or np.ndim(given) > 0
            fits = not each or len(given) == total
            require(fits, f"options['knobs'][{name!r}]", given, f"a number, or {total} of them")
            for part, own in zip(parts, rows, strict=True):
                part["knobs"][name] = given[own] if each else given
    return parts


def join_infos(parts: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> dict[str, Any]:
    """Gymnasium's vector infos of all rows from those of the members, which have `counts` rows each.

    What a member doesn't have is 0, and its mask False, as for rows within one environment.
    """
    joined: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in parts for name in part if name[0] != "_"):
        columns = [part.get(name) for part in parts]
        example = next(column for column in columns if column is not None)
        if isinstance(example, Mapping):  # final_info
            joined[name] = join_infos([column or {} for column in columns], counts)
        else:
            nothing = None if example.dtype == object else 0
            blanks = [np.full((count, *example.shape[1:]), nothing, example.dtype) for count in counts]
            joined[name] = np.concatenate([b if c is None else c for c, b in zip(columns, blanks, strict=True)])
        masks = [part.get(f"_{name}", np.zeros(n, bool)) for part, n in zip(parts, counts, strict=True)]
        joined[f"_{name}"] = np.concatenate(masks)
    return joined
