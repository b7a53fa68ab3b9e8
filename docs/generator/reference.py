"""The API reference: what can be imported, from its docstrings."""

import inspect
from pathlib import Path

import gan_env
from generator.markdown import Pages

MODULES = (
    "gan_env.policies",
    "gan_env.policies.presets",
    "gan_env.policies.schedules",
    "gan_env.policies.learned",
    "gan_env.saved_controller",
    "gan_env.controller",
    "gan_env.evaluation.rollout",
    "gan_env.evaluation.intervals",
    "gan_env.evaluation.seeds",
    "gan_env.adapters.stable_baselines3",
)
"""What users import besides the names of `gan_env` itself, if it is there."""


def api_page() -> Pages:
    """Everything that `gan_env` exports, and the modules that users import."""
    lines = ["API reference", "=============", "", "What ``import gan_env`` brings:", ""]
    for name in sorted(gan_env.__all__, key=str.lower):
        found = getattr(gan_env, name)
        if isinstance(found, dict):
            lines += [f".. py:data:: gan_env.{name}", "", f"   A table with the entries {', '.join(found)}.", ""]
        elif inspect.isclass(found):
            lines += [f".. autoclass:: gan_env.{name}", "   :members:", ""]
        else:
            lines += [f".. autofunction:: gan_env.{name}", ""]
    package = Path(gan_env.__file__).parent.parent
    for module in MODULES:
        path = package / module.replace(".", "/")
        if path.with_suffix(".py").exists() or path.is_dir():
            lines += [module, "-" * len(module), "", f".. automodule:: {module}", "   :members:", ""]
    return {"api.rst": "\n".join(lines)}
