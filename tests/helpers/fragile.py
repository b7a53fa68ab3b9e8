"""A fleet's actor whose process dies at every step; in a module, so that Ray's processes can import it."""

import os
from typing import Any

from gan_env.fleet.members import Call
from gan_env.fleet.ray_members import Actor


class Fragile(Actor):
    def make(self, call: Call) -> Any:
        if call.name == "step":
            os._exit(1)
        return super().make(call)
