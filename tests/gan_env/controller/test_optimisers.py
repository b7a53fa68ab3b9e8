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


@pytest.mark.filterwarnings("ignore:something else writes")
def test_groups_that_are_added_later_are_moved_too() -> None:
    """From the next decision on; until then the others hold."""
    gan = PlainGAN.make()
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(lambda _: None, steered=["d"])
    made.write({"lr_d": 2.0})
    gan.opt_d.add_param_group({"params": [torch.zeros(2, requires_grad=True)], "lr": 5e-3})
    gan.opt_d.param_groups[0]["lr"] = 1.0
    gan.update()
    assert [group["lr"] for group in gan.opt_d.param_groups] == pytest.approx([2e-3, 5e-3])
    made.write({"lr_d": 3.0})
    assert [group["lr"] for group in gan.opt_d.param_groups] == pytest.approx([3e-3, 1.5e-2])


@pytest.mark.parametrize("tensors", [False, True])
def test_a_group_that_is_added_with_the_rate_of_another_keeps_to_it(tensors: bool) -> None:
    """As `param_groups[0]["lr"]` gives it, or torch by default where the rate is a tensor."""
    gan = PlainGAN.make()
    if tensors:
        gan.opt_d = torch.optim.Adam(gan.discriminator.parameters(), torch.tensor(1e-3))
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(lambda _: None, steered=["d"])
    made.write({"lr_d": 2.0})
    own = {} if tensors else {"lr": gan.opt_d.param_groups[0]["lr"]}
    gan.opt_d.add_param_group({"params": [torch.zeros(2, requires_grad=True)], **own})
    made.write({"lr_d": 3.0})
    assert [float(group["lr"]) for group in gan.opt_d.param_groups] == pytest.approx([3e-3, 3e-3])
    made.remove()
    assert [float(group["lr"]) for group in gan.opt_d.param_groups] == pytest.approx([1e-3, 1e-3])


@pytest.mark.parametrize("policy", ["ada", "cosine_rates"])
def test_a_state_with_a_group_that_was_added_can_be_continued(policy: str) -> None:
    gan, again = PlainGAN.make(), PlainGAN.make()
    control = gan.control(policy, 40)
    for one in (gan, again):
        one.opt_d.add_param_group({"params": [torch.zeros(2, requires_grad=True)], "lr": 5e-3})
    continued = again.control(policy, 40)
    continued.load_state_dict(control.state_dict())
    for one, own in ((gan, control), (again, continued)):
        one.run(own, 8)
    rates = [[group["lr"] for group in one.opt_d.param_groups] for one in (gan, again)]
    assert rates[0] == rates[1] and rates[0][1] == pytest.approx(5 * rates[0][0])


def test_taking_a_state_writes_no_rate() -> None:
    """Not even where a group was added after the controller was removed."""
    gan = PlainGAN.make()
    control = gan.control("cosine_rates", 40)
    control.remove()
    gan.opt_d.param_groups[0]["lr"] = 5e-4
    gan.opt_d.add_param_group({"params": [torch.zeros(2, requires_grad=True)], "lr": 5e-3})
    control.state_dict()
    assert [group["lr"] for group in gan.opt_d.param_groups] == [5e-4, 5e-3]


def test_a_group_that_is_added_later_moves_once_the_rates_are_measured(recwarn: pytest.WarningsRecorder) -> None:
    """Even where the decision then leaves the rates alone; nobody else is blamed for its own rate."""
    gan = PlainGAN.make()
    made = Optimisers(gan.opt_g, gan.opt_d)
    made.watch(lambda _: None, steered=["d"])
    made.write({"lr_d": 2.0})
    gan.opt_d.add_param_group({"params": [torch.zeros(2, requires_grad=True)], "lr": 5e-3})
    made.of_both(sized=True)
    gan.update()
    assert [group["lr"] for group in gan.opt_d.param_groups] == pytest.approx([2e-3, 1e-2])
    assert not [w for w in recwarn if "something else writes" in str(w.message)]


def test_a_group_that_is_added_later_does_not_make_the_rule_overshoot() -> None:
    """Its own rate is as low as the given one was, a thousandth of those that the rule has set."""
    gan = PlainGAN.make(rate=1e-5)
    control = gan.control("steady_walk", 4000)
    gan.run(control, 8)
    gan.opt_d.add_param_group({"params": [torch.full((64, 64), 0.1, requires_grad=True)], "lr": 1e-5})
    gan.run(control, 4)
    weights = torch.cat([p.detach().flatten() for group in gan.opt_d.param_groups for p in group["params"]])
    wanted = 0.6 * float(weights.square().mean().sqrt()) / (12 + 100) ** 0.5
    assert gan.rates[1] == pytest.approx(wanted, rel=0.01)


