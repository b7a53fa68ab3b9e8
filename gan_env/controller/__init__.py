"""A policy of this project in anybody's own training loop; docs/your_own_gan.md shows it.

It needs torch, NumPy and safetensors: no environment, no data, no library that trained the policy.
"""

from gan_env.controller.controller import GANController

__all__ = ["GANController"]
