"""`GANController` in plain loops: when it decides, what it writes, what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN
from torch.utils._python_dispatch import TorchDispatchMode

from gan_env import ConfigError
from gan_env.controller import GANController


def test_decisions_are_spread_over_the_run_the_first_before_it(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 10)
    assert [d.step for d in control.report().decisions] == [0]
    asked = []
    for _ in range(10):
        asked.append(control.decides_next)
        gan.run(control, 1)
    assert [d.step for d in control.report().decisions] == [0, 3, 5, 8]
    assert [step + 1 for step, decides in enumerate(asked) if decides] == [3, 5, 8]


def test_learning_rates_are_factors_on_those_of_each_group(folder: Path) -> None:
    gan = PlainGAN.make()
    gan.split_discriminator(1e-3, 4e-3)
    control = gan.control(folder, 8)
    gan.run(control, 8)
    values = control.report().decisions[-1].values
    low, high = (group["lr"] for group in gan.opt_d.param_groups)
    assert values["lr_d"] != 1
    assert low == pytest.approx(1e-3 * values["lr_d"])
    assert high == pytest.approx(4e-3 * values["lr_d"])
    assert gan.rates[0] == pytest.approx(1e-3 * values["lr_g"])
    assert float(control["r1"]) == pytest.approx(values["r1"])


def test_rates_in_tensors_are_written_into_them(folder: Path) -> None:
    gan = PlainGAN.make()
    gan.opt_g.param_groups[0]["lr"] = there = torch.tensor(1e-3)
    control = gan.control(folder, 8)
    assert there is gan.opt_g.param_groups[0]["lr"]
    assert float(there) == pytest.approx(1e-3 * control.report().decisions[0].values["lr_g"])


def test_removed_it_leaves_the_loop_as_it_was(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 2)
    assert gan.rates != [1e-3, 1e-3]
    control.remove()
    assert gan.rates == pytest.approx([1e-3, 1e-3])
    assert not gan.opt_g._optimizer_step_pre_hooks and not gan.opt_d._optimizer_step_pre_hooks


def test_a_dry_run_reports_and_moves_nothing(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8, dry_run=True)
    gan.run(control, 8)
    assert gan.rates == [1e-3, 1e-3]
    assert float(control["r1"]) == 1.0
    decisions = control.report().decisions
    assert len(decisions) == 4 and all(d.values["lr_d"] != 1 for d in decisions)
    assert all(d.seen["knob_lr_d"] == pytest.approx(decisions[0].seen["knob_lr_d"]) for d in decisions)
    assert "dry run" in str(control.report())


def test_a_knob_that_the_policy_does_not_move_is_the_loops_own() -> None:
    """The rates by a cosine, or ADA: neither moves R1. R3GAN's schedule does."""
    assert PlainGAN.make().control("cosine_rates", 8).get("r1", 10.0) == 10.0
    assert PlainGAN.make().control("ada", 8).get("r1", 10.0) == 10.0
    assert float(PlainGAN.make().control("r3gan", 8).get("r1", 10.0)) == pytest.approx(0.05)
    with pytest.raises(ConfigError, match="knob='nope'"):
        PlainGAN.make().control("ada", 8).get("nope", 10.0)


def test_a_run_that_becomes_longer_has_its_last_decisions_later(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 3)
    control.change_total_steps(14)
    gan.run(control, 11)
    assert [d.step for d in control.report().decisions] == [0, 2, 6, 10]


def test_after_the_end_the_knobs_stay_and_that_is_said(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 8)
    last = gan.rates
    with pytest.warns(UserWarning, match="longer than total_steps=8"):
        gan.run(control, 3)
    assert gan.rates == last and len(control.report().decisions) == 4


def test_a_run_that_is_over_early_says_how_often_step_was_called() -> None:
    """Here after each of three steps of D."""
    gan = PlainGAN.make()
    control = gan.control("cosine_rates", 60)
    step = gan.opt_g.step
    with pytest.warns(UserWarning, match=r"longer than total_steps=60: .*there were 3.0 for each step of G"):
        for turn in range(61):
            gan.opt_g.step = step if turn % 3 == 2 else lambda: None
            gan.update()
            control.step()


