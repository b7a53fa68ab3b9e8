"""A protocol of few, short runs."""

from dataclasses import replace

import small_env

from gan_env import GANVectorEnv
from gan_env.benchmark.protocols import SEES, Protocol

_BARE = Protocol(
    "small", "For tests.", "", {k: v for k, v in small_env.SMALL.items() if k != "compile"}, SEES, instances=4, runs=2
)
SMALL = replace(_BARE, sha256=_BARE.fingerprint(GANVectorEnv(1, **small_env.SMALL, split="test").instances.instances))
