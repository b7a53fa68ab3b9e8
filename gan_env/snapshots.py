"""What a snapshot of an environment rests on: compared before anything is restored."""

from collections.abc import Mapping
from typing import Any

from gan_env.config import RUN_OPTIONS, EnvConfig, to_dict
from gan_env.errors import require


def origin(config: EnvConfig, rows: int) -> dict[str, Any]:
    """Number of rows and all options but those that only say where a run is made."""
    return {"num_envs": rows, **{name: value for name, value in to_dict(config).items() if name not in RUN_OPTIONS}}


def require_origin(state: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuses a snapshot that another environment made.

    Args:
        state: the snapshot.
        own: what `origin` says of the environment that it is to be restored in.

    Raises:
        ConfigError: an older version made it, or an environment with other rows or options.
    """
    require("origin" in state, "state", sorted(state), "a snapshot of this version: start the run anew")
    made_by = state["origin"]
    for name in sorted(own.keys() | made_by.keys()):
        there, here = made_by.get(name), own.get(name)
        require(there == here, f"{name} of the snapshot", there, f"{here!r}, as here: make the same environment")
