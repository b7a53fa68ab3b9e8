"""Every knob and every field of an instance changes a run, alone: no action and no context does nothing.

Two rows with the same seed are the same run, bit by bit, but for what is tried.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_env import make, still

from gan_env import GANVectorEnv
from gan_env.data.bank import IMAGE_SETS
from gan_env.gan.augment import PARTS, POINT_PARTS
from gan_env.instance_lists import Instance
from gan_env.mdp.knobs import knob_table
from gan_env.records import Dataset

KNOBS = knob_table()
NEEDS = {"augment_strength": {"augment": 1.0}}
"""Without which a knob has nothing to act on."""
FIELDS = tuple(Instance.__dataclass_fields__)
ONE = Instance("ring", 30, lr_g=1e-3, lr_d=1e-3, beta_1=0.0, batch_size=8, width_g=8, width_d=8)
OTHER = Instance("grid", 3000, 2e-3, 2e-3, 0.5, 16, 16, 16, gain_g=0.5, gain_d=2.0, input_scale=0.3, loss="hinge")


def exists(knob: str, kind: str) -> bool:
    """Whether samples of a kind have the part of the augmentation that a knob is the probability of."""
    return knob not in PARTS or kind == "images" or knob in POINT_PARTS


def runs_alike(env: GANVectorEnv, **options: Any) -> bool:
    """Whether two rows are the same after two decisions: weights of both players, and what policies see."""
    env.reset(seed=[3, 3], options={"instance": 0, **options})
    for _ in range(2):
        env.step(still(env))
    state = env.population.state
    return all(torch.equal(weights[0], weights[1]) for weights in (state.g, state.d, state.ema))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., GANVectorEnv]:
    """Makes an environment of two rows on points or on small images of noise in colour."""
    noise = torch.randint(256, (80, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    monkeypatch.setitem(IMAGE_SETS, "noise", lambda data_root, image_size: Dataset(noise[:40], noise[40:]))

    def of_kind(kind: str, **options: Any) -> GANVectorEnv:
        images = {"datasets": ("noise",), "image_size": 8, "metric_samples": 16}
        sizes = {"instances": {"width_g": (4, 16), "width_d": (4, 16), "train_size": 1}, "updates_per_decision": 3}
        return make(2, **(images if kind == "images" else {}), **sizes, **options)

    return of_kind


@pytest.mark.parametrize("kind", ["points", "images"])
def test_two_rows_with_one_seed_are_one_run(made: Callable[..., GANVectorEnv], kind: str) -> None:
    """Or a difference would say nothing."""
    assert runs_alike(made(kind))


@pytest.mark.parametrize(
    ("knob", "kind"), [(knob, kind) for kind in ("points", "images") for knob in KNOBS if exists(knob, kind)]
)
def test_every_knob_changes_a_run(made: Callable[..., GANVectorEnv], knob: str, kind: str) -> None:
    low, high = KNOBS[knob].bounds
    env = made(kind, knobs=(knob,), initial_knobs=NEEDS.get(knob, {}))
    assert not runs_alike(env, knobs={knob: [low, high]})


@pytest.mark.parametrize("knob", [knob for knob in KNOBS if not exists(knob, "points")])
def test_parts_of_the_augmentation_that_points_lack_are_those_of_images(
    made: Callable[..., GANVectorEnv], knob: str
) -> None:
    """They are refused there, rather than doing nothing."""
    with pytest.raises(ValueError, match=knob):
        made("points", knobs=(knob,))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_an_instance_changes_a_run(field: str) -> None:
    env = make(2, instances=[ONE, OTHER], updates_per_decision=3)
    changed = {**vars(ONE), field: getattr(OTHER, field)}
    assert runs_alike(env, instance=[ONE, ONE])
    assert not runs_alike(env, instance=[ONE, changed])