@pytest.mark.parametrize("called", [False, True])
def test_a_step_that_is_never_called_is_missed(called: bool, recwarn: pytest.WarningsRecorder) -> None:
    control = PlainGAN.make().control("cosine_rates", 400)
    for _ in range(1050):
        control.observe(real=torch.zeros(4))
        if called:
            control.step()
    said = [w for w in recwarn if "1000 calls of observe() without one of step()" in str(w.message)]
    assert len(said) == (0 if called else 1)


def test_a_player_that_took_no_step_is_named() -> None:
    gan = PlainGAN.make()
    control = gan.control("step_size", 400)
    gan.run(control, 20)
    gan.opt_g.step = lambda: None
    with pytest.warns(UserWarning, match=r"^the generator took no step, in an interval that ended at update \d+: "):
        gan.run(control, 80)


@pytest.mark.parametrize("total", [None, 0, 2.5, True])
def test_a_length_that_is_none_is_refused_with_what_to_do(total: Any) -> None:
    with pytest.raises(ConfigError, match=r"total_steps=.*a guess, and `change_total_steps` later"):
        PlainGAN.make().control("ada", total)


def test_a_run_of_fewer_updates_than_decisions_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"total_steps=3 .*at least 4"):
        PlainGAN.make().control(folder, 3)


def test_an_unknown_knob_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"knob='r3' .*'r1'"):
        PlainGAN.make().control("cosine", 8)["r3"]


class Reads(TorchDispatchMode):
    """Counts what is read as a number of Python, for which a GPU would have to finish first."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_between_decisions_no_number_is_read(folder: Path) -> None:
    """Adam reads its own count of steps where it runs on the CPU, so it takes steps of plain descent here."""
    gan = PlainGAN.make()
    gan.opt_g, gan.opt_d = (torch.optim.SGD(o.param_groups[0]["params"], 1e-3) for o in (gan.opt_g, gan.opt_d))
    control = gan.control(folder, 8)
    counts: dict[bool, set[int]] = {False: set(), True: set()}
    for _ in range(8):
        decides = control.decides_next
        with Reads() as reads:
            gan.run(control, 1)
            control.augment(torch.randn(8, 2))
        counts[decides].add(reads.count)
    assert counts[False] == {0} and 0 not in counts[True]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_between_decisions_nothing_waits_for_the_device(folder: Path) -> None:
    gan = PlainGAN.make()
    for net in (gan.generator, gan.discriminator):
        net.cuda()
    control = gan.control(folder, 8)
    for _ in range(8):
        logits = gan.discriminator(gan.generator(torch.ones(8, 4, device="cuda")))
        logits.mean().backward()
        gan.opt_d.step(), gan.opt_g.step()
        torch.cuda.set_sync_debug_mode("default" if control.decides_next else "error")
        try:
            control.augment(logits.detach().expand(8, 2).clone())
            control.observe(real=logits, fake=logits, loss_d=logits.mean(), loss_g=0.5, penalty=control["r1"])
            control.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert control["r1"].is_cuda and len(control.report().decisions) == 4


def test_no_optimiser_and_one_optimiser_for_both_are_refused() -> None:
    gan = PlainGAN.make()
    with pytest.raises(ConfigError, match=r"opt_g=.*torch\.optim\.Optimizer"):
        GANController.load("ada", gan.generator, gan.opt_d, total_steps=8)
    with pytest.raises(ConfigError, match=r"opt_d=.*other parameters than those of opt_g"):
        GANController.load("ada", gan.opt_g, gan.opt_g, total_steps=8)


@pytest.mark.parametrize("dry_run", [False, True])
def test_removed_it_leaves_rates_that_it_never_wrote(folder: Path, dry_run: bool) -> None:
    """A scheduler beside a dry run, or beside a policy that moves no rates, keeps what it wrote."""
    gan = PlainGAN.make()
    control = gan.control(folder if dry_run else "ada", 8, dry_run=dry_run)
    gan.opt_d.param_groups[0]["lr"] = 5e-4
    control.remove()
    assert gan.rates == [1e-3, 5e-4]


def test_the_optimisers_in_the_wrong_order_are_refused_before_any_step(folder: Path) -> None:
    """The logits on real inputs come from D's weights; without a graph nothing is known."""
    gan = PlainGAN.make()
    control = GANController.load(folder, gan.opt_d, gan.opt_g, total_steps=8)
    control.observe(real=gan.discriminator(torch.randn(4, 2)).detach())
    control.remove()
    control = GANController.load(folder, gan.opt_d, gan.opt_g, total_steps=8)
    with pytest.raises(ConfigError, match="the logits on real inputs come from weights of opt_g"):
        control.observe(real=gan.discriminator(torch.randn(4, 2)))


