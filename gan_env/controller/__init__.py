"""A policy of this project in anybody's own training loop; docs/your_own_gan.md shows it.

A trained controller needs torch, NumPy and safetensors; a schedule or a rule, by name or file, PyYAML as well. All are
dependencies of gan_env. No environment is needed, no data, no library that trained the policy.
docs/controller_reference.md has the details.
"""

from gan_env.controller.controller import GANController

__all__ = ["GANController"]
