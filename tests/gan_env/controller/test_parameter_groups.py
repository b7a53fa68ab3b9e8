"""Parameter groups that are added to an optimiser while a controller writes its learning rates."""

import pytest
import torch
from plain_gan import PlainGAN

from gan_env.controller.optimisers import Optimisers


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