@pytest.mark.parametrize(("name", "dry_run"), [("fixed", False), ("cosine_rates", True)])
def test_the_report_has_the_rates_that_a_scheduler_sets_where_the_policy_sets_none(name: str, dry_run: bool) -> None:
    """Those of the loop as it is; in a dry run the move that the policy would make from there."""
    gan = PlainGAN.make()
    control = gan.control(name, 40, dry_run=dry_run)
    for update in range(40):
        gan.opt_g.param_groups[0]["lr"] = 1e-3 if update < 20 else 1e-4
        gan.update()
        control.step()
    last = control.report().decisions[-1]
    factor = 1.0 if name == "fixed" else last.values["lr_d"]
    assert last.values["lr_g"] == pytest.approx(0.1 * factor)


def test_two_controllers_of_the_same_rates_are_refused(folder: Path) -> None:
    gan = PlainGAN.make()
    first = gan.control(folder, 8)
    with pytest.raises(ConfigError, match=r"opt_g has a controller already.* call `remove\(\)`"):
        gan.control("cosine_rates", 8)
    gan.control("cosine_rates", 8, dry_run=True)
    first.remove()
    gan.control("cosine_rates", 8)


def test_a_run_may_become_too_short_for_all_decisions() -> None:
    gan = PlainGAN.make()
    control = gan.control("cosine_rates", 400)
    gan.run(control, 100)
    control.change_total_steps(110)  # 75 decisions are left
    gan.run(control, 10)
    assert control.report().decisions[-1].step == 109
    assert max(gan.rates) < 3e-5  # it ends at 1e-5


def test_a_run_that_becomes_longer_after_its_last_decision_is_told(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 8)
    with pytest.warns(UserWarning, match="all decisions are taken"):
        control.change_total_steps(16)


def test_a_decision_waits_for_the_player_that_has_not_stepped_yet(recwarn: pytest.WarningsRecorder) -> None:
    """As where `step` is called in each of the critic's updates: five of them go to one of the generator."""
    gan = PlainGAN.make()
    control = gan.control("step_size", 400)  # decides every four updates
    step = gan.opt_g.step
    for update in range(100):
        gan.opt_g.step = step if update % 5 == 4 else lambda: None
        gan.update(control)
        control.step()
    assert not [w for w in recwarn.list if "nothing finite" in str(w.message)]
    assert [d.step for d in control.report().decisions][1:4] == [5, 10, 15]


def test_a_player_that_never_steps_again_is_not_waited_for_for_ever() -> None:
    gan = PlainGAN.make()
    control = gan.control("cosine_rates", 400)
    for update in range(120):
        gan.opt_d.step() if update else gan.update()
        control.step()
    assert gan.rates[1] < 0.9e-3


@pytest.mark.parametrize("policy", ["folder", "ada", "steady_walk"])
def test_the_default_device_does_not_matter(folder: Path, policy: str) -> None:
    gan = PlainGAN.make()
    with torch.device("meta"):
        control = gan.control(folder if policy == "folder" else policy, 8)
    for _ in range(8):
        shown = gan.update(control)
        with torch.device("meta"):
            control.observe(**shown)
            control.step()
    assert len(control.report().decisions) > 1
    with torch.device("meta"):
        control.load_state_dict(control.state_dict())


def test_a_controller_that_is_refused_leaves_the_optimisers_to_another(tmp_path: Path) -> None:
    """It observes Adam's mean of gradients."""
    gan = PlainGAN.make()
    saved_controller(knobs=("lr_g", "lr_d"), observation=("progress", "steps")).save(tmp_path)
    gan.opt_d = torch.optim.SGD(gan.discriminator.parameters(), 1e-3)
    with pytest.raises(ConfigError, match=r"opt_d='SGD'.*Adam"):
        gan.control(tmp_path, 400)
    gan.control("cosine_rates", 400)
    assert len(gan.opt_g._optimizer_step_pre_hooks) == 2  # those of one controller
