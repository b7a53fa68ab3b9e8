"""What a trained controller does, as numbers: `python examples/read_out.py`, or with another preset, or a folder.

    python examples/read_out.py fashion_mnist_8 --controller logs/ppo/my_training

A controller of the action mode "balanced" or "limited" sets learning rates in units of those that the rule
`steady_walk` or `limited_walk` wants. It plays 24 training instances of the preset. For each player this prints the
mean, the least and the largest factor, which share of their variance (of logarithms) a linear law in what it sees
explains, and the mean at each decision.
"""

import argparse
from pathlib import Path

import numpy as np

from gan_env import GANVectorEnv
from gan_env.errors import errors_in_one_line, require
from gan_env.evaluation.seeds import EXAMPLES
from gan_env.mdp.knobs import RATES, TARGETS
from gan_env.mdp.steps import RULES
from gan_env.policies.learned import INTERFACE, LearnedPolicy, options_of
from gan_env.policies.presets import shipped_controllers
from gan_env.records import Float32
from gan_env.saved_controller import SavedController


def main() -> None:
    """Plays the controller, and fits the law."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="points")
    parser.add_argument("--controller", type=Path, default=shipped_controllers()["learned/family"])
    given = parser.parse_args()

    saved = SavedController.load(given.controller)
    acts = {name: value for name, value in options_of(saved).items() if name in INTERFACE}
    mode, knobs = saved.interface.action_mode, [knob.name for knob in saved.interface.knobs]
    asks = f"one of the action modes {[*RULES]}, not {mode!r}"
    require(mode in RULES, "--controller", str(given.controller), asks)

    env = GANVectorEnv(24, given.preset, autoreset_mode="Disabled", split="train", **acts)
    policy, (seen, _), state = LearnedPolicy(saved, env), env.reset(seed=EXAMPLES), None
    inputs: list[Float32] = []
    actions: list[Float32] = []
    playing = np.ones(env.num_envs, bool)  # a run that has crashed shows nothing
    while playing.any():
        action, state = policy.predict(seen, state)
        inputs, actions = [*inputs, seen[playing]], [*actions, action[playing]]
        seen, _, ended, *_ = env.step(action)
        playing &= ~ended

    x, y = np.concatenate(inputs), np.concatenate(actions)
    ones = np.concatenate([x, np.ones((len(x), 1))], axis=1)  # [decisions x rows, F + 1]
    law, *_ = np.linalg.lstsq(ones, y, rcond=None)
    print(f"{given.preset}: {len(x)} decisions, {x.shape[1]} statistics")
    for rate in (rate for rate in RATES if rate in knobs):
        column, player = knobs.index(rate), rate[-1].upper()
        asked, fitted = y[:, column], (ones @ law)[:, column]
        factors, explained = TARGETS[mode][1] ** asked, 1 - (asked - fitted).var() / asked.var()
        low, high = factors.min(), factors.max()
        print(f"{player}: {factors.mean():.2f} [{low:.2f}, {high:.2f}], a linear law explains {explained:.2f}")
        print("   by decision", *(f"{(TARGETS[mode][1] ** each[:, column]).mean():.2f}" for each in actions))


if __name__ == "__main__":
    with errors_in_one_line():
        main()
