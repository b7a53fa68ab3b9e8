"""Warnings: of a run that is unlike those of the training, and of what is probably a mistake."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from controllers import KNOWN, saved_controller
from plain_gan import PlainGAN

from gan_env.controller import GANController


def test_a_loss_that_the_controller_was_not_trained_on_is_named(folder: Path) -> None:
    with pytest.warns(UserWarning, match="not trained for loss=wasserstein .trained on non_saturating, hinge"):
        PlainGAN.make().control(folder, 200, context={"loss": "wasserstein"})


def test_logits_after_a_sigmoid_are_noticed(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 80)
    with pytest.warns(UserWarning, match=r"all logits lie in \[0, 1\].*pass p.logit"):
        gan.run(control, 80, real=torch.rand(8), fake=torch.rand(8))


def test_a_logit_that_is_nan_hides_no_sigmoid(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 80)
    gan.run(control, 1, real=torch.tensor([0.5, torch.nan]), fake=torch.rand(8))
    with pytest.warns(UserWarning, match=r"all logits lie in \[0, 1\]"):
        gan.run(control, 79, real=torch.rand(8), fake=torch.rand(8))


def test_logits_are_not_taken_for_probabilities(folder: Path, recwarn: pytest.WarningsRecorder) -> None:
    gan = PlainGAN.make()
    gan.run(gan.control(folder, 80), 80)
    assert not [w for w in recwarn if "sigmoid" in str(w.message)]


def test_logits_the_wrong_way_round_are_noticed() -> None:
    gan = PlainGAN.make()
    control = gan.control("steady_walk", 200)
    with pytest.warns(UserWarning, match=r"logits on fake are far above those on real.*pass them negated"):
        gan.run(control, 90, real=torch.randn(8) - 3, fake=torch.randn(8) + 3)


def test_a_rate_that_stays_at_its_limit_is_noticed() -> None:
    """As of a generator that has no gradient left, whose steps no rate makes larger."""
    gan = PlainGAN.make()
    control = gan.control("step_size", 400)
    with pytest.warns(
        UserWarning, match=r"lr_g is at its limit, 1000 times yours, since update \d+: .*no gradient left"
    ):
        for _ in range(200):
            control.observe(**gan.update())
            for parameter in gan.generator.parameters():
                gan.opt_g.state[parameter]["exp_avg_sq"].fill_(1e6)  # so Adam hardly moves it
            control.step()


def test_so_is_a_rate_at_its_lower_limit() -> None:
    gan = PlainGAN.make(rate=1e5)
    with pytest.warns(UserWarning, match=r"lr_d is at its limit, 1e-06 times yours.*far too high"):
        gan.run(gan.control("steady_walk", 400), 200, real=torch.randn(8), fake=torch.randn(8))


def test_healthy_rates_and_logits_are_not_remarked(recwarn: pytest.WarningsRecorder) -> None:
    gan = PlainGAN.make()
    gan.run(gan.control("steady_walk", 400), 400)
    assert not [w for w in recwarn if "limit" in str(w.message) or "negated" in str(w.message)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("step_size", "'step_size' aims at step sizes found with Adam"),
        ("steady_walk", "'steady_walk' sets rates of Adam and its kin: others stay"),
    ],
)
def test_what_was_found_with_adam_is_remarked_with_another_optimiser(name: str, said: str) -> None:
    gan = PlainGAN.make()
    gan.opt_d = torch.optim.SGD(gan.discriminator.parameters(), 1e-3)
    with pytest.warns(UserWarning, match=said):
        gan.run(gan.control(name, 40), 40)
    assert (gan.rates[1] == pytest.approx(1e-3)) is (name == "steady_walk")


def test_a_dry_run_says_so_too() -> None:
    gan = PlainGAN.make()
    gan.opt_d = torch.optim.SGD(gan.discriminator.parameters(), 1e-3)
    with pytest.warns(UserWarning, match="others stay"):
        gan.control("steady_walk", 40, dry_run=True)


def test_the_rate_of_prodigy_stays_since_it_is_no_length_of_a_step() -> None:
    """Its steps have the length of its own estimate `d` times the rate, which is 1."""
    gan = PlainGAN.make()
    gan.opt_d = torch.optim.Adam(gan.discriminator.parameters(), 1.0)
    gan.opt_d.param_groups[0]["d"] = 1e-6
    with pytest.warns(UserWarning, match="others stay"):
        gan.run(gan.control("steady_walk", 40), 12)
    assert gan.rates[1] == 1.0


@pytest.mark.parametrize("rate", [1e-3, 1e-5])
def test_g_comes_back_after_logits_that_were_absurd(rate: float) -> None:
    """Those on fake are far above those on real, by fifty standard deviations, at the first four updates alone."""
    gan, level = PlainGAN.make(rate=rate), torch.linspace(-1, 1, 16)
    control = gan.control("steady_walk", 4000)
    gan.run(control, 4, real=level - 60, fake=level)
    assert gan.rates[0] < 1e-6
    gan.run(control, 8, real=level + 3, fake=level)
    assert gan.rates[0] > 1e-3


def test_a_controller_of_relative_rates_leaves_those_of_another_optimiser(tmp_path: Path) -> None:
    saved_controller(
        knobs=("lr_g", "lr_d"), decisions=4, observation=("balanced",), action_mode="balanced", max_first_change=1.0
    ).save(tmp_path)
    gan = PlainGAN.make()
    gan.opt_d = torch.optim.SGD(gan.discriminator.parameters(), 1e-3)
    with pytest.warns(UserWarning, match="sets rates of Adam and its kin: others stay"):
        gan.run(gan.control(tmp_path, 8), 8)
    assert gan.rates[1] == pytest.approx(1e-3)
    assert gan.rates[0] != pytest.approx(1e-3)


def test_a_controller_that_only_sees_steps_needs_no_adam(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """It moves rates by itself, not by the size of a step."""
    saved_controller(decisions=4, observation=("walk",)).save(tmp_path)
    gan = PlainGAN.make()
    gan.opt_d = torch.optim.SGD(gan.discriminator.parameters(), 1e-3)
    gan.control(tmp_path, 8)
    assert not [w for w in recwarn if "Adam" in str(w.message)]


def test_what_was_not_shown_anew_is_named(sees_logits: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(sees_logits, 8, untrained=KNOWN)
    with pytest.warns(UserWarning, match="not shown anew in an interval: clean, held_out; show it where"):
        gan.run(control, 2)


def test_knobs_that_the_loop_never_asks_for_are_named(folder: Path) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    with pytest.warns(UserWarning, match="never asked for r1, which the controller moves"):
        for _ in range(8):
            control.observe(**gan.update())
            control.step()


def test_it_is_said_where_knobs_go_that_the_loop_never_asks_for() -> None:
    gan = PlainGAN.make()
    control = gan.control("linear", 40)
    how = r"the loop applies instance_noise, augment by `control.augment\(x\)`, r1 by `control\[\"r1\"\]`$"
    with pytest.warns(UserWarning, match=how):
        for _ in range(8):
            gan.update()
            control.step()


def test_what_was_never_finite_is_named_as_the_loop_names_it() -> None:
    gan = PlainGAN.make()
    control = gan.control("cosine_rates", 40)
    with pytest.warns(UserWarning, match=r"never finite in an interval: fake, loss_d$"):
        gan.run(control, 8, fake=torch.full((4,), torch.nan), loss_d=torch.nan)


@pytest.mark.parametrize("size", [1, 2])
def test_logits_that_are_shown_as_their_mean_are_noticed(size: int, recwarn: pytest.WarningsRecorder) -> None:
    gan = PlainGAN.make()
    gan.run(gan.control("steady_walk", 80), 60, real=torch.randn(size), fake=torch.randn(1))
    said = [str(w.message) for w in recwarn if "every batch of logits has one element" in str(w.message)]
    assert len(said) == (1 if size == 1 else 0)


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


def test_a_schedule_of_somebody_elses_is_noticed(folder: Path) -> None:
    gan = PlainGAN.make()
    schedule = torch.optim.lr_scheduler.StepLR(gan.opt_d, 1, 0.5)
    control = gan.control(folder, 8)
    with pytest.warns(UserWarning, match="something else writes learning rates"):
        for _ in range(4):
            gan.run(control, 1)
            schedule.step()


def never_step(control: GANController, gan: PlainGAN) -> None:
    for _ in range(50):
        control.step()


def become_longer(control: GANController, gan: PlainGAN) -> None:
    gan.run(control, 8)
    control.change_total_steps(16)


def write_rates(control: GANController, gan: PlainGAN) -> None:
    gan.update(control)
    gan.opt_d.param_groups[0]["lr"] = 1.0
    gan.opt_d.step()


def never_ask(control: GANController, gan: PlainGAN) -> None:
    for _ in range(8):
        control.observe(**gan.update())
        control.step()


@pytest.mark.parametrize(
    ("go_wrong", "message"),
    [
        (never_step, "no optimiser took"),
        (become_longer, "decisions are taken"),
        (write_rates, "something else writes"),
        (never_ask, "never asked"),
    ],
)
def test_a_warning_is_about_a_line_of_the_loop(
    folder: Path, go_wrong: Callable[[GANController, PlainGAN], None], message: str
) -> None:
    gan = PlainGAN.make()
    control = gan.control(folder, 8)
    with pytest.warns(UserWarning, match=message) as caught:
        go_wrong(control, gan)
    assert [w.filename for w in caught if message in str(w.message)] == [__file__]
