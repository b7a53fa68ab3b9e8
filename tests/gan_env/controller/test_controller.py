"""`GANController` in plain loops: when it decides, what it writes, what it remembers, what it refuses."""

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from controllers import saved_controller
from plain_gan import PlainGAN

from gan_env import ConfigError
from gan_env.controller import GANController
from gan_env.policies import load_policy
from gan_env.policies.presets import ADAPTIVE
from gan_env.policies.schedules import Anneal

KNOWN = {"clean": torch.zeros(3), "held_out": torch.zeros(3)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A controller of both learning rates and R1 that sees what every loop has."""
    saved_controller(decisions=4).save(tmp_path / "mine")
    return tmp_path / "mine"


@pytest.fixture
def sees_logits(tmp_path: Path) -> Path:
    """One that sees losses and logits, on validation samples too."""
    groups = ("progress", "knobs", "logits", "validation", "losses")
    saved_controller(decisions=4, observation=groups).save(tmp_path / "sees_logits")
    return tmp_path / "sees_logits"


def rates(gan: PlainGAN) -> list[float]:
    return [gan.opt_g.param_groups[0]["lr"], gan.opt_d.param_groups[0]["lr"]]


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
    parts = list(gan.discriminator.children())
    groups = [{"params": parts[0].parameters(), "lr": 1e-3}, {"params": parts[2].parameters(), "lr": 4e-3}]
    gan.opt_d = torch.optim.Adam(groups)
    control = gan.control(folder, 8)
    gan.run(control, 8)
    values = control.report().decisions[-1].values
    low, high = (group["lr"] for group in gan.opt_d.param_groups)
    assert values["lr_d"] != 1
    assert low == pytest.approx(1e-3 * values["lr_d"])
    assert high == pytest.approx(4e-3 * values["lr_d"])
    assert rates(gan)[0] == pytest.approx(1e-3 * values["lr_g"])
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
    assert rates(gan) != [1e-3, 1e-3]
    control.remove()
    assert rates(gan) == pytest.approx([1e-3, 1e-3])
    assert not gan.opt_g._optimizer_step_pre_hooks and not gan.opt_d._optimizer_step_pre_hooks


def test_a_dry_run_reports_and_moves_nothing(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8, dry_run=True)
    gan.run(control, 8)
    assert rates(gan) == [1e-3, 1e-3]
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


def test_in_a_dry_run_the_loop_has_its_own_knobs_and_inputs() -> None:
    control, x = PlainGAN.make().control("cosine", 8, dry_run=True), torch.randn(16, 1, 8, 8)
    assert control.get("r1", 10.0) == 10.0
    assert torch.equal(control.augment(x), x)
    assert not torch.equal(PlainGAN.make().control("cosine", 8).augment(x), x)


def test_the_fixed_policy_leaves_a_loop_as_it_is(recwarn: pytest.WarningsRecorder) -> None:
    gan = PlainGAN.make()
    control, x = gan.control("fixed", 8), torch.randn(16, 1, 8, 8)
    gan.run(control, 8)
    assert rates(gan) == [1e-3, 1e-3]
    assert control.get("r1", 10.0) == 10.0 and torch.equal(control.augment(x), x)
    assert not recwarn.list


def test_both_rates_fall_by_a_cosine() -> None:
    gan = PlainGAN.make(rate=2e-4)
    control = gan.control("cosine_rates", 400)
    gan.run(control, 200)
    assert rates(gan) == pytest.approx([2e-4 * (0.01 + 0.99 / 2)] * 2, rel=0.05)
    gan.run(control, 200)
    assert rates(gan) == pytest.approx([2e-6] * 2, rel=0.05)


def test_a_loss_that_the_controller_was_not_trained_on_is_named(folder: Path) -> None:
    with pytest.warns(UserWarning, match="not trained for loss=wasserstein .trained on non_saturating, hinge"):
        PlainGAN.make().control(folder, 200, context={"loss": "wasserstein"})


def test_a_rule_by_the_sign_is_refused_where_the_loss_has_none() -> None:
    with pytest.raises(ConfigError, match=r"env\.losses.*wasserstein"):
        PlainGAN.make().control("ada", 8, context={"loss": "wasserstein"})
    PlainGAN.make().control("ada", 8, context={"loss": "least_squares"})


def test_a_run_goes_on_from_its_state_as_if_nothing_had_happened(folder: Path, tmp_path: Path) -> None:
    """The state is saved and read as checkpoints are: with `weights_only`."""
    through, before, after = PlainGAN.make(), PlainGAN.make(), PlainGAN.make(seed=1)
    whole, part = through.control(folder, 12), before.control(folder, 12)
    for gan, control, updates in ((through, whole, 12), (before, part, 5)):
        torch.manual_seed(7)
        for _ in range(updates):
            gan.run(control, 1)
    parts = {name: getattr(before, name).state_dict() for name in ("generator", "discriminator", "opt_g", "opt_d")}
    torch.save({**parts, "control": part.state_dict(), "rng": torch.get_rng_state()}, tmp_path / "checkpoint.pt")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.manual_seed(7)
    for _ in range(5):  # the random numbers of the first five updates
        torch.randn(16, 2), torch.randn(16, 4)
    control = after.control(folder, 12)
    for name in parts:
        getattr(after, name).load_state_dict(state[name])
    control.load_state_dict(state["control"])
    after.run(control, 7)
    assert [vars(d) for d in control.report().decisions] == [vars(d) for d in whole.report().decisions]
    assert rates(after) == rates(through)


def test_a_controller_that_is_made_after_the_optimisers_went_on_knows_their_first_rates(tmp_path: Path) -> None:
    """As Lightning does it: rates in the optimisers' state are those that a controller had written."""
    saved_controller(observation=("progress", "knobs", "losses", "context")).save(tmp_path)
    context = {"num_samples": 1000, "batch_size": 16, **OTHERS}
    before, after = PlainGAN.make(), PlainGAN.make()
    control = before.control(tmp_path, 8, context=context)
    before.run(control, 5)
    for name in ("opt_g", "opt_d"):
        getattr(after, name).load_state_dict(getattr(before, name).state_dict())
    again = after.control(tmp_path, 8, context=context)
    again.load_state_dict(control.state_dict())
    assert rates(after) == rates(before)
    after.run(again, 1)
    assert again.report().decisions[3].seen["lr_g"] == pytest.approx(0, abs=1e-6)
    again.remove()
    assert rates(after) == pytest.approx([1e-3, 1e-3])


def test_the_state_of_another_policy_is_refused(folder: Path) -> None:
    state = PlainGAN.make().control("ada", 8).state_dict()
    control = PlainGAN.make().control(folder, 8)
    with pytest.raises(ConfigError, match=r"controller's state=.*'ada'.*expected that of .*'mine'"):
        control.load_state_dict(state)
    whole = control.state_dict()
    with pytest.raises(ConfigError, match=r"controller's state=.*expected \['clock'\], too"):
        control.load_state_dict({name: value for name, value in whole.items() if name != "clock"})


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
    last = rates(gan)
    with pytest.warns(UserWarning, match="longer than total_steps=8"):
        gan.run(control, 3)
    assert rates(gan) == last and len(control.report().decisions) == 4


@pytest.mark.parametrize("total", [None, 0, 2.5, True])
def test_a_length_that_is_none_is_refused_with_what_to_do(total: Any) -> None:
    with pytest.raises(ConfigError, match=r"total_steps=.*a guess, and `change_total_steps` later"):
        PlainGAN.make().control("ada", total)


def test_a_run_of_fewer_updates_than_decisions_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"total_steps=3 .*at least 4"):
        PlainGAN.make().control(folder, 3)


