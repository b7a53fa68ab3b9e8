"""Members of a fleet as Ray actors, each with a snapshot and a log from which it is made again when it dies."""

import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_env.errors import needs
from gan_env.fleet.members import Call, FleetError, Saved, make_member, total_rows
from gan_env.vector_env import GANVectorEnv

with needs("ray"):
    import ray
    from ray.exceptions import RayError, RayTaskError

CHANGING = ("reset", "step")
"""Calls that change a member, which are made again after a death. All others only read."""
PLACED_WITHIN = 300.0
"""Seconds that an actor may wait for a machine with room for it."""


class Actor:
    """A `GANVectorEnv` in a process of Ray's, which is made at the first call: so its errors are that call's."""

    def __init__(self, make: Callable[[], GANVectorEnv], threads: int) -> None:
        torch.set_num_threads(threads)  # Ray sets OMP_NUM_THREADS to 1
        self.make_env = make
        self.env: GANVectorEnv | None = None

    def call(self, call: Call) -> Any:
        """What the call gives."""
        if self.env is None:
            self.env = self.make_env()
        return Call(call.name, writable(call.arguments), writable(call.keywords)).of(self.env)


def writable(value: Any) -> Any:
    """A copy of all arrays: those that Ray brings can't be written to, which torch doesn't take."""
    if isinstance(value, Mapping):
        return {name: writable(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(writable(part) for part in value)
    return value.copy() if isinstance(value, np.ndarray) else value


class Supervised:
    """One member: its actor, its last snapshot (None: it is new), and the calls since then that changed it."""

    def __init__(self, make_actor: Callable[[], Any], snapshot_every: int) -> None:
        self.make_actor, self.snapshot_every = make_actor, snapshot_every
        self.actor = make_actor()
        self.saved: Saved = {"snapshot": None, "calls": []}
        self._coming: Any = None  # the snapshot after all of these calls

    def start(self, call: Call) -> Any:
        """Begins a call; `ray.get` of the reference that it returns gives the result."""
        return self.actor.call.remote(call)

    def done(self, call: Call) -> None:
        """Writes down a call that changed the member; after every few of them asks for a snapshot."""
        self.saved["calls"].append(call.plain())
        if len(self.saved["calls"]) >= self.snapshot_every:
            self._coming = self.start(Call("get_state"))

    def take_snapshot(self) -> None:
        """Takes over the snapshot that was asked for, if any. If the actor has died, the one before stays."""
        if self._coming is not None:
            try:
                self.saved = {"snapshot": ray.get(self._coming), "calls": []}
            except RayTaskError as error:
                raise error.cause from None
            except RayError:  # the next call finds it dead
                pass
            self._coming = None

    def begin_again(self) -> list[Any]:
        """A new actor that continues from the old one's state: references to the calls that bring it there.

        Raises:
            GetTimeoutError: no machine has room for it.
        """
        ray.kill(self.actor)
        self.actor = self.make_actor()
        ray.get(self.actor.__ray_ready__.remote(), timeout=PLACED_WITHIN)
        return self.continue_from(self.saved)

    def continue_from(self, saved: Saved) -> list[Any]:
        """Brings the actor to a state: references. Calls of one actor are made in order, so nothing has to wait."""
        self.saved, self._coming = {**saved, "calls": list(saved["calls"])}, None
        first = [] if saved["snapshot"] is None else [Call("set_state", (saved["snapshot"],))]
        return [self.start(call) for call in (*first, *(Call(*plain) for plain in saved["calls"]))]


class RayMembers:
    """Members as actors of Ray; see `gan_env.fleet.members.Members` and, for faults, `gan_env.Fleet`.

    Args:
        configurations: the arguments of each member's `GANVectorEnv`.
        num_cpus, num_gpus: of each actor.
        snapshot_every: calls that change a member between its snapshots.
        max_failures: how often a member may die in the same call.
        rescue: saves the states of all members, and gives the file.

    Raises:
        FleetError: a member was not placed in time, or died too often.
    """

    def __init__(
        self,
        configurations: Sequence[Mapping[str, Any]],
        num_cpus: float,
        num_gpus: float,
        snapshot_every: int,
        max_failures: int,
        rescue: Callable[[Sequence[Saved]], Path],
    ) -> None:
        connect()
        self.max_failures, self.rescue = max_failures, rescue
        actor = ray.remote(num_cpus=num_cpus, num_gpus=num_gpus)(Actor)
        threads, of_many = max(1, int(num_cpus)), total_rows(configurations) > 1
        self.members = [
            Supervised(partial(actor.remote, partial(make_member, configuration, of_many), threads), snapshot_every)
            for configuration in configurations
        ]
        self._wait_for_places(len(configurations) * num_cpus)
        # The first snapshot: until its first reset with a seed, a member draws from random ones.
        for member, saved in zip(self.members, self.get_state(), strict=True):
            member.saved = saved

    def call(self, calls: Mapping[int, Call]) -> dict[int, Any]:
        """See `Members`."""
        for index in calls:
            self.members[index].take_snapshot()
        references = {index: self.members[index].start(call) for index, call in calls.items()}
        results: dict[int, Any] = {}
        errors: list[Exception] = []
        for index, call in calls.items():
            try:
                results[index] = self._result(index, call, references[index])
            except Exception as error:  # of any kind: it is raised when the others have finished
                errors.append(error)
        died = [error for error in errors if isinstance(error, FleetError)]
        if died:
            states = [member.saved for member in self.members]
            if any(saved["snapshot"] is None for saved in states):  # they died as they were made: nothing to save
                raise died[0]
            raise FleetError(f"{died[0]}. The state of the fleet before that is in {self.rescue(states)}")
        for index in results:
            if calls[index].name in CHANGING:
                self.members[index].done(calls[index])
        if errors:
            raise errors[0]
        return results

    def get_state(self) -> list[Saved]:
        """See `Members`."""
        states = self.call({index: Call("get_state") for index in range(len(self.members))})
        return [{"snapshot": state, "calls": []} for state in states.values()]

    def set_state(self, states: Sequence[Saved]) -> None:
        """See `Members`."""
        pairs = zip(self.members, states, strict=True)
        references = [reference for member, saved in pairs for reference in member.continue_from(saved)]
        try:
            ray.get(references)
        except RayTaskError as error:
            raise error.cause from None
        except RayError:  # the next call finds the dead one, and brings a new one to this state
            pass

    def close(self) -> None:
        """See `Members`."""
        for member in self.members:
            with suppress(Exception):  # Ray may have ended before, and its actors with it
                ray.kill(member.actor)

    def _result(self, index: int, call: Call, reference: Any) -> Any:
        """The result of a call that was begun. An actor that dies is made again, and so is the call."""
        member, death = self.members[index], None
        for _ in range(self.max_failures):
            try:
                if death is not None:
                    *before, reference = *member.begin_again(), member.start(call)
                    ray.get(before)
                return ray.get(reference)
            except RayTaskError as error:  # an error of the member, not of its process
                raise error.cause from None
            except RayError as error:
                death = error
        reason = str(death).strip().splitlines()[0]
        raise FleetError(f"members[{index}] died {self.max_failures} times in {call.name!r} (the last time: {reason})")

    def _wait_for_places(self, needed: float) -> None:
        """Waits until every actor has a process; warns where that can only come true if the cluster grows."""
        there = ray.cluster_resources().get("CPU", 0)
        if needed > there:
            fewer = "use fewer members, or num_cpus=0.5 (several share a core)"
            warnings.warn(f"the fleet needs {needed:g} CPUs, the cluster has {there:g}: {fewer}", stacklevel=4)
        ready = [member.actor.__ray_ready__.remote() for member in self.members]
        late = len(ready) - len(ray.wait(ready, num_returns=len(ready), timeout=PLACED_WITHIN)[0])
        if late:
            self.close()
            raise FleetError(f"{late} of {len(ready)} members found no machine with room within {PLACED_WITHIN:g} s")


def connect() -> None:
    """Connects to the cluster that runs (RAY_ADDRESS, or one of this machine), else starts Ray here, quietly."""
    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
