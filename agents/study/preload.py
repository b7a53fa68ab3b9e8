"""What the jobs of a study need: the server that forks them imports this module. See `agents.study.jobs`."""

from importlib import import_module

import agents.study.play  # noqa: F401, also imports tunings and policies
from agents.learning.controllers import SCRIPTS
from gan_env.gan.fast.compiler import load_compiler

for script in SCRIPTS:
    import_module(f"agents.train_{script}")
load_compiler()
