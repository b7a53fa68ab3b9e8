"""What acts in the environment, anything with `predict`: `load_policy("cosine").make(env)`."""

from gan_env.policies.presets import PolicyOptions, committed, load_policy, policy_names
from gan_env.policies.steering import Policy

__all__ = ["Policy", "PolicyOptions", "committed", "load_policy", "policy_names"]