@pytest.mark.parametrize("name", ["cosine", "linear", "exponential"])
def test_schedules_are_played_as_they_are_written(name: str) -> None:
    gan = PlainGAN.make()
    control = gan.control(name, 200)
    seen = []
    for _ in range(200):
        seen.append(float(control["r1"]))
        gan.run(control, 1)
    shape = load_policy(name).knobs["r1"]
    expected = Anneal(**shape).values([update // 4 / 49 for update in range(200)])
    assert seen == pytest.approx(expected.tolist(), rel=1e-3, abs=1e-4)
    assert rates(gan) == [1e-3, 1e-3]  # which the schedule doesn't name


def test_ada_raises_augmentation_while_the_discriminator_is_sure() -> None:
    gan = PlainGAN.make()
    control = gan.control("ada", 100)
    path = []
    for update in range(100):
        gan.update(control)
        sure = torch.full((16, 1), 3.0 if update < 50 else -3.0)
        control.observe(real=sure)
        control.step()
        path.append(float(control["augment"]))
    assert path[40] == 1 and path[-1] == 0
    assert np.diff(path[:50]).min() > -1e-6 and np.diff(path[50:]).max() < 1e-6


def test_step_sizes_are_held_whatever_rates_the_optimisers_were_given() -> None:
    """The loop shows nothing for it: steps and weights are the optimisers' own."""
    shape = load_policy("step_size").knobs["lr_g"]
    for rate in (2e-6, 2e-4, 5e-3):
        gan = PlainGAN.make(rate)
        control = gan.control("step_size", 400)
        for _ in range(400):
            gan.update()
            control.step()
        seen = [decision.seen["step_g"] for decision in control.report().decisions[-20:]]
        target = np.log10(Anneal(**shape).values(np.arange(79, 99) / 99))  # of the intervals before these decisions
        assert np.mean(seen) == pytest.approx(np.mean(target), abs=0.1)


def test_a_tuned_schedule_of_rates_undoes_the_loops_own() -> None:
    shape = load_policy("tuned/points/rates_0").knobs["lr_g"]
    expected = Anneal(**shape).values(15 / 24)
    for rate in (1e-3, 2e-3):
        gan = PlainGAN.make(rate)
        control = gan.control("tuned/points/rates_0", 100)
        gan.run(control, 60)
        assert len(control.report().decisions) == 16
        assert rates(gan)[0] == pytest.approx(float(expected), rel=1e-3)


def test_inputs_pass_where_nothing_augments_and_change_where_it_does() -> None:
    images = torch.rand(64, 3, 8, 8) * 2 - 1
    still, moving = PlainGAN.make().control("ada", 8), PlainGAN.make().control("plan", 8)
    assert torch.equal(still.augment(images), images)
    changed = moving.augment(images)
    assert changed.shape == images.shape and changed.dtype == images.dtype
    assert (changed - images).std() > 0.9  # the plan starts with noise of deviation 1


def test_augmentation_is_the_environments() -> None:
    """Of points: any angle, and sizes that change by a factor of up to e to the 0.35."""
    points, gan = torch.randn(500, 2), PlainGAN.make()
    control = gan.control("ada", 200)
    for _ in range(16):
        gan.update()
        control.observe(real=torch.ones(4))
        control.step()
    assert float(control["augment"]) == pytest.approx(0.8)
    changed = control.augment(points)
    same = (changed == points).all(dim=1)
    assert float(same.float().mean()) == pytest.approx(0.2, abs=0.06)
    scale = (changed.norm(dim=1) / points.norm(dim=1))[~same].log()
    assert 0.3 < scale.abs().max() <= 0.35 + 1e-5


@pytest.mark.parametrize("x", [torch.rand(4, 3), torch.rand(4, 3, 8, 6), torch.ones(4, 2).int(), "x"])
def test_inputs_that_are_neither_points_nor_images_are_refused(x: Any) -> None:
    with pytest.raises(ConfigError, match=r"augment\(x\)=.*points \[B, 2\] or of square images"):
        PlainGAN.make().control("plan", 8).augment(x)


def test_an_unknown_knob_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"knob='r3' .*'r1'"):
        PlainGAN.make().control("cosine", 8)["r3"]


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"controller='adda' can't be found.*ada"):
        PlainGAN.make().control("adda", 8)


