"""Optimisers: norms of gradients as they are used, steps that are skipped, wrappers."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN

from gan_env.controller.optimisers import Optimisers
from gan_env.errors import ConfigError


def optimisers(gan: PlainGAN) -> tuple[Optimisers, list[dict[str, torch.Tensor]]]:
    seen: list[dict[str, torch.Tensor]] = []
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(seen.append)
    return made, seen


def norm(module: torch.nn.Module) -> float:
    return float(sum(p.grad.square().sum() for p in module.parameters() if p.grad is not None))


def test_the_norm_is_that_of_the_gradient_that_is_used() -> None:
    gan = PlainGAN.make()
    made, seen = optimisers(gan)
    gan.update()
    assert [*seen[0], *seen[1]] == ["square_grad_d", "square_grad_g"]
    assert made.stepped == {"g", "d"}
    gan.opt_d.zero_grad()
    gan.discriminator(torch.ones(3, 2)).sum().backward()
    gan.opt_d.step()
    assert float(seen[-1]["square_grad_d"]) == pytest.approx(norm(gan.discriminator), rel=1e-5)


def test_steps_and_cosines_are_read_where_they_are_needed() -> None:
    gan, seen = PlainGAN.make(), {}
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(seen.update, ["align_d", "square_step_d"])
    for expected in (0.0, 1.0):  # there is no gradient before the first
        before = torch.nn.utils.parameters_to_vector(gan.discriminator.parameters())
        gan.opt_d.zero_grad()
        next(gan.discriminator.parameters()).sum().backward()  # always the same gradient
        gan.opt_d.step()
        after = torch.nn.utils.parameters_to_vector(gan.discriminator.parameters())
        assert float(seen["align_d"]) == pytest.approx(expected, abs=1e-5)
        ratio = ((after - before).norm() / before.norm()).square()
        assert float(seen["square_step_d"]) == pytest.approx(float(ratio), rel=1e-4)
    assert seen.keys() == {"square_grad_d", "align_d", "square_step_d"}


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.1, momentum=0.6)


def adagrad(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(parameters, 0.1)


@pytest.mark.parametrize(("make", "age", "momentum"), [(sgd, 2, 0.6), (adagrad, 5, 0.0)])
def test_a_random_walk_is_as_old_as_its_player(make: Callable[..., Any], age: int, momentum: float) -> None:
    """By the steps of each, those before the controller among them where the optimiser counts, and by its momentum."""
    gan = PlainGAN.make()
    gan.opt_d = make(gan.discriminator.parameters())
    gan.opt_g.param_groups[0]["betas"] = (0.5, 0.99)
    for _ in range(3):
        gan.update()
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(lambda _: None)
    gan.update()
    gan.opt_d.step()
    of_d = ((1 - momentum) / (1 + momentum) / age) ** 0.5
    torch.testing.assert_close(made.of_both(sized=False)["walk"], torch.tensor([[(0.5 / 1.5 / 4) ** 0.5, of_d]]))


def test_an_optimiser_may_be_restored_after_its_controller_is_loaded() -> None:
    old, new = PlainGAN.make(), PlainGAN.make()
    for _ in range(50):
        old.update()
    made = Optimisers(new.opt_g, new.opt_d)
    made.watch(lambda _: None)
    new.opt_g.load_state_dict(old.opt_g.state_dict())
    new.update()
    torch.testing.assert_close(
        made.of_both(sized=False)["walk"], torch.tensor([[(0.5 / 1.5 / 51) ** 0.5, (0.5 / 1.5) ** 0.5]])
    )


def test_steps_are_counted_on_from_a_state() -> None:
    gan = PlainGAN.make()
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(lambda _: None)
    for _ in range(5):
        gan.update()
    other = PlainGAN.make()
    restored = Optimisers(other.opt_g, other.opt_d)
    restored.watch(lambda _: None)
    restored.set_state(made.get_state())
    again = PlainGAN.make()
    walks = [o.of_both(sized=False)["walk"] for o in (made, restored, Optimisers(again.opt_g, again.opt_d))]
    assert torch.equal(walks[1], walks[0])
    assert not torch.equal(walks[2], walks[0])


def test_cosines_need_an_optimiser_with_a_mean_of_gradients() -> None:
    gan = PlainGAN.make()
    made = Optimisers(gan.opt_g, torch.optim.SGD(gan.discriminator.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match=r"opt_d='SGD'.*Adam"):
        made.watch(lambda _: None, ["align_d"])


def scaled_step(gan: PlainGAN, scaler: Any, loss: torch.Tensor) -> None:
    for optimiser in (gan.opt_d, gan.opt_g):
        optimiser.zero_grad()
    scaler.scale(loss).backward()
    for optimiser in (gan.opt_d, gan.opt_g):
        scaler.step(optimiser)
    scaler.update()


def test_a_step_that_the_scaler_skips_counts_no_update_and_leaves_no_norm(tmp_path: Path) -> None:
    """And the norms of the others are of gradients without the scale."""
    saved_controller().save(tmp_path)
    gan = PlainGAN.make()
    control = gan.control(tmp_path, 8)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    latents, points = torch.ones(4, 4), torch.ones(4, 2)
    for infinite in (False, True, True, False):
        loss = gan.discriminator(gan.generator(latents)).sum() + gan.discriminator(points).sum()
        scaled_step(gan, scaler, loss * float("inf") if infinite else loss)
        size = norm(gan.discriminator)
        control.observe(loss_d=loss, loss_g=loss, penalty=1.0)
        control.step()
    last = control.report().decisions[-1]
    assert last.step == 2  # of four, two were skipped
    assert 10 ** last.seen["grad_d"] == pytest.approx(size**0.5, rel=0.05)


def test_a_fused_optimiser_under_a_scaler_shows_norms_without_the_scale() -> None:
    gan = PlainGAN.make(fused=True)
    _, seen = optimisers(gan)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    loss = gan.discriminator(gan.generator(torch.ones(4, 4))).sum()
    scaled_step(gan, scaler, loss)
    assert float(seen[0]["square_grad_d"]) == pytest.approx(norm(gan.discriminator), rel=1e-4)  # unscaled by now


def test_a_step_that_a_fused_optimiser_skips_shows_no_size() -> None:
    """Its weights stay: a size of zero would be taken for steps that are too small."""
    gan, seen = PlainGAN.make(fused=True), list[dict[str, torch.Tensor]]()
    Optimisers(gan.opt_g, gan.opt_d).watch(seen.append, ["square_step_g", "square_step_d"])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    loss = gan.discriminator(gan.generator(torch.ones(4, 4))).sum()
    scaled_step(gan, scaler, loss)
    scaled_step(gan, scaler, gan.discriminator(gan.generator(torch.ones(4, 4))).sum() * torch.inf)
    sizes = [float(shown["square_step_d"]) for shown in seen if "square_step_d" in shown]
    assert sizes[0] > 0 and math.isnan(sizes[1])


def test_a_gradient_that_is_not_finite_has_no_cosine() -> None:
    gan, seen = PlainGAN.make(), dict[str, torch.Tensor]()
    Optimisers(gan.opt_g, gan.opt_d).watch(seen.update, ["align_d"])
    for factor in (1.0, torch.nan):
        gan.opt_d.zero_grad()
        (gan.discriminator(torch.ones(3, 2)).sum() * factor).backward()
        gan.opt_d.step()
    assert seen["align_d"].isnan()


def test_an_optimiser_that_turns_out_to_keep_no_mean_is_refused() -> None:
    """It has `betas`, as those of Adam's kind have, and another state."""

    class Other(torch.optim.Adam):
        def step(self, closure: Any = None) -> None:
            super().step(closure)
            for state in self.state.values():
                state["z"] = state.pop("exp_avg")

    gan = PlainGAN.make()
    Optimisers(gan.opt_g, other := Other(gan.discriminator.parameters())).watch(lambda _: None, ["align_d"])
    gan.discriminator(torch.ones(3, 2)).sum().backward()
    other.step()
    with pytest.raises(ConfigError, match=r"opt_d='Other'.*exp_avg"):
        other.step()