class Beside:
    """A loop beside whose controller schedulers halve both rates after each update; and the rates of D's steps.

    Args:
        tensors: whether rates are tensors.
        first: whether the scheduler steps before the controller.
        policy: what the controller plays.
    """

    def __init__(self, tensors: bool, first: bool, policy: str = "cosine_rates", **options: Any) -> None:
        self.gan, self.first, self.used = PlainGAN.make(), first, list[float]()
        for optimiser in (self.gan.opt_g, self.gan.opt_d):
            optimiser.param_groups[0]["lr"] = torch.tensor(1e-3) if tensors else 1e-3
        self.control = self.gan.control(policy, 80, **options)
        halve = torch.optim.lr_scheduler.ExponentialLR
        self.schedulers = [halve(optimiser, 0.5) for optimiser in (self.gan.opt_g, self.gan.opt_d)]
        self.gan.opt_d.register_step_pre_hook(lambda *_: self.used.append(self.rate))

    @property
    def rate(self) -> float:
        return float(self.gan.opt_d.param_groups[0]["lr"])

    def run(self, updates: int) -> None:
        after = [scheduler.step for scheduler in self.schedulers]
        after.insert(len(after) if self.first else 0, self.control.step)
        for _ in range(updates):
            self.control.observe(**self.gan.update())
            for act in after:
                act()


@pytest.mark.filterwarnings("ignore:something else writes")
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("tensors", [False, True])
def test_rates_hold_between_decisions_whatever_a_scheduler_writes(tensors: bool, first: bool) -> None:
    loop = Beside(tensors, first)
    loop.run(80)
    decisions = [1e-3 * decision.values["lr_d"] for decision in loop.control.report().decisions]
    assert loop.used == pytest.approx([rate for rate in decisions for _ in range(4)])


@pytest.mark.filterwarnings("ignore:something else writes")
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("tensors", [False, True])
def test_a_rule_that_measures_rates_measures_its_own_beside_a_scheduler(tensors: bool, first: bool) -> None:
    beside, alone = Beside(tensors, first, "steady_walk"), Beside(tensors, first, "steady_walk")
    alone.schedulers = []
    for loop in (beside, alone):
        torch.manual_seed(0)
        loop.run(40)
    assert beside.used == pytest.approx(alone.used, rel=1e-4)


@pytest.mark.filterwarnings("ignore:something else writes")
def test_beside_a_dry_run_and_once_it_is_removed_rates_are_a_schedulers() -> None:
    dry, removed = Beside(False, False, dry_run=True), Beside(False, False)
    dry.run(3)
    assert dry.used == [1e-3, 5e-4, 2.5e-4]
    removed.run(2)
    removed.control.remove()
    removed.run(2)
    assert removed.used == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4])


@pytest.mark.parametrize("first", [False, True])
def test_beside_a_policy_that_moves_nothing_rates_are_a_schedulers(
    first: bool, recwarn: pytest.WarningsRecorder
) -> None:
    """With decisions before the updates 0, 4 and 8."""
    loop = Beside(False, first, policy="fixed")
    loop.run(10)
    assert loop.used == pytest.approx([1e-3 * 0.5**update for update in range(10)])
    assert not recwarn.list


def test_a_restart_without_the_controllers_state_is_told_what_to_load() -> None:
    before, after = PlainGAN.make(), PlainGAN.make()
    before.run(before.control("cosine_rates", 80), 40)
    after.control("cosine_rates", 80)
    after.opt_d.load_state_dict(before.opt_d.state_dict())
    with pytest.warns(UserWarning, match=r"0\.001 for lr_d\): the controller's hold.*own state after a restart"):
        after.update()


def test_a_restart_with_the_controllers_state_is_no_interference(recwarn: pytest.WarningsRecorder) -> None:
    """Though its rates are other tensors by then."""
    before, after = Beside(True, False), Beside(True, False)
    before.schedulers = after.schedulers = []
    before.run(40)
    after.control.load_state_dict(before.control.state_dict())
    for name in ("opt_g", "opt_d"):
        getattr(after.gan, name).load_state_dict(getattr(before.gan, name).state_dict())
    after.run(40)
    assert after.rate == pytest.approx(1e-5) and not recwarn.list


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