ROOT = Path(__file__).parents[3]
OTHERS = {"width_g": 1.0, "width_d": 1.0, "gain_g": 1.0, "gain_d": 1.0, "input_scale": 1.0, "loss": "hinge"}
"""Hyperparameters besides the optimisers' own, the batch size and the samples."""


def test_the_report_says_what_was_seen_done_and_why(folder: Path, tmp_path: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 8)
    table = str(control.report()).splitlines()
    assert table[0] == "mine: 8 of 8 updates"
    assert [cell.strip() for cell in table[2].split("|")][1:5] == ["update", "r1", "lr_g", "lr_d"]
    assert len(table) == 4 + 4
    assert all(any(f"{knob}: " in row for knob in ("r1", "lr_g", "lr_d")) for row in table[4:])
    pytest.importorskip("matplotlib")
    assert control.report().save(tmp_path / "run.png").stat().st_size > 1000


@pytest.mark.parametrize("argument", ["loss_d", "loss_g", "penalty"])
def test_what_the_controller_observes_and_the_loop_does_not_show_is_asked_for(folder: Path, argument: str) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    shown = gan.update(control)
    del shown[argument]
    control.observe(**shown)
    with pytest.raises(
        ConfigError, match=rf"'mine' observes what the loop doesn't show: pass {argument}=\.\.\. to obs"
    ):
        control.step()