def test_one_tensor_as_the_rate_of_both_players_is_refused() -> None:
    gan, rate = PlainGAN.make(), torch.tensor(1e-3)
    for optimiser in (gan.opt_g, gan.opt_d):
        optimiser.param_groups[0]["lr"] = rate
    with pytest.raises(ConfigError, match=r"lr=.*clone"):
        Optimisers(gan.opt_g, gan.opt_d)


def test_sharded_parameters_are_refused() -> None:
    gan = PlainGAN.make()
    next(gan.discriminator.parameters()).to_local = None  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"parameters=.*FSDP"):
        Optimisers(gan.opt_g, gan.opt_d)


def test_a_loop_that_never_steps_an_optimiser_is_told() -> None:
    control = PlainGAN.make().control("ada", 8)
    with pytest.warns(UserWarning, match="no optimiser took a step in 50 calls"):
        for _ in range(50):
            control.step()


def test_the_optimiser_inside_a_wrapper_is_found() -> None:
    class Wrapper:
        def __init__(self, optimizer: Any) -> None:
            self.optimizer = optimizer

    gan = PlainGAN.make()
    made = Optimisers(Wrapper(gan.opt_g), Wrapper(Wrapper(gan.opt_d)))
    made.write({"lr_g": 0.5, "lr_d": 2.0})
    assert [o.param_groups[0]["lr"] for o in (gan.opt_g, gan.opt_d)] == pytest.approx([5e-4, 2e-3])


