"""Your own instances: a list, a function, and a file with a hash. `python examples/own_instances.py`."""

import tempfile
from pathlib import Path

import gan_env
from gan_env import GANVectorEnv, Instance


def few_samples(rng):
    """A run with 30 to 100 samples, whose discriminator learns ten times as fast as its generator."""
    lr_g = float(10 ** rng.uniform(-4, -3))
    rates = {"lr_g": lr_g, "lr_d": 10 * lr_g, "beta_1": 0.5}
    widths = {"width_g": 24, "width_d": 12}
    return {"dataset": "ring", "num_samples": int(rng.integers(30, 101)), "batch_size": 16, **widths, **rates}


if __name__ == "__main__":
    small = {"num_decisions": 2, "updates_per_decision": 5, "compile": False}
    common = {"num_samples": 1000, "beta_1": 0.0, "batch_size": 32, "width_g": 48, "width_d": 48}
    mine = [Instance(name, lr_g=rate, lr_d=rate, **common) for name in ("ring", "grid") for rate in (1e-4, 1e-3, 1e-2)]

    envs = GANVectorEnv(4, instances=mine, **small)
    envs.reset(seed=0)
    print(f"a list: {len(envs.instances)} instances, networks of width {envs.population.config.width_g}")

    # Drawn once, from the seed, so a run that is saved holds them and they can be read again.
    envs = GANVectorEnv(4, instances={"train": few_samples, "train_size": 100, "seed": 1}, **small)
    envs.reset(seed=0)
    print(f"a function: {len(envs.instances)} instances, the first {envs.instances[0]}")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "paper.json"
        digest = gan_env.save_instances(path, mine)
        envs = GANVectorEnv(4, instances=path, **small)
        print(f"a file: its hash is {digest[:16]}..., that of the environment {envs.instances.hash[:16]}...")

    # A pinned instance stays through all resets until the row gets another, or None: then it draws again.
    envs.reset(seed=0, options={"instance": 5})
    envs.reset()
    print(f"pinned: {set(envs.current_instances) == {mine[5]}}")
    envs.reset(options={"instance": None})
    print(f"after None: {len(set(envs.current_instances))} different instances in 4 rows")