def test_what_is_known_before_training_is_asked_for_when_it_is_made(tmp_path: Path) -> None:
    groups = ("progress", "knobs", "logits", "validation", "losses", "gradients", "slope", "quality", "context")
    saved_controller(decisions=4, observation=groups).save(tmp_path)
    gan = PlainGAN.make()
    with pytest.raises(ConfigError, match=r"context=.*expected \['num_samples', 'batch_size', .*, 'loss.*\], too"):
        gan.control(tmp_path, 8)
    with pytest.raises(ConfigError, match=r"context\['width_g'\]='wide' can't be used: expected a number above 0"):
        gan.control(tmp_path, 8, context={"width_g": "wide"})
    with pytest.raises(ConfigError, match=r"context='rate' .*'num_samples'"):
        gan.control(tmp_path, 8, context={"rate": 1.0})
    context = {"num_samples": 1000, "batch_size": 16, **OTHERS}
    with pytest.raises(ConfigError, match=r"pass clean=\.\.\., held_out=\.\.\., metric=\.\.\., spread=\.\.\. to load"):
        gan.control(tmp_path, 8, context=context)
    assert rates(gan) == [1e-3, 1e-3] and not gan.opt_d._optimizer_step_pre_hooks  # what is refused changes nothing
    untrained = {"clean": torch.zeros(3), "held_out": torch.ones(3), "metric": 2.0, "spread": 0.5}
    seen = gan.control(tmp_path, 8, context=context, untrained=untrained).report().decisions[0].seen
    assert seen["overfitting"] == pytest.approx(-math.log(2))
    assert seen["log_metric"] == pytest.approx(math.log(2), abs=1e-5)
    assert seen["num_samples"] == pytest.approx(0)
    assert seen["lr_g"] == pytest.approx(0, abs=1e-6) and seen["beta_1"] == 0.5


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"real": [1.0, 2.0]}, r"observe\(real=\.\.\.\)='list'.*a tensor of the discriminator's logits"),
        ({"fake": torch.tensor([1, 2])}, r"observe\(fake=\.\.\.\)='torch.int64 of shape \(2,\)'"),
        ({"real": torch.zeros(0, 1)}, r"observe\(real=\.\.\.\)='torch.float32 of shape \(0, 1\)'"),
        ({"loss_d": torch.zeros(3)}, r"observe\(loss_d=\.\.\.\)=.*shape \(3,\).*one number"),
        ({"loss_g": "high"}, r"observe\(loss_g=\.\.\.\)=.*one number"),
        ({"logits": torch.zeros(3)}, r"observe='logits' .*'real', 'fake'"),
    ],
)
def test_what_is_not_as_it_should_be_is_refused(shown: dict[str, Any], message: str) -> None:
    control = PlainGAN.make().control("ada", 8)
    with pytest.raises(ConfigError, match=message):
        control.observe(**shown)


def test_graphs_and_precisions_do_not_matter(sees_logits: Path) -> None:
    """Logits of any shape in half precision, with their graphs, which are let go."""
    gan = PlainGAN.make()
    control = gan.control(sees_logits, 4, untrained=KNOWN)
    gan.update(control)
    patches = torch.full((2, 1, 3, 3), 0.5, dtype=torch.bfloat16, requires_grad=True)
    control.observe(real=patches * 2, fake=patches, loss_d=patches.mean(), loss_g=0.25)
    control.step()
    seen = control.report().decisions[1].seen
    assert seen["logit_real"] == pytest.approx(math.log(2)) and seen["sign_fake"] == 1
    assert seen["loss_d"] == pytest.approx(math.log(1.5)) and not control._averages.sums.requires_grad


