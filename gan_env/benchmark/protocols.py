"""The protocols by name: which runs are played, with what budget, and what a policy may see and do."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gymnasium.vector import AutoresetMode

from gan_env import GANVectorEnv, Instance
from gan_env.config import RUN_OPTIONS, env_config
from gan_env.errors import ConfigError, require
from gan_env.evaluation.seeds import BENCHMARK
from gan_env.instance_lists import hash_of
from gan_env.resume import NEWER
from gan_env.strict import to_dict

SEES = ("progress", "knobs", "logits", "validation", "losses", "gradients", "slope", "steps", "quality")


@dataclass(frozen=True)
class Protocol:
    """Runs that are the same for everybody.

    Attributes:
        name: of the protocol; another number in it is another protocol.
        about: what it asks, in a sentence.
        sha256: of all that decides a result; see `fingerprint`.
        env: preset and fields of `EnvConfig`, all that differ.
        observation: groups of statistics that a policy may see.
        instances: held-out instances, the first of the set.
        runs: GAN seeds of each.
        seed: of the first run.
    """

    name: str
    about: str
    sha256: str
    env: Mapping[str, Any]
    observation: tuple[str, ...] = SEES
    instances: int = 144
    runs: int = 4
    seed: int = BENCHMARK

    def jobs(self) -> tuple[list[int], list[int]]:
        """Instance and GAN seed of every run, instance by instance."""
        numbers = range(self.instances * self.runs)
        return [number // self.runs for number in numbers], [self.seed + number for number in numbers]

    def make_env(
        self, rows: int = 96, observation: Sequence[str] | None = None, action_mode: str = "delta", **options: Any
    ) -> GANVectorEnv:
        """The environment that is played in.

        Args:
            rows: GANs that run side by side; the result doesn't depend on it.
            observation: what a policy wants to see, if less than it may.
            action_mode: "delta" or "steps", how a policy wants to move the knobs; it reaches as far with both.
            **options: those of `RUN_OPTIONS` in gan_env/config.py, such as `device`.

        Raises:
            ConfigError: it may not be seen, or this version of gan_env would play other runs.
        """
        seen = tuple(observation or self.observation)
        hidden = [group for group in seen if group not in self.observation]
        require(not hidden, "observation", list(seen), f"some of {list(self.observation)}, which {self.name} shows")
        decided = [name for name in options if name not in RUN_OPTIONS]
        require(not decided, "env", decided, f"no option but {', '.join(RUN_OPTIONS)}: {self.name} decides the others")
        require(action_mode in ("delta", "steps"), "action_mode", action_mode, "'delta' or 'steps'")
        fields = {**self.env, "split": "test", "observation": seen, "action_mode": action_mode, **options}
        env = GANVectorEnv(rows, autoreset_mode=AutoresetMode.DISABLED, **fields)
        found = self.fingerprint(env.instances.instances)
        if found != self.sha256:
            raise ConfigError(
                f"{self.name} would not be the same with this version of gan_env (SHA-256 {found}, not {self.sha256}): "
                "its results can't be compared with earlier ones; use the version that they were made with"
            )
        return env

    def fingerprint(self, instances: Sequence[Instance]) -> str:
        """SHA-256 of instances, seeds, budget and all options that decide a result, given the set of instances."""
        config = to_dict(env_config(**{**self.env, "split": "test", "observation": self.observation}))
        newer = [name for name, value in NEWER.items() if config.get(name) == value]
        for name in (*RUN_OPTIONS, "action_mode", *newer):
            del config[name]
        decides = {
            "env": config,
            "instances": hash_of(rounded(vars(one)) for one in instances[: self.instances]),
            "runs": self.runs,
            "seed": self.seed,
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "points-v1",
            "Steer 2-D GANs by how they train, not knowing what they were started with.",
            "abf78452634b9bb3261b3a27005903259dbea17fc5a9c92dffe35958bb07aed1",
            {},
        ),
        Protocol(
            "points-v1-no-metric",
            "The same without seeing the quality metric, as in most people's loops.",
            "729bcab707d3d4f1553ca7ccc8eea8c10ec6bf67fa048bf5c84ec5089339b816",
            {},
            SEES[:-1],
        ),
        Protocol(
            "points-v1-told",
            "The same, told what a run was started with.",
            "292b04f3df1f81715f67d684ba8a4ef75dd455c0b47cb2911c3627abf28b068d",
            {},
            (*SEES, "context"),
        ),
    )
}
"""By name. One that has results is never changed: a change is another protocol."""


def rounded(instance: Mapping[str, Any]) -> dict[str, Any]:
    """An instance to six digits: the last bits of logarithms differ between processors."""
    return {name: float(f"{x:.6g}") if isinstance(x, float) else x for name, x in instance.items()}


def protocol_named(name: str) -> Protocol:
    """A protocol by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    require(name in PROTOCOLS, "protocol", name, f"one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
