"""Policies: whatever has `predict` and acts in the environment. `load_policy("cosine").make(env)` makes one by name.

`presets` has their options and names, `steering` their interface, and the other modules one family each: schedules and
tables, adaptive rules (ADA, APA, Diffusion-GAN), random actions.
"""

from gan_env.policies.presets import PolicyOptions, committed, load_policy, policy_names
from gan_env.policies.steering import Policy

__all__ = ["Policy", "PolicyOptions", "committed", "load_policy", "policy_names"]