def test_several_steps_of_the_discriminator_count_each(sees_logits: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(sees_logits, 4, untrained=KNOWN)
    gan.update(control)
    for value in (1.0, 2.0, 3.0):
        control.observe(real=torch.tensor([value]), fake=torch.tensor([-value]), loss_d=value)
    control.observe(loss_g=0.5)
    control.step()
    seen = control.report().decisions[1].seen
    assert seen["logit_real"] == pytest.approx(math.log(3)) and seen["loss_d"] == pytest.approx(math.log(3))
    assert seen["spread_d"] == pytest.approx(math.log10(math.sqrt(2 / 3)), abs=1e-4)
    assert seen["spread_g"] == pytest.approx(-6, abs=1)


def test_what_is_not_finite_is_left_out(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 1)
    before = gan.update(control)
    control.observe(**{**before, "loss_d": math.nan, "real": torch.tensor([math.inf, 1.0])})
    control.step()
    assert all(math.isfinite(value) for value in control.report().decisions[1].seen.values())


def test_where_nothing_is_finite_the_knobs_stay_and_that_is_said(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    gan.run(control, 2)
    before = [rates(gan), float(control["r1"])]
    with pytest.warns(UserWarning, match="nothing finite was shown of loss_d, in an interval that ended at update 4"):
        gan.run(control, 2, loss_d=math.nan)
    assert [rates(gan), float(control["r1"])] == before
    assert control.report().decisions[2].why.startswith("kept")
    gan.run(control, 4)  # and it goes on
    assert rates(gan) != before[0]


def test_logits_after_a_sigmoid_are_noticed(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 80)
    with pytest.warns(UserWarning, match=r"all logits lie in \[0, 1\].*pass p.logit"):
        gan.run(control, 80, real=torch.rand(8), fake=torch.rand(8))


def test_logits_are_not_taken_for_probabilities(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    gan = PlainGAN.make()
    gan.run(gan.control(folder, 80), 80)
    assert not [w for w in recwarn if "sigmoid" in str(w.message)]


def test_what_was_not_shown_anew_is_named(sees_logits: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(sees_logits, 8, untrained=KNOWN)
    with pytest.warns(UserWarning, match="not shown anew in an interval: clean, held_out; show it where"):
        gan.run(control, 2)


def test_a_policy_of_ones_own_plays_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cautious:
        def __init__(self, env: Any) -> None:
            self.knobs = len(env.config.knobs)

        def predict(self, observation: Any, *_: Any, **__: Any) -> Any:
            return np.full((len(observation), self.knobs), -0.5, np.float32), None

    monkeypatch.setitem(ADAPTIVE, "cautious", Cautious)
    assert float(PlainGAN.make().control("cautious", 8)["augment"]) == 0.25


def test_knobs_that_the_loop_never_asks_for_are_named(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    with pytest.warns(UserWarning, match="never asked for r1, which the controller moves"):
        for _ in range(8):
            control.observe(**gan.update())
            control.step()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": 5000}, r"total_steps=5,000 \(trained on runs of 200\)"),
        ({"rate": 0.5}, r"lr_g=0\.5 \(trained on 3e-05 to 0\.03\)"),
    ],
)
def test_a_run_outside_of_the_training_is_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    gan = PlainGAN.make(changes.get("rate", 1e-3))
    with pytest.warns(UserWarning, match=message):
        gan.control(folder, changes.get("total_steps", 200))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": 8_000}, None),
        ({"total_steps": 12_000}, r"total_steps=12,000 \(trained on runs of 200 to 1,000\)"),
        ({"rate": 0.05}, None),
        ({"rate": 0.5}, r"lr_g=0\.5 \(trained on 3e-05 to 0\.1\)"),
        ({"loss": "wasserstein"}, None),
        ({"loss": "relativistic"}, r"loss=relativistic \(trained on .*least_squares, wasserstein\)"),
    ],
)
def test_all_members_of_a_family_count_as_trained_on(
    changes: dict[str, Any], message: str | None, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    saved = saved_controller()
    rates = {**saved.env["instances"], "lr_g": [0.01, 0.1], "lr_d": [0.01, 0.1]}
    other = {**saved.env, "updates_per_decision": 250, "losses": ["wasserstein"], "instances": rates}
    replace(saved, members={"one": saved.env, "other": other}).save(tmp_path)
    context = {"loss": changes["loss"]} if "loss" in changes else {}
    PlainGAN.make(changes.get("rate", 1e-3)).control(tmp_path, changes.get("total_steps", 200), context=context)
    said = " ".join(str(warning.message) for warning in recwarn if "not trained for" in str(warning.message))
    assert re.search(message, said) if message else not said


def test_statistics_that_were_hardly_seen_in_training_are_named(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    with pytest.warns(UserWarning, match="'mine' sees what it hardly saw in its training: loss_g"):
        gan.run(control, 4, loss_g=1e9)


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


def test_a_schedule_of_somebody_elses_is_noticed(folder: Path) -> None:
    gan = PlainGAN.make()
    schedule = torch.optim.lr_scheduler.StepLR(gan.opt_d, 1, 0.5)
    control = gan.control(folder, 8)
    with pytest.warns(UserWarning, match="something else writes learning rates"):
        for _ in range(4):
            gan.run(control, 1)
            schedule.step()