def closure_of(optimiser: torch.optim.Optimizer, gan: PlainGAN) -> Any:
    """A loss of both players for `optimiser.step`, which computes the gradients."""

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = gan.discriminator(gan.generator(torch.ones(4, 4))).square().mean()
        loss.backward()
        return loss

    return closure


def test_the_first_step_with_a_closure_has_a_size() -> None:
    """It begins without gradients."""
    gan = PlainGAN.make()
    control = gan.control("step_size", 400)
    for _ in range(4):
        for optimiser in (gan.opt_d, gan.opt_g):
            optimiser.step(closure_of(optimiser, gan))
        control.step()
    assert control.report().decisions[1].seen["step_d"] > -4  # log10


def test_a_step_without_any_gradient_is_not_measured() -> None:
    """In every second update D has no gradients: its steps are as large as where it has them always."""
    sizes = []
    for without in (False, True):
        gan = PlainGAN.make()
        shown: list[dict[str, Any]] = []
        Optimisers(gan.opt_g, gan.opt_d).watch(shown.append, ["square_step_d"])
        for _ in range(3):
            gan.opt_d.step(closure_of(gan.opt_d, gan))
            if without:
                gan.opt_d.zero_grad()
                gan.opt_d.step()
        sizes.append([float(found["square_step_d"]) for found in shown if "square_step_d" in found])
    assert sizes[0] == sizes[1] and len(sizes[0]) == 3


def test_gradients_that_are_read_and_not_there_are_named(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    for optimiser in (gan.opt_d, gan.opt_g):
        optimiser.step(closure_of(optimiser, gan))
    with pytest.raises(ConfigError, match="'mine' reads gradients: an optimiser took a step without any"):
        control.step()


def test_a_learning_rate_of_0_is_refused_with_what_sets_it() -> None:
    """A warm-up does, as soon as it is made."""
    gan = PlainGAN.make()
    torch.optim.lr_scheduler.LambdaLR(gan.opt_d, lambda step: step / 100)
    with pytest.raises(ConfigError, match=r"opt_d='a learning rate of 0' .*warms up after `load`"):
        gan.control("ada", 8)
