"""Ranks of distributed training: they decide together, so they have to play the same."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import distributed

from gan_env.controller.optimisers import Optimisers
from gan_env.controller.player import Player
from gan_env.errors import ConfigError
from gan_env.mdp.knobs import RATES

ROOM = 8192
"""Bytes that a rank has to say what it plays."""
LONG = 300
"""Bytes of the longest text that it says as it is."""
FEW = 4
"""Values, and ranks of each, that an error names."""


def require_alike(
    player: Player, total_steps: int, dry_run: bool, optimisers: Optimisers, context: Mapping[str, Any]
) -> None:
    """Refuses ranks that would decide differently or at other updates; every rank has to ask.

    Args:
        player: the policy of this rank.
        total_steps: updates of its run.
        dry_run: whether it moves nothing.
        optimisers: its own, before they are watched.
        context: its hyperparameters.

    Raises:
        ConfigError: on every rank; the message names what differs, and the values by rank.
    """
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return
    own = {
        "policy": Path(player.name).name,  # each rank may have the files in a place of its own
        "SHA-256 of the policy": _digest(player)[:12],
        "total_steps": total_steps,
        "decisions": player.loop.config.num_decisions,
        "dry_run": dry_run,
        "context": {name: value for name, value in sorted(context.items()) if name not in RATES},
        **optimisers.start,
    }
    ranks = _gathered({name: _short(str(value)) for name, value in own.items()}, optimisers.device)
    names = dict.fromkeys(name for rank in ranks for name in rank)  # those of another version may be others
    values = {name: [rank.get(name, "unknown") for rank in ranks] for name in names}
    differing = [f"{name} ({_by_rank(found)})" for name, found in values.items() if len(set(found)) > 1]
    if differing:
        raise ConfigError(
            f"the ranks differ in {', '.join(differing)}: they decide together, so they would move knobs differently "
            "or wait for each other; give `load` the same policy and arguments on every rank, and optimisers with the "
            "same settings, all new or all with their checkpoint loaded"
        )


def _digest(player: Player) -> str:
    """SHA-256 of what plays: the options of a policy by name, the interface and weights of a controller."""
    interface = {key: value for key, value in player.interface.items() if key != "policy"}
    if player.saved is None:
        return sha256(repr((interface, player.options)).encode()).hexdigest()
    saved = player.saved
    weights = save({name: tensor.contiguous() for name, tensor in saved.network.state_dict().items()})
    return sha256(repr((interface, saved.interface, saved.starting_rates)).encode() + weights).hexdigest()


def _short(text: str) -> str:
    """The text; a long one by its beginning and SHA-256, which tell it from others as well."""
    short = f"{text[:30]}... (SHA-256 {sha256(text.encode()).hexdigest()[:12]})"
    return text if len(json.dumps(text)) <= LONG else short


def _gathered(own: Mapping[str, str], device: torch.device) -> list[dict[str, str]]:
    """What each rank says, by one `all_reduce`, as decisions use it: each fills a row, and others add 0 to it."""
    said = json.dumps(own).encode()
    rows = torch.zeros(distributed.get_world_size(), ROOM, dtype=torch.uint8, device=device)
    rows[distributed.get_rank(), : len(said)] = torch.tensor(list(said), dtype=torch.uint8, device=device)
    distributed.all_reduce(rows)
    return [json.loads(bytes(row).rstrip(b"\0")) for row in rows.tolist()]


def _by_rank(values: Sequence[str]) -> str:
    """The different values and their ranks, for people."""
    places = {value: [rank for rank, own in enumerate(values) if own == value] for value in dict.fromkeys(values)}
    shown = [f"{value} on {_listed(ranks)}" for value, ranks in list(places.items())[:FEW]]
    return "; ".join([*shown, *([f"{len(places) - FEW} more"] if len(places) > FEW else [])])


def _listed(ranks: Sequence[int]) -> str:
    """Some numbers, for people."""
    more = f" and {len(ranks) - FEW} more" if len(ranks) > FEW else ""
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks[:FEW]))}{more}"
