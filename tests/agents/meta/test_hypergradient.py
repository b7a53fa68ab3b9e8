"""The slope through unrolled updates: against finite differences of what the environment itself does."""

from typing import Any

import numpy as np
import pytest
import torch

from agents.meta.hypergradient import Hypergradient
from gan_env import ConfigError, GANVectorEnv
from gan_env.gan.unrolled import Unrolled

WINDOW = 3
ENV: dict[str, Any] = {
    "num_decisions": 4, "updates_per_decision": WINDOW, "metric_samples": 32, "compile": False, "latent_dim": 2,
    "ema_decay": 0.5,
    "action_mode": "absolute", "losses": ("non_saturating",),
    "instances": {
        **dict.fromkeys(("width_g", "width_d", "batch_size"), (8, 8)), "lr_g": (5e-3, 1e-2), "lr_d": (1e-4, 1e-2),
        **dict.fromkeys(("gain_g", "gain_d", "input_scale"), (1.0, 1.0)),
    },
}  # fmt: skip


def environment(rows: int = 3, **given: Any) -> GANVectorEnv:
    env = GANVectorEnv(rows, **{**ENV, **given})
    env.reset(seed=7)
    return env


def knobs(env: GANVectorEnv, value: float = 0.5) -> torch.Tensor:
    return torch.full((env.num_envs, len(env.config.knobs)), value)


def test_the_slope_is_that_of_finite_differences() -> None:
    """Log distances of windows on either side, in float32; tests/gan_env/gan/test_update.py is exact.

    In the middle of a run: Adam's first steps are signs, which jump. The loss also jumps where noise takes a unit past
    its kink, so of several differences the nearest counts. Slopes that are a tenth too long or turned round fail.
    """
    env = environment(8, knobs=("instance_noise", "r1", "lr_g", "lr_d"))
    at = knobs(env)
    at[:, 1] = 0.8  # a weaker R1 has a slope that float32 can't tell from 0
    env.population.update(env.knobs.values(at), 60)
    look = Hypergradient(env, WINDOW, 64)
    loss, exact = look(at)
    columns = []
    for step in torch.eye(at.shape[1])[:, None]:
        sides = [(size, look(at - size * step)[0], look(at + size * step)[0]) for size in (0.002, 0.004, 0.008)]
        found = [((b - a) / (2 * size), (loss - a) / size, (b - loss) / size) for size, a, b in sides]
        columns.append(torch.stack([numeric for three in found for numeric in three]))
    numeric = torch.stack(columns, dim=2)  # [9, N, K]

    def agrees(slope: torch.Tensor) -> bool:
        """At all places but one or two, where the loss jumps beside them; which ones, depends on the processor."""
        return int(torch.isclose(numeric, slope, rtol=0.02, atol=3e-4).any(dim=0).sum()) >= exact.numel() - 2

    assert agrees(exact)
    assert not agrees(exact * torch.tensor([1, 1, 1.1, 1]))
    assert not any(agrees(exact * (1 - 2 * torch.eye(4)[column])) for column in range(4))
    assert (exact[:, 2].abs() > 0.01).all()


@pytest.mark.parametrize("rates", ["given", "steady_walk"])
def test_what_is_differentiated_is_what_the_interval_does(rates: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is the interval: its generators are those of the step that follows."""
    env, found, look = environment(rates=rates), [], Unrolled.look_ahead
    monkeypatch.setattr(Unrolled, "look_ahead", lambda *given: found.append(look(*given)) or found[-1])
    at = knobs(env)
    Hypergradient(env, WINDOW, 16)(at)
    ahead = found[0].state.ema.detach()
    env.step(2 * at.numpy() - 1)
    torch.testing.assert_close(ahead, env.population.state.ema, rtol=1e-5, atol=1e-6)


def test_looking_ahead_changes_nothing_but_the_count() -> None:
    env = environment()
    before = env.population.get_state()
    look = Hypergradient(env, WINDOW, 16)
    first, second = look(knobs(env)), look(knobs(env))
    for name, tensor in env.population.get_state().items():
        assert torch.equal(tensor, before[name]), name
    assert torch.equal(first[0], second[0])
    assert env.gan_updates == 0
    assert look.gan_updates == 2 * 3 * WINDOW


def test_another_draw_compares_other_samples() -> None:
    env = environment()
    look = Hypergradient(env, WINDOW, 16)
    assert not torch.equal(look(knobs(env))[0], look(knobs(env), draw=1)[0])


def test_a_row_depends_on_itself_alone() -> None:
    env = environment()
    look, at = Hypergradient(env, WINDOW, 32), knobs(env)
    loss, slope = look(at)
    env.population.state.g[0] = torch.nan
    at[1] = 0.9
    other_loss, other_slope = look(at)
    assert other_loss[0].isnan()
    assert (other_slope[0] == 0).all()
    torch.testing.assert_close(other_loss[2], loss[2])
    torch.testing.assert_close(other_slope[2], slope[2])


def test_no_slope_is_longer_than_one() -> None:
    env = environment(knobs=("lr_g", "lr_d"), instances={**ENV["instances"], "lr_g": (0.5, 1.0), "lr_d": (0.5, 1.0)})
    assert Hypergradient(env, 6, 32)(knobs(env, 0.9))[1].norm(dim=1).max() <= 1 + 1e-5


def test_probabilities_of_coins_have_no_slope_and_others_have() -> None:
    env = environment(knobs=("augment", "instance_noise"), initial_knobs={"augment": 0.5})
    _, slope = Hypergradient(env, WINDOW, 32)(knobs(env))
    assert (slope[:, 0] == 0).all()
    assert (slope[:, 1] != 0).all()


def test_images_are_compared_by_features(monkeypatch: pytest.MonkeyPatch) -> None:
    from gan_env.data.bank import IMAGE_SETS
    from gan_env.records import Dataset

    def noise(data_root: str, image_size: int) -> Dataset:
        images = torch.randint(256, (62, 1, image_size, image_size), generator=torch.Generator().manual_seed(0)).byte()
        return Dataset(images[:30], images[30:])

    monkeypatch.setitem(IMAGE_SETS, "noise", noise)
    small = {"width_g": (4, 4), "width_d": (4, 4), "batch_size": (4, 4), "num_samples": (20, 30)}
    env = environment(2, datasets=("noise",), image_size=8, metric_samples=16, instances=small, knobs=("r1", "lr_g"))
    loss, slope = Hypergradient(env, 2, 8)(knobs(env))
    assert loss.isfinite().all()
    assert (slope != 0).all()


@pytest.mark.parametrize("sizes", [(0, 16), (3, 1)])
def test_bad_sizes_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="at least"):
        Hypergradient(environment(), *sizes)


def test_rows_of_different_width_have_slopes() -> None:
    """Weights beyond a row's width have no gradient at all, where Adam's root has no slope."""
    env = environment(instances={**ENV["instances"], "width_g": (2, 16), "width_d": (2, 16)})
    assert np.unique([instance.width_g for instance in env.current_instances]).size > 1
    assert (Hypergradient(env, WINDOW, 32)(knobs(env))[1] != 0).any(dim=1).all()
